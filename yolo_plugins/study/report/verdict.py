"""The verdict on the claims of Chai & Zhao, "YOLOv5 with different backbones", in three sentences.

The claims that a table of models can answer: YOLOv5 lies above the line of the other models; performance is a power law
of cost, with another exponent for YOLOv5; the costliest model does not deliver what it costs.
"""

import math

import pandas as pd
from scipy import stats

from yolo_plugins.study.laws.power_law import LEVEL, PowerLaw, Prediction, fit_power_law
from yolo_plugins.study.report.caveats import (
    is_shown,
    join_words,
    plain,
    tell_interval,
    tell_level,
    tell_p,
    tell_unequal_spread,
)
from yolo_plugins.study.tables.families import ALL, NOT_YOLOV5, drawn_groups, group_title, is_yolov5, reference_group
from yolo_plugins.study.tables.quantities import QUANTITIES, Quantity
from yolo_plugins.study.tables.schema import is_drawable


def tell_verdict(fits: pd.DataFrame, models: pd.DataFrame, x: str, y: str, group: str = "family") -> tuple[str, ...]:
    """Three sentences: what these models say of each claim, or that it cannot be said.

    Args:
        fits: Of the schema FITS.
        models: Of the schema MODELS.
        x: Cost of the headline.
        y: Its performance.
        group: Column that divides the models.
    """
    laws = fits[(fits["x"] == x) & (fits["y"] == y)].set_index("group", drop=False)
    lines = [laws.loc[name] for name in drawn_groups(list(laws["group"])) if is_yolov5(name)]
    yolov5 = lines[0] if lines and pd.notna(lines[0]["level_p"]) else None
    outside = laws.loc[reference_group(list(laws["group"]))]
    return (
        _tell_shift(yolov5, outside),
        _tell_exponents(yolov5, outside),
        _tell_costliest(models[is_drawable(models, x, y)], outside["group"], QUANTITIES[x], y, group),
    )


def _tell_shift(yolov5: pd.Series | None, outside: pd.Series) -> str:
    claim = f"YOLOv5 lies above the line of {group_title(outside['group'])}"
    if yolov5 is None:
        return f"{claim}: cannot be said, because YOLOv5 and the models outside it do not have a line each."
    better = (yolov5["level_ratio"] > 1) == QUANTITIES[yolov5["y"]].larger_is_better
    answer = ("yes" if better else "no, it is worse") if is_shown(yolov5["level_p"]) else "cannot be said"
    reserves = [tell_unequal_spread(yolov5)]
    if is_shown(yolov5["slope_p"]):
        reserves.append("The slopes differ, so the ratio holds at middling cost only.")
    if pd.notna(outside["families_p"]) and is_shown(outside["families_p"]):
        reserves.append("Families outside YOLOv5 lie apart as well, so the shift may be one of many.")
    return " ".join(filter(None, [f"{claim}: {answer}; {tell_level(yolov5)}.", *reserves]))


def _tell_exponents(yolov5: pd.Series | None, outside: pd.Series) -> str:
    lines = [outside] if yolov5 is None else [yolov5, outside]
    shown = [line for line in lines if not line["exponent_low"] <= 0 <= line["exponent_high"]]
    only = f"only for {join_words(group_title(line['group']) for line in shown)}" if shown else "cannot be said"
    told = (
        f"{plain(line['exponent'])} for {group_title(line['group'])} ({tell_interval(line, 'exponent')})"
        for line in lines
    )
    sentence = (
        f"{QUANTITIES[outside['y']].title} is a power law of {QUANTITIES[outside['x']].title}: "
        f"{'yes' if len(shown) == len(lines) else only}; the exponent is {join_words(told)}"
    )
    if yolov5 is None:
        return f"{sentence}."
    differ = "they differ" if is_shown(yolov5["slope_p"]) else "that they differ cannot be said"
    return (
        f"{sentence}; {differ} (by {plain(yolov5['slope_difference'])}, {tell_interval(yolov5, 'slope_difference')}, "
        f"{tell_p(yolov5['slope_p'])})."
    )


def _tell_costliest(models: pd.DataFrame, outside: str, cost: Quantity, y: str, group: str) -> str:
    """The costliest model against the line of the others; it is chosen by its cost alone, so the p is fair."""
    costliest = models.loc[models[cost.column].idxmax()]
    name, own = costliest["model"], str(costliest[group])
    line = own if is_yolov5(own) else outside
    claim = f"{name}, the costliest model, does not deliver what it costs"
    others = models[models[group].map(lambda value: _is_on(str(value), line)) & (models["model"] != name)]
    try:
        law = fit_power_law(*(others[column].tolist() for column in (cost.column, y, "model")))
    except ValueError as error:
        return f"{claim}: cannot be said ({error})."
    expected = law.predict(costliest[cost.column])
    ratio, low, high = (costliest[y] / value for value in (expected.expected, expected.high, expected.low))
    p = _p_of_prediction(law, expected, ratio)
    worse = (ratio < 1) == QUANTITIES[y].larger_is_better
    answer = ("yes" if worse else "no, it delivers more") if is_shown(p) else "cannot be said"
    return (
        f"{claim}: {answer}; its {QUANTITIES[y].title} is {plain(ratio)} times what the line of {group_title(line)} "
        f"without it expects (95 % interval {plain(low)} to {plain(high)}, {tell_p(p)}, {law.n} models)."
    )


def _is_on(group: str, line: str) -> bool:
    """Whether models of a group are among those of a line."""
    return line == ALL or group == line or (line == NOT_YOLOV5 and not is_yolov5(group))


def _p_of_prediction(law: PowerLaw, expected: Prediction, ratio: float) -> float:
    """Two-sided p of a new model as far from the line."""
    reach = float(stats.t.ppf((1 + LEVEL) / 2, law.residual_dof))
    t = abs(math.log(ratio)) * reach / math.log(expected.high / expected.expected)
    return 2 * float(stats.t.sf(t, law.residual_dof))
