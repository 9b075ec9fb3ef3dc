"""The front door to a study: from its tables, or the records of its runs, to laws, figures and a report.

Files in, files out, no torch. `model_choice` reads the laws back.
"""

import math
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from yolo_plugins.errors import UsageError
from yolo_plugins.study.laws.fits import ALL, NOT_YOLOV5, StudyFits, fit_study, fits_table, front_of, is_yolov5
from yolo_plugins.study.report.caveats import COSTS, PERFORMANCES
from yolo_plugins.study.report.figures import Trend, save_study
from yolo_plugins.study.report.page import Report, write_report
from yolo_plugins.study.tables import schema
from yolo_plugins.study.tables.collect import collect, describe_differences, find_records, models_table

_DEFAULT_Y = "inverse_normalized_loss"  # the paper's
_PACKAGES = ("yolo_plugins", "numpy", "scipy", "pandas", "matplotlib", "plotly")
_TABLES = {"runs": schema.RUNS, "epochs": schema.EPOCHS, "complexity": schema.COMPLEXITY, "models": schema.MODELS}


@dataclass(frozen=True)
class Study:
    """What is known of a study: pandas.DataFrames of the schemas of their names, None where there is none.

    Attributes:
        models: One row for each model.
        runs: One row for each training.
        epochs: One row for each of their epochs.
        complexity: One row for each model and form.
        notes: What was left out and what to know, a sentence each.
    """

    models: Any
    runs: Any = None
    epochs: Any = None
    complexity: Any = None
    notes: tuple[str, ...] = ()


def read_study(sources: Sequence[Path]) -> Study:
    """Reads a study from its work directories, from runs.csv and complexity.csv, or from a table of models.

    Args:
        sources: Folders above records of runs, at any depth; or CSV files, told apart by their columns.

    Raises:
        UsageError: Folders and files are mixed, tables do not go together, or one of them is not valid.
    """
    folders = [source for source in sources if source.is_dir()]
    if folders and len(folders) < len(sources):
        raise UsageError(f"{folders[0]} is a folder, others are files: give work directories or tables, not both")
    if folders:
        found = collect(find_records(folders))
        return _of_runs(found.runs, found.epochs, found.complexity, found.left_out)
    tables: dict[str, Path] = {}
    for source in sources:
        table = schema.identify(source)
        kind = next((kind for kind, known in _TABLES.items() if known is table), None)
        if kind is None:
            raise UsageError(f"{source}: laws are no study: give the tables that they were fitted to")
        if tables.setdefault(kind, source) is not source:
            raise UsageError(f"{tables[kind]} and {source} both have the columns of {table.name}: give one of them")
    if set(tables) == {"models"}:
        return Study(schema.read_table(tables["models"], schema.MODELS))
    if not {"runs", "complexity"} <= set(tables) or "models" in tables:
        given = ", ".join(f"{path} ({_TABLES[kind].name})" for kind, path in tables.items())
        raise UsageError(
            f"{given}: give runs.csv with complexity.csv and, for the curves, epochs.csv; or a table of models alone"
        )
    frames = {kind: schema.read_table(path, _TABLES[kind]) for kind, path in tables.items()}
    return _of_runs(frames["runs"], frames.get("epochs"), frames["complexity"])


def analyse(sources: Sequence[Path], out: Path, x: str, y: str | None, group: str) -> str:
    """Writes models.csv, fits.csv, figures/ and report.html; and the tables of runs that were given.

    Args:
        sources: As for `read_study`.
        out: Folder for the files.
        x: Cost of the headline, a key of `schema.X_COLUMNS`.
        y: Performance of the headline; None for the paper's.
        group: Column of models.csv that divides the models.

    Returns:
        A summary.

    Raises:
        UsageError: The sources are not valid, or the headline cannot be fitted.
    """
    study = read_study(sources)
    told = ", ".join(map(str, sources))
    if x not in schema.X_COLUMNS:
        raise UsageError(f"--x {x}: give {', '.join(schema.X_COLUMNS)}")
    y = _headline_metric(study.models, y, told)
    try:
        fits = fit_study(study.models, x, y, group)
    except ValueError as error:
        raise UsageError(f"{told}: no law of {y} against {x}: {error}") from error
    table = fits_table(fits.fits)
    for kind, known in _TABLES.items():
        if (frame := getattr(study, kind)) is not None:
            schema.write_table(frame, out / known.name, known)
    schema.write_table(table, out / schema.FITS.name, schema.FITS)
    figures = save_study(out / "figures", study.models, _trends(study, fits), study.epochs, _bars(study))
    notes = (*study.notes, *fits.notes)
    report = Report(
        title=f"{PERFORMANCES[y]} against {COSTS[x]}: {len(study.models)} models",
        models=study.models,
        runs=study.runs,
        epochs=study.epochs,
        fits=table,
        x=x,
        y=y,
        front=fits.front,
        notes=notes,
        figures=tuple(path for path in figures if path.suffix == ".svg"),
        commands=_commands(study),
        environment=_environment(study),
    )
    write_report(out / "report.html", report)
    return "\n".join([*_summarise(fits), *(f"note: {note}" for note in notes), f"Files in {out}; open report.html"])


