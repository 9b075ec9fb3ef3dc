"""What a study says of single models: one that nobody trained, or two that are to be compared.

It reads the models.csv that `frontier.analyse` wrote, and fits their pooled law. torch is loaded only where a config
has to be built and counted.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from yolo_plugins.config import describe_config, find_config, input_hw, load_config, study_options
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import explain
from yolo_plugins.protocol import config_recipe, data_name, loss_name
from yolo_plugins.study.alike import (
    compare_data,
    compare_first_weights,
    compare_recipes,
    compare_sizes,
    refuse_missing,
    refuse_other_loss,
)
from yolo_plugins.study.laws.prediction import Forecast, StudyLaw
from yolo_plugins.study.models import Models, describe_law, read_models
from yolo_plugins.study.tables import schema
from yolo_plugins.study.tables.families import family_of, group_title
from yolo_plugins.study.tables.quantities import QUANTITIES, of_source

if TYPE_CHECKING:
    from mmengine.config import Config

_CERTAIN = 0.999  # no few models say more
_FEW = 1 / 2  # degrees of freedom for each model, below which simulated probabilities are too sure
_SAME = 0.02  # relative difference of rounded parameters of one network

# As `count_config`: of a model's config and an input size, the counts and what is known of its published weights.
Counter = Callable[[Mapping[str, Any], tuple[int, int]], tuple[dict[str, Any], Any]]


@dataclass(frozen=True)
class Candidate:
    """A model that the user asks about.

    Attributes:
        row: Columns of models.csv that are known of it.
        told: A sentence on it, and caveats, a line each.
        measured: The row's name in models.csv, where it was trained; None where not.
    """

    row: dict[str, Any]
    told: str
    measured: str | None = None


def predict(
    config: str,
    fits: Path,
    x: str | None,
    y: str | None,
    allow_mixed: bool = False,
    cfg_options: Sequence[str] = (),
    study: str | None = None,
) -> str:
    """What the pooled law expects of a config that nobody trained.

    Args:
        config: As for `find_config`.
        fits: Folder where `frontier.analyse` wrote.
        x: Cost, as in `read_models`.
        y: Performance, as in `read_models`.
        allow_mixed: Whether the models, and the config, may differ in data, input size and protocol.
        cfg_options: Changes to the config, as `KEY=VALUE`.
        study: Config of a study, whose changes come before these.

    Returns:
        The model's cost, what it measured if it is among the models, the expected value with its interval for a mean of
        seeds and a single run, and what is attainable.

    Raises:
        UsageError: As `read_models`; the config cannot be built or its cost not be counted; or it is of other data,
            another input size or another protocol than the models.
    """
    models = read_models(fits, x, y, allow_mixed)
    path = find_config(config)
    candidate = of_config(path, load_config(str(path), [*study_options(study), *cfg_options]), models)
    title = QUANTITIES[models.y].title
    if candidate.measured is None:
        law, said = models.law, f"{title} by {describe_law(models.law)}:"
    else:
        law, name = models.law_without(candidate.measured), candidate.measured
        measured = f"{title} {models.table.set_index('model')[models.y][name]:.4g}"
        said = f"It is measured already, as {name}: {measured}. Without it, {describe_law(law)} says:"
    return "\n".join([*models.notes, candidate.told, said, *_tell(law.predict(candidate.row), law)])


def compare(
    first: str,
    second: str,
    fits: Path,
    x: str | None,
    y: str | None,
    allow_mixed: bool = False,
    cfg_options: Sequence[str] = (),
    study: str | None = None,
) -> str:
    """Which of two models is better, with what probability, by all that is known of them.

    Args:
        first: Name of a model in models.csv, else a config as for `find_config`.
        second: Another.
        fits: Folder where `frontier.analyse` wrote.
        x: Cost, as in `read_models`.
        y: Performance, as in `read_models`.
        allow_mixed: As for `predict`.
        cfg_options: As for `predict`, of each config.
        study: As for `predict`.

    Returns:
        A line for each model, and the verdict.

    Raises:
        UsageError: As `predict`; or the two are one model.
    """
    models = read_models(fits, x, y, allow_mixed)
    changes = [*study_options(study), *cfg_options]
    one, other = (_known(name, models, changes) for name in (first, second))
    if one.row["model"] == other.row["model"]:
        raise UsageError(f"{first} and {second} are one model: give two")
    probability = models.law.compare(one.row, other.row)
    better, worse = (one, other) if probability >= 0.5 else (other, one)
    verdict = (
        f"{better.row['model']} is better than {worse.row['model']} with probability "
        f"{_probability(max(probability, 1 - probability))}, by {_basis(one, other, models)}"
    )
    return "\n".join([*models.notes, one.told, other.told, verdict])


def _tell(forecast: Forecast, law: StudyLaw) -> list[str]:
    """The lines of a forecast by a law."""
    of_mean = "one run" if law.runs == 1 else f"mean of {law.runs} seeds"
    lines = [
        f"  expected    {forecast.expected:.4g}; with 95 % probability within {forecast.low:.4g} .. "
        f"{forecast.high:.4g} ({of_mean})"
    ]
    if law.runs > 1:
        lines.append(f"  a single run  within {forecast.run_low:.4g} .. {forecast.run_high:.4g}")
    lines.append(f"  attainable  {forecast.attainable:.4g}: one in ten models like it is better")
    cost = QUANTITIES[law.x]
    low, high = (cost.tell(value) for value in law.models[cost.column].astype(float).agg(["min", "max"]))
    if forecast.outside:
        lines.append(
            f"  OUTSIDE the models in {' and '.join(forecast.outside)} ({low} .. {high}): beyond its data a law is a "
            "guess"
        )
    else:
        lines.append(f"  inside the range of the models, {low} .. {high}")
    return lines


def _probability(value: float) -> str:
    return f"{value:.3g}" if value < _CERTAIN else f"above {_CERTAIN}"


def _basis(one: Candidate, other: Candidate, models: Models) -> str:
    law = describe_law(models.law)
    measured = [candidate for candidate in (one, other) if candidate.measured is not None]
    if not measured:
        return f"{law}, as neither was trained"
    if len(measured) == 1:
        return f"what {measured[0].row['model']} measured and {law}"
    if dof := models.law.noise_dof:
        few = "; so few repeats tell little of chance: the probability may be up to 5 points too large"
        told = few if dof < _FEW * len(models.law.models) else ""
        freedom = f"{dof} degree{'s' if dof > 1 else ''} of freedom"
        return f"what both measured, the noise of the seeds ({freedom}), and {law}{told}"
    return (
        f"what both measured and {law}; no model was trained with several seeds, so chance may be any "
        "part of their scatter"
    )


def _of_table(name: str, models: Models) -> Candidate | None:
    """The row of models.csv of this name; None where there is none."""
    rows = models.table[models.table["model"] == Path(name).name.removesuffix(".py")]
    return None if rows.empty else _measured(rows.iloc[0], models)


def _measured(row: pd.Series, models: Models) -> Candidate:
    """A model of the table.

    Raises:
        UsageError: It is of another loss, or its cost or what else the law goes by is not known.
    """
    x, y = QUANTITIES[models.x], QUANTITIES[models.y]
    row = row.astype(object).where(row.notna(), None)
    refuse_other_loss(row["model"], row["loss"], models)
    cost, value, seeds = row[x.column], row[y.column], row["seeds"]
    if cost is None or not schema.is_inside(pd.Series([cost], dtype=float), x).iloc[0]:
        raise UsageError(f"{models.path} has no {x.column} above 0 of {row['model']}: give {_counted_options()}")
    told, name = "not measured", None
    if value is not None:
        is_inside = schema.is_inside(pd.Series([value], dtype=float), y).iloc[0]
        name = row["model"] if is_inside else None
        told = f"measured {y.title} {value:.4g}"
        told += "" if is_inside else ", an end of its scale, so that the law stands in for it"
    runs = "" if seeds is None else f", mean of {seeds} seeds" if seeds > 1 else ", one seed"
    refuse_missing(f"{models.path}, {row['model']}", row, models)
    told = f"{row['model']} ({group_title(row['family'])}): {x.tell(cost)}; {told}{runs}"
    return Candidate(row.to_dict(), told, name)


def of_config(
    path: Path, config: "Config", models: Models, count: Counter | None = None, name: str | None = None
) -> Candidate:
    """A config that is built and counted at its input size, unless it is one of the models.

    Args:
        path: Of the config, for messages.
        config: As `load_config` returns it.
        models: Those of the study.
        count: In place of `count_config`.
        name: Of the candidate; by default the config's.

    Raises:
        UnlikeError: It is not like the models.
        UsageError: Its cost cannot be counted, or it cannot be built.
    """
    if QUANTITIES[models.x].source != "counted":
        raise UsageError(f"{path}: its {models.x} cannot be counted: give {_counted_options()}")
    refuse_other_loss(str(path), loss_name(config.to_dict()), models)
    recipe = config_recipe(config)
    size, caveats = compare_sizes(path, input_hw(config), models)
    caveats += [*compare_data(path, recipe, models), *compare_recipes(path, config, models)]
    counts, published = _count(path, config, size, count)
    caveats += compare_first_weights(path, config, published, models)
    family = family_of(describe_config(config)["modules"])
    counted = " and ".join(row.tell(counts[row.name]) for row in of_source("counted"))
    row = {"model": name or path.stem, "family": family, "input_h": size[0], "input_w": size[1]} | counts
    told = f"{row['model']} ({group_title(family)}): {counted}, counted at {size[0]} x {size[1]} pixels"
    row["backbone_top1"] = published and published.top1
    refuse_missing(str(path), row, models)
    if known := _same_model(row, data_name(recipe), models):
        row |= {"model": known, "family": models.table.set_index("model")["family"][known]}
    elif row["model"] in set(models.law.models["model"]):  # the law would take it for that model
        row["model"] = f"{row['model']} (not as measured)"
    return Candidate(row, "\n".join([told, *caveats]), known)


def _known(name: str, models: Models, options: Sequence[str]) -> Candidate:
    """A model of the table, else a config."""
    return _of_table(name, models) or of_config(find_config(name), load_config(name, options), models)


def _count(path: Path, config: "Config", size: tuple[int, int], count: Counter | None) -> tuple[dict[str, Any], Any]:
    from yolo_plugins.costs.meta import count_config

    try:
        return (count or count_config)(config.model, size)
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        raise UsageError(f"{path}: {sentence}") from error


def _same_model(row: dict[str, Any], data: str | None, models: Models) -> str | None:
    """The measured model that a config is, of its name, which others spell in their way and without its data.

    `yolov4_p7_coco` is `YOLOv4-P7`; `yolov5_n_voc_cosine` is not `yolov5_n_voc`, whose network it trains otherwise.
    """
    name, kind = row["model"], (data or "").partition(" ")[0].lower()
    spellings = {_plain(name), _plain(name.removesuffix(f"_{kind}"))}
    table = models.law.models
    same = table["model"].map(_plain).isin(spellings) & (table["input_h"] == row["input_h"])
    same &= (table["input_w"] == row["input_w"]) & ((table["params"].astype(float) / row["params"] - 1).abs() < _SAME)
    return next(iter(table.loc[same, "model"]), None)


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _counted_options() -> str:
    """The costs that a config has without being run, as options."""
    return " or ".join(f"--x {row.name}" for row in of_source("counted"))
