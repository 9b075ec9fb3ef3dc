"""The power laws of a study: every performance against every cost, for all models and for each group of them.

A group is a value of a column, normally the family. The study draws two lines, the models outside the YOLOv5 family
and that family; where several families lie outside, they are fitted together too, as `not_yolov5`. Level and slope of
the two are compared. What cannot be computed is null in the table, and the last note says why.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from yolo_plugins.study.laws import alternative_laws, power_law
from yolo_plugins.study.laws.doubts import Doubts, examine
from yolo_plugins.study.laws.level_test import LineComparison, compare_lines
from yolo_plugins.study.laws.pareto import ParetoFront, pareto_front
from yolo_plugins.study.laws.power_law import Interval, Line, PowerLaw
from yolo_plugins.study.tables.csv_table import make_table
from yolo_plugins.study.tables.families import ALL, NOT_YOLOV5, compared_groups, group_title, is_yolov5
from yolo_plugins.study.tables.quantities import QUANTITIES, costs, performances
from yolo_plugins.study.tables.schema import FITS, compares, has_both, is_drawable, is_inside

_FEWEST = 3  # models of a line: two points leave no residual
_LISTED = 3  # pairs that a note lists; more are counted
_NO_LINE = "no line: "
_NAMED = 6  # models that a note names; more are counted
_QUANTILE = 0.9  # share of the models that stays below what one can attain


@dataclass(frozen=True)
class GroupFit:
    """The law of one group of models and what is known of its reliability; None where that cannot be computed.

    Attributes:
        x: Name of a cost.
        y: Name of a performance.
        group: `ALL`, a value of the group's column, or `NOT_YOLOV5`.
        law: The least-squares line in ln x, ln y.
        robust: The Theil-Sen line.
        upper: The quantile line at the good end of the performances.
        leave_one_out: Errors of predicting each model by the line of the others.
        bootstrap: 95 % interval of the exponent without normal residuals.
        saturating: The law with an asymptote.
        without: The law without the most influential model.
        doubts: What its residuals say against it.
        missing: What could not be computed, and why.
        compared_with: The group whose line this one is tested against; empty for none.
        comparison: Level and slope against that group's.
    """

    x: str
    y: str
    group: str
    law: PowerLaw
    robust: alternative_laws.TheilSen
    upper: alternative_laws.UpperQuantile
    leave_one_out: power_law.LeaveOneOut | None
    bootstrap: Interval | None
    saturating: alternative_laws.Saturating | None
    without: PowerLaw | None
    doubts: Doubts
    missing: Mapping[str, str] = field(default_factory=dict)
    compared_with: str = ""
    comparison: LineComparison | None = None


@dataclass(frozen=True)
class StudyFits:
    """All laws of a study, those of the headline first.

    Attributes:
        x: Cost of the headline.
        y: Performance of the headline.
        fits: Every group of every pair of cost and performance.
        front: Models that no other beats in the headline's cost and performance.
        notes: What was left out and why, a sentence each: models first, then groups, then numbers in one.
    """

    x: str
    y: str
    fits: tuple[GroupFit, ...]
    front: ParetoFront
    notes: tuple[str, ...]

    @property
    def headline(self) -> dict[str, GroupFit]:
        """The headline's fits by group."""
        return {fit.group: fit for fit in self.fits if (fit.x, fit.y) == (self.x, self.y)}


def fit_study(models: pd.DataFrame, x: str, y: str, group: str = "family") -> StudyFits:
    """Fits every performance that the table has against every cost that it has.

    Args:
        models: Of the schema MODELS.
        x: Cost of the headline.
        y: Performance of the headline.
        group: Column that divides the models.

    Raises:
        ValueError: The headline has no fit, with the reason; or there is no such column.
    """
    if group not in models or models[group].isna().any():
        filled = [column for column in models if models[column].notna().all()]
        raise ValueError(f"there is no column {group!r} to group by; filled are {', '.join(filled)}")
    known = sorted(costs(), key=lambda cost: cost != x)  # the headline's first
    others = ((a, b) for b in performances() for a in known if (a, b) != (x, y))
    pairs = [(x, y), *(pair for pair in others if has_both(models, *pair).any())]
    fits: list[GroupFit] = []
    reasons: dict[str, list[str]] = {}
    for pair in pairs:
        try:
            found, notes = fit_groups(models, *pair, group)
        except ValueError as error:
            if pair == (x, y):
                raise
            found, notes = [], [f"no fit: {error}"]
        fits += found
        for note in notes:
            reasons.setdefault(note, []).append(_tell_pair(*pair))
    by_weight = sorted(reasons, key=lambda note: _NO_LINE in note)
    told = [note + _tell_where(reasons[note], len(pairs)) for note in by_weight]
    return StudyFits(x, y, tuple(fits), front_of(models, x, y), (*told, *_tell_missing(fits)))


