"""The front door to a study: from its tables, or the records of its runs, to laws, figures and a report.

Files in, files out, no torch. `model_choice` reads the laws back.
"""

import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from yolo_plugins import __version__
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import some
from yolo_plugins.masking import command_line
from yolo_plugins.study.laws.fits import GroupFit, StudyFits, fit_study, fits_table, front_of
from yolo_plugins.study.laws.prediction import FEWEST_TO_CHECK, StudyLaw
from yolo_plugins.study.report.figures import Trend, save_study
from yolo_plugins.study.report.page import Report, write_report
from yolo_plugins.study.report.verdict import tell_verdict
from yolo_plugins.study.tables import schema
from yolo_plugins.study.tables.collect import (
    collect,
    describe_differences,
    find_records,
    folders_among,
    leave_out_stopped,
    models_table,
    with_tables,
)
from yolo_plugins.study.tables.families import ALL, drawn_groups, group_title
from yolo_plugins.study.tables.protocols import refuse_mixture, tell_recipes
from yolo_plugins.study.tables.quantities import DEFAULT_PERFORMANCE, DEFAULT_PREDICTOR, QUANTITIES, costs, performances

_PACKAGES = ("numpy", "scipy", "pandas", "matplotlib")
_TABLES = {
    **{"runs": schema.RUNS, "protocols": schema.PROTOCOLS, "epochs": schema.EPOCHS},
    **{"complexity": schema.COMPLEXITY, "models": schema.MODELS},
}
_OF_RUNS = ("runs", "protocols", "epochs", "complexity")  # those that records lead to


@dataclass(frozen=True)
class Study:
    """What is known of a study: frames of the schemas of their names, None where there is none.

    Attributes:
        models: One row for each model.
        runs: One row for each training.
        protocols: How they, or the models, were trained.
        epochs: One row for each of their epochs.
        complexity: One row for each model and form.
        notes: What was left out and what to know, a sentence each.
    """

    models: pd.DataFrame
    runs: pd.DataFrame | None = None
    protocols: pd.DataFrame | None = None
    epochs: pd.DataFrame | None = None
    complexity: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()


def read_study(sources: Sequence[Path], allow_mixed: bool = False) -> Study:
    """Reads a study from its work directories, from runs.csv and complexity.csv, or from a table of models.

    Args:
        sources: Folders above records of runs, at any depth; or CSV files, told apart by their columns, or folders of
            them.
        allow_mixed: Whether rows of several protocols may be compared; a note tells them.

    Raises:
        UsageError: Folders and files are mixed, tables do not go together, or one of them is not valid; or the rows are
            of several protocols.
    """
    sources = with_tables(sources, [_TABLES[kind].name for kind in _OF_RUNS])
    if folders := folders_among(sources):
        found = collect(find_records(folders))
        frames = {kind: getattr(found, kind) for kind in _OF_RUNS}
        return _of_runs(frames, allow_mixed, found.left_out)
    tables: dict[str, Path] = {}
    for source in sources:
        table = schema.identify(source)
        kind = next((kind for kind, known in _TABLES.items() if known is table), None)
        if kind is None:
            raise UsageError(
                f"{source}: a table of the kind of {table.name} is no study: give those of runs, or one of models"
            )
        if tables.setdefault(kind, source) is not source:
            raise UsageError(f"{tables[kind]} and {source} both have the columns of {table.name}: give one of them")
    if set(tables) - {"protocols"} == {"models"}:
        frames = {kind: schema.read_table(path, _TABLES[kind]) for kind, path in tables.items()}
        mixture = refuse_mixture(frames["models"], frames.get("protocols"), allow_mixed)
        return Study(**frames, notes=(*mixture, *tell_recipes(frames["models"])))
    if not {"runs", "complexity"} <= set(tables) or "models" in tables:
        given = ", ".join(f"{path} ({_TABLES[kind].name})" for kind, path in tables.items())
        raise UsageError(
            f"{given}: give runs.csv with complexity.csv and, for the curves, epochs.csv; or a table of models alone; "
            "either with protocols.csv, if you have it"
        )
    frames = {kind: schema.read_table(path, _TABLES[kind]) for kind, path in tables.items()}
    return _of_runs(frames, allow_mixed)


def analyse(sources: Sequence[Path], out: Path, x: str, y: str | None, group: str, allow_mixed: bool = False) -> str:
    """Writes models.csv, fits.csv, figures/ and report.html; and the tables of runs that were given.

    Args:
        sources: As for `read_study`.
        out: Folder for the files.
        x: Cost of the headline.
        y: Performance of the headline; None for the paper's.
        group: Column of models.csv that divides the models.
        allow_mixed: As for `read_study`.

    Returns:
        A summary.

    Raises:
        UsageError: The sources are not valid, or the headline cannot be fitted.
    """
    study = read_study(sources, allow_mixed)
    told = ", ".join(map(str, sources))
    if x not in costs():
        raise UsageError(f"--x {x}: give {', '.join(costs())}")
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
    trends = _trends(study.models, fits)
    figures = save_study(out / "figures", study.models, trends, study.epochs, _bars(study), group)
    law, reason = _pooled_law(study.models, y)
    checked = law if law and len(law.models) >= FEWEST_TO_CHECK else None
    notes = (*study.notes, *fits.notes, *reason)
    verdict = tell_verdict(table, study.models, x, y, group)
    report = Report(
        title=f"{QUANTITIES[y].title} against {QUANTITIES[x].title}: {len(study.models)} models",
        models=study.models,
        runs=study.runs,
        epochs=study.epochs,
        fits=table,
        x=x,
        y=y,
        group=group,
        front=fits.front,
        verdict=verdict,
        notes=notes,
        figures=tuple(path for path in figures if path.suffix == ".svg"),
        commands=_commands(study),
        environment=_environment(study),
        leave_one_out=checked and checked.leave_one_out(),
        calibration=checked and checked.calibration(),
    )
    write_report(out / "report.html", report)
    return "\n".join(
        [*_summarise(fits), *verdict, *(f"note: {note}" for note in notes), f"Files in {out}; open report.html"]
    )