def _headline_metric(models: Any, y: str | None, told: str) -> str:
    """The performance to be shown first: the given one or the paper's, if the table has it."""
    present = [name for name in schema.MODEL_METRICS if models[name].notna().any()]
    wanted = y or _DEFAULT_Y
    if wanted in present:
        return wanted
    raise UsageError(f"{told}: no values of {wanted}: give --y {' or --y '.join(present) or 'a table that has some'}")


def _trends(study: Study, fits: StudyFits) -> dict[tuple[str, str], Trend]:
    """What is drawn over the points of each pair of cost and performance: where there are two, the paper's lines."""
    by_pair: dict[tuple[str, str], dict[str, Any]] = {}
    for fit in fits.fits:
        by_pair.setdefault((fit.x, fit.y), {})[fit.group] = fit
    return {
        pair: Trend(
            {group: found[group].law for group in _drawn(found)}, front_of(study.models, *pair), found[ALL].upper
        )
        for pair, found in by_pair.items()
    }


def _drawn(groups: Iterable[str]) -> list[str]:
    """Groups that share no model: `not_yolov5` stands for those outside YOLOv5, `all` only where it is alone."""
    narrow = [group for group in groups if group != ALL]
    if NOT_YOLOV5 in narrow:
        narrow = [group for group in narrow if group == NOT_YOLOV5 or is_yolov5(group)]
    return narrow or [ALL]


def _bars(study: Study) -> Any:
    """The rows of complexity.csv that the bars show: the models as trained, with their parts; None without."""
    if study.complexity is None:
        return None
    trained = study.complexity[study.complexity["form"] == "train"].dropna(subset=["params_backbone"])
    rows = trained.merge(study.models[["model", "input_h", "input_w"]])
    return rows if len(rows) else None


def _commands(study: Study) -> tuple[str, ...]:
    """What led here: the trainings, then this command; as typed in the folder where they began."""
    trainings = [] if study.runs is None else study.runs["command"].drop_duplicates().tolist()
    tool, *arguments = sys.argv
    return tuple(f"python {command}" for command in (*trainings, shlex.join([os.path.relpath(tool), *arguments])))


def _environment(study: Study) -> dict[str, str]:
    """Versions of the analysis; devices and versions of the trainings."""
    found = {"analysis: python": platform.python_version()}
    found |= {f"analysis: {name}": version(name) for name in _PACKAGES}
    if study.runs is not None:
        for column in ("device", "python", "torch", "mmdet", "yolo_plugins", "git_commit"):
            found[f"training: {column}"] = ", ".join(study.runs[column].dropna().drop_duplicates())
    return found


def _of_runs(runs: Any, epochs: Any, complexity: Any, left_out: Sequence[str] = ()) -> Study:
    notes = (*(f"left out: {reason}" for reason in left_out), *describe_differences(runs))
    return Study(models_table(runs, complexity), runs, epochs, complexity, notes)


def _summarise(fits: StudyFits) -> list[str]:
    """The headline's laws, a line each, and its front."""
    lines = [f"{fits.y} against {fits.x}: exponent, 95 % interval (Student's t), models, residual degrees of freedom"]
    width = max(map(len, fits.headline))
    for group, fit in fits.headline.items():
        interval = fit.law.exponent_interval
        error = f", leave-one-out error x {math.exp(fit.leave_one_out.rms):.3g}" if fit.leave_one_out else ""
        lines.append(
            f"  {group:<{width}}  {fit.law.exponent:.4f} [{interval.low:.4f}, {interval.high:.4f}], n = {fit.law.n}, "
            f"{fit.law.residual_dof} dof{error}"
        )
    return [*lines, f"Pareto front: {', '.join(fits.front.names)}"]