def fit_groups(models: pd.DataFrame, x: str, y: str, group: str = "family") -> tuple[list[GroupFit], list[str]]:
    """Fits one performance against one cost: all models first, then each group.

    Args:
        models: Of the schema MODELS.
        x: Name of a cost.
        y: Name of a performance.
        group: Column that divides the models, null in no row.

    Returns:
        The fits, and a sentence for the models and each group that are left out.

    Raises:
        ValueError: All models together have no fit.
    """
    points, notes = _points(models, x, y)
    fits: dict[str, GroupFit] = {}
    groups: dict[str, list[str]] = {}  # reason -> groups without a line for it
    for name, inside in _members(points[group]).items():
        try:
            fits[name] = _examine(points[inside], (x, y, name))
        except ValueError as error:
            if name == ALL:
                raise ValueError("; ".join([str(error), *notes])) from error
            groups.setdefault(str(error), []).append(name)
    told = [f"{', '.join(map(group_title, names))}: {_NO_LINE}{reason}" for reason, names in groups.items()]
    pairs = compared_groups(list(fits))
    return [_compare(fit, fits[pairs[name]]) if name in pairs else fit for name, fit in fits.items()], notes + told


def front_of(models: pd.DataFrame, x: str, y: str) -> ParetoFront:
    """The models that no other beats in cost and performance; arguments as in `fit_groups`."""
    points = models[compares(models, x, y)]
    cost, value, names = (points[column].tolist() for column in (QUANTITIES[x].column, y, "model"))
    return pareto_front(cost, value, names, maximize=QUANTITIES[y].larger_is_better)


def fits_table(fits: Iterable[GroupFit]) -> pd.DataFrame:
    """The frame of the schema FITS, a row for each fit.

    Raises:
        UsageError: A number of a fit is not finite.
    """
    return make_table(((f"law of {fit.group}, {fit.y} on {fit.x}", _row(fit)) for fit in fits), FITS)


def law_of(row: pd.Series) -> Line:
    """The line that a row of fits.csv holds."""
    values = {field.name: float(row[field.name]) for field in fields(Line) if field.name != "n"}
    return Line(n=int(row["n"]), **values)


def _tell_pair(x: str, y: str) -> str:
    return f"{QUANTITIES[y].title} on {QUANTITIES[x].title}"


def _tell_where(pairs: list[str], total: int) -> str:
    """Which pairs a note is on: nothing for all of them, their number where they are many."""
    if len(pairs) == total:
        return ""
    return f" ({', '.join(pairs) if len(pairs) <= _LISTED else f'{len(pairs)} of {total} pairs'})"


def _tell_models(names: list[str]) -> str:
    """Names of models; where they are many, the first and the number of the others."""
    more = len(names) - _NAMED
    return ", ".join(names) if more < 2 else f"{', '.join(names[:_NAMED])} and {more} more"


def _points(models: pd.DataFrame, x: str, y: str) -> tuple[pd.DataFrame, list[str]]:
    """The models that have both numbers inside, and a sentence on each kind of those that have not."""
    complete, drawable = has_both(models, x, y), is_drawable(models, x, y)
    missing = _tell_models(models.loc[~complete, "model"].tolist())
    notes = [f"without {QUANTITIES[y].title} or {QUANTITIES[x].title}, left out: {missing}"] if missing else []
    comparable = compares(models, x, y)
    if foreign := _tell_models(models.loc[complete & ~comparable, "model"].tolist()):
        notes.append(f"trained on another loss than most, left out of laws and figures: {foreign}")
    outside = [
        f"{row['model']} ({quantity.title} {row[quantity.column]:g})"
        for quantity in (QUANTITIES[y], QUANTITIES[x])
        for _, row in models[comparable & ~is_inside(models[quantity.column], quantity)].iterrows()
    ]
    if outside:
        notes.append(f"at an end of its scale, left out of laws and logarithmic axes: {', '.join(outside)}")
    return models[drawable], notes


def _members(groups: pd.Series) -> dict[str, pd.Series]:
    """Which rows are of which group: `ALL`, the values that stand there, and those outside the YOLOv5 family."""
    members = {ALL: pd.Series(True, groups.index)}
    members |= {str(value): groups == value for value in sorted(groups.unique())}
    outside = ~groups.map(is_yolov5).astype(bool)
    if outside.any() and not outside.all() and groups[outside].nunique() > 1:
        members[NOT_YOLOV5] = outside
    return members


