"""How well laws predict models that they have not seen: one left out at a time, or its whole family.

Each law is fitted anew without them. On models that each have a recipe of their own this is what a user can hope for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from yolo_plugins.study.laws.power_law import fit_power_law
from yolo_plugins.study.laws.prediction import StudyLaw
from yolo_plugins.study.tables.quantities import QUANTITIES

_DRAWS = 2**10  # half of those of a study's law: the error of an interval's end stays below 2 % of its length
Interval = tuple[float, float, float]  # expected, low, high
Predictor = Callable[[pd.DataFrame, Mapping[str, Any], str], Interval | None]


@dataclass(frozen=True)
class Errors:
    """How well a predictor did.

    Attributes:
        rms: Root mean square of measured minus expected.
        coverage: Share of the models within their 95 % interval.
        width: Median length of these.
        models: How many it could predict.
    """

    rms: float
    coverage: float
    width: float
    models: int


def power_law_of_family(models: pd.DataFrame, model: Mapping[str, Any], y: str) -> Interval | None:
    """The power law of the model's own family on MACs; None for fewer than 3 others in it."""
    family = models[models["family"] == model["family"]]
    return power_law_of_all(family, model, y) if len(family) > 2 else None


def power_law_of_all(models: pd.DataFrame, model: Mapping[str, Any], y: str) -> Interval | None:
    """The power law of all models on MACs."""
    cost = QUANTITIES["macs"].column
    law = fit_power_law(models[cost].tolist(), models[y].tolist(), models["model"].tolist())
    found = law.predict(model[cost])
    return found.expected, found.low, found.high


def pooled_law(models: pd.DataFrame, model: Mapping[str, Any], y: str) -> Interval | None:
    """The pooled law on parameters, with what covariates all models have."""
    found = StudyLaw(models, "params", y, _DRAWS).predict(model)
    return found.expected, found.low, found.high


def pooled_law_with_top1(models: pd.DataFrame, model: Mapping[str, Any], y: str) -> Interval | None:
    """The same with the ImageNet top-1 of the backbone; None where some model has none."""
    return None if models["backbone_top1"].isna().any() else pooled_law(models, model, y)


def pooled_law_of_costs(models: pd.DataFrame, model: Mapping[str, Any], y: str) -> Interval | None:
    """The pooled law on parameters, with what covariates all models have but top-1."""
    return pooled_law(models.assign(backbone_top1=np.nan), model, y)


PREDICTORS: dict[str, Predictor] = {
    "power law of its family, MACs": power_law_of_family,
    "power law of all, MACs": power_law_of_all,
    "pooled law": pooled_law_of_costs,
    "pooled law with top-1": pooled_law_with_top1,
}


def as_models(backbones: pd.DataFrame) -> pd.DataFrame:
    """The checked rows of published_backbones.csv, of the detector that has most, as models of the backbones' costs."""
    rows = backbones[~backbones["source"].str.contains("(from memory)", regex=False)]
    rows = rows[rows["detector"] == rows["detector"].mode()[0]].assign(input_h=224, input_w=224, ap50_95_sd=np.nan)
    names = {"backbone": "model", "params_backbone": "params", "macs_backbone": "macs"}
    return rows.drop(columns="params").rename(columns=names).assign(seeds=np.nan)


def validate(
    models: pd.DataFrame,
    y: str,
    predictor: Predictor,
    whole_family: bool = False,
    progress: Callable[[], object] = lambda: None,
) -> Errors | None:
    """Predicts every model by those that are left when it, or its family, is taken out.

    Args:
        models: Of the schema MODELS, with `y` in each row.
        y: Name of a performance.
        predictor: One of `PREDICTORS`.
        whole_family: Whether its family is taken out too.
        progress: Called after every model.

    Returns:
        Its errors; None where it could predict none.
    """
    found, measured = [], []
    for index, model in models.iterrows():
        others = models[models["family"] != model["family"]] if whole_family else models.drop(index)
        interval = predictor(others, model, y)
        if interval is not None:
            found.append(interval)
            measured.append(model[y])
        progress()
    if not found:
        return None
    (expected, low, high), y_true = np.array(found).T, np.array(measured, float)
    inside = (low <= y_true) & (y_true <= high)
    rms = float(np.sqrt(np.mean((y_true - expected) ** 2)))
    return Errors(rms, float(inside.mean()), float(np.median(high - low)), len(found))


def format_errors(rows: list[tuple[str, Errors | None, Errors | None]]) -> str:
    """A table for the terminal: predictor, then errors one model and one family left out, in points and percent."""
    width = max(len(name) for name, *_ in rows)
    head = f"{'':<{width}}  {'one model left out':<26}  its family left out"
    return "\n".join([head, *(f"{name:<{width}}  {_tell(one):<26}  {_tell(other)}" for name, one, other in rows)])


def _tell(errors: Errors | None) -> str:
    if errors is None:
        return "-"
    return f"{100 * errors.rms:4.2f} / {100 * errors.coverage:5.1f} % / {100 * errors.width:4.1f}  n {errors.models}"