def _headline_metric(models: pd.DataFrame, y: str | None, told: str) -> str:
    """The performance to be shown first: the given one or the paper's, if the table has it."""
    present = [name for name in performances() if models[name].notna().any()]
    wanted = y or DEFAULT_PERFORMANCE
    if wanted not in present:
        raise UsageError(
            f"{told}: no values of {wanted}: give --y {' or --y '.join(present) or 'a table that has some'}"
        )
    if QUANTITIES[wanted].by_loss and not schema.of_one_loss(models).all():
        losses = models["loss"].fillna("not recorded").value_counts().sort_index()
        found = ", ".join(f"{loss}: {count}" for loss, count in losses.items())
        others = [name for name in present if not QUANTITIES[name].by_loss]
        raise UsageError(
            f"{told}: {wanted} does not compare between models of several losses ({found}): give --y "
            f"{' or --y '.join(others) or 'and models of one loss'}"
        )
    return wanted


def _trends(models: pd.DataFrame, fits: StudyFits) -> dict[tuple[str, str], Trend]:
    """What is drawn over the points of each pair of cost and performance."""
    by_pair: dict[tuple[str, str], dict[str, GroupFit]] = {}
    for fit in fits.fits:
        by_pair.setdefault((fit.x, fit.y), {})[fit.group] = fit
    return {
        pair: Trend(
            {group: found[group].law for group in drawn_groups(list(found))},
            front_of(models[schema.is_drawable(models, *pair)], *pair),
            found[ALL].upper,
        )
        for pair, found in by_pair.items()
    }


def _pooled_law(models: pd.DataFrame, y: str) -> tuple[StudyLaw | None, tuple[str, ...]]:
    """What `predict` and `compare` go by, or a note why there is none."""
    try:
        return StudyLaw(models, DEFAULT_PREDICTOR, y), ()
    except ValueError as error:
        return None, (f"no predictions of {QUANTITIES[y].title}: {error}",)


def _bars(study: Study) -> pd.DataFrame | None:
    """The rows of complexity.csv that the bars show: the models as trained, with their parts; None without."""
    if study.complexity is None:
        return None
    trained = study.complexity[study.complexity["form"] == "train"].dropna(subset=["params_backbone"])
    rows = trained.merge(study.models[["model", "input_h", "input_w"]])
    return rows if len(rows) else None


def _commands(study: Study) -> tuple[str, ...]:
    """What led here: the trainings, then this command; as typed in the folder where they began."""
    trainings = [] if study.runs is None else study.runs["command"].drop_duplicates().tolist()
    commands = (*trainings, command_line())
    return tuple(text if text.startswith("yolo-plugins ") else f"python {text}" for text in commands)


def _environment(study: Study) -> dict[str, str]:
    """Versions of the analysis; devices and versions of the trainings."""
    found = {"analysis: python": platform.python_version()}
    found["analysis: yolo_plugins"] = __version__
    found |= {f"analysis: {name}": version(name) for name in _PACKAGES}
    if study.runs is not None:
        for column in ("protocol_sha256", "device", "python", "torch", "mmdet", "yolo_plugins", "git_commit"):
            found[f"training: {column}"] = ", ".join(study.runs[column].dropna().drop_duplicates())
    return found


def _of_runs(frames: dict[str, pd.DataFrame], allow_mixed: bool, left_out: Sequence[str] = ()) -> Study:
    """A study of the tables of runs and complexity, and of others, by their names in `Study`."""
    mixture = refuse_mixture(frames["runs"], frames.get("protocols"), allow_mixed)
    runs, stopped = leave_out_stopped(frames["runs"])
    models = models_table(runs, frames["complexity"])
    notes = (*mixture, *(f"left out: {reason}" for reason in left_out), *stopped, *describe_differences(runs))
    return Study(models, **frames, notes=(*notes, *_tell_latency(models)))


def _tell_latency(models: pd.DataFrame) -> tuple[str, ...]:
    """What to do about models of runs that have no latency."""
    without = models.loc[models["latency_seconds"].isna(), "model"].tolist()
    if not without:
        return ()
    return (
        f"No latency of {len(without)} of {len(models)} models ({some(without)}), whose runs found the machine busy or "
        "ran on unlike machines: yolo-plugins recommend --max-ms 10 --fits DIR, with the folder of this report, "
        "measures it and joins it with the scores.",
    )


def _summarise(fits: StudyFits) -> list[str]:
    """The headline's laws, a line each, and its front."""
    pair = f"{QUANTITIES[fits.y].title} against {QUANTITIES[fits.x].title}"
    lines = [f"{pair}: exponent, 95 % interval (Student's t), models, residual degrees of freedom"]
    width = max(len(group_title(group)) for group in fits.headline)
    for group, fit in fits.headline.items():
        interval = fit.law.exponent_interval
        error = f", leave-one-out error x {math.exp(fit.leave_one_out.rms):.3g}" if fit.leave_one_out else ""
        lines.append(
            f"  {group_title(group):<{width}}  {fit.law.exponent:.4f} [{interval.low:.4f}, {interval.high:.4f}], "
            f"n = {fit.law.n}, {fit.law.residual_dof} dof{error}"
        )
    return [*lines, f"Pareto front: {', '.join(fits.front.names)}"]