def _fit(points: pd.DataFrame, x: str, y: str) -> PowerLaw:
    if len(points) < _FEWEST:
        names = ", ".join(points["model"])
        raise ValueError(f"{len(points)} of at least {_FEWEST} models that a line needs{names and f' ({names})'}")
    law = power_law.fit_power_law(*(points[column].tolist() for column in (QUANTITIES[x].column, y, "model")))
    with np.errstate(over="ignore", invalid="ignore"):
        ends = law.coefficient_interval
    if not np.isfinite([law.coefficient, ends.low, ends.high]).all():
        raise ValueError(f"costs from {law.x_min:g} to {law.x_max:g} are too close together for a line")
    return law


def _examine(points: pd.DataFrame, key: tuple[str, str, str]) -> GroupFit:
    """A line and all that tells whether to trust it.

    Args:
        points: The models of the group.
        key: Cost, performance, group.

    Raises:
        ValueError: There is no line.
    """
    x, y, _ = key
    law = _fit(points, x, y)
    missing: dict[str, str] = {}

    def attempt(title: str, function: Callable[[PowerLaw], Any]) -> Any:
        try:
            return function(law)
        except ValueError as error:
            missing[title] = str(error)
            return None

    return GroupFit(
        *key,
        law,
        alternative_laws.theil_sen(law),
        alternative_laws.upper_quantile(law, _QUANTILE if QUANTITIES[y].larger_is_better else 1 - _QUANTILE),
        attempt("leave-one-out error", power_law.leave_one_out),
        attempt("bootstrap interval", power_law.bootstrap_exponent),
        attempt("law with a limit", alternative_laws.fit_saturating),
        attempt("line without the most influential model", power_law.without_most_influential),
        examine(law, points["family"].tolist()),
        missing,
    )


def _compare(fit: GroupFit, other: GroupFit) -> GroupFit:
    """The fit with the test of its line against another's."""
    try:
        return replace(fit, compared_with=other.group, comparison=compare_lines(fit.law, other.law))
    except ValueError as error:
        return replace(fit, missing={**fit.missing, "test of level and slope": str(error)})


def _tell_missing(fits: list[GroupFit]) -> list[str]:
    """What is null in the table, in one sentence: how many laws lack it, and the reasons."""
    reasons: dict[str, Counter[str]] = {}
    for fit in fits:
        for title, reason in fit.missing.items():
            reasons.setdefault(title, Counter())[reason] += 1
    told = [f"{title} of {found.total()} ({'; '.join(found)})" for title, found in reasons.items()]
    return [f"not computed, of {len(fits)} laws: {', '.join(told)}"] if told else []


def _row(fit: GroupFit) -> dict[str, Any]:
    law, robust, left_out = fit.law, fit.robust, fit.leave_one_out
    saturating, comparison = fit.saturating, fit.comparison
    cooks_distance = max(law.cooks_distances)
    return {
        **asdict(fit.doubts),
        **{name: getattr(fit, name) for name in ("x", "y", "group")},
        **{name: getattr(law, name) for name in ("n", "exponent", "exponent_stderr")},
        **_ends("exponent", law.exponent_interval),
        **_ends("exponent_boot", fit.bootstrap),
        "coefficient": law.coefficient,
        **_ends("coefficient", law.coefficient_interval),
        **{name: getattr(law, name) for name in ("r2", "residual_dof", "residual_sd")},
        **{name: getattr(law, name) for name in ("mean_log_x", "sum_squares_log_x", "x_min", "x_max")},
        **_ends("theil_sen", robust.exponent_interval),
        **{f"upper_{name}": getattr(fit.upper, name) for name in ("tau", "exponent", "coefficient")},
        "loo_rms": left_out and left_out.rms,
        "loo_worst": left_out and left_out.worst,
        "aicc_power": saturating and saturating.aicc_power,
        "aicc_saturating": saturating and saturating.aicc,
        "saturation": saturating and saturating.asymptote,
        "most_influential": law.most_influential,
        "max_cooks_distance": cooks_distance if math.isfinite(cooks_distance) else None,
        "exponent_without_most_influential": fit.without and fit.without.exponent,
        "compared_with": fit.compared_with or None,
        "level_ratio": comparison and comparison.level_ratio,
        **_ends("level_ratio", None if comparison is None else comparison.level_interval),
        "level_p": comparison and comparison.level_p,
        "slope_difference": comparison and comparison.slope_difference,
        **_ends("slope_difference", None if comparison is None else comparison.slope_interval),
        "slope_p": comparison and comparison.slope_p,
        "equal_spread_p": comparison and comparison.equal_spread_p,
    }


def _ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    return {f"{name}_low": low, f"{name}_high": high}
