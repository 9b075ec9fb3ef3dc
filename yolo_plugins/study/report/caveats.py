"""What the laws of a study say and what they do not, in sentences computed from the rows of fits.csv.

A line without its caveats is read as a law of nature; each function here returns the words that belong beside one.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import pandas as pd
from scipy import stats

from yolo_plugins.study.laws.alternative_laws import LIMIT_POINTS
from yolo_plugins.study.laws.doubts import doubts_of
from yolo_plugins.study.laws.power_law import LEVEL
from yolo_plugins.study.tables.families import group_title
from yolo_plugins.study.tables.quantities import QUANTITIES
from yolo_plugins.study.tables.schema import compares

_DECISIVE_AICC = 2.0  # laws within it are both supported; Burnham & Anderson, "Model Selection" (2002)
_MANY_FREEDOM = 10  # residual degrees: Student's t is 2.23 here, near the 1.96 of many
_ABSENT = (
    ("an interval by bootstrap", "exponent_boot_low"),
    ("the influence of one model", "influence_p"),
    ("a change of the scatter with cost", "spread_p"),
    ("a scatter of families", "families_p"),
)


def plain(value: float) -> str:
    """A number to three significant digits, with all zeros: 0.0571, 16.5, 1,640."""
    return f"{float(f'{value:.3g}'):,.12g}"


def tell_law(fit: pd.Series) -> str:
    """The exponent of a row of fits.csv, its interval, and what twice the cost goes with."""
    cost, performance = QUANTITIES[fit["x"]].title, QUANTITIES[fit["y"]].title
    interval = f"95 % interval {plain(fit['exponent_low'])} to {plain(fit['exponent_high'])}"
    law = f"{performance} scales as {cost} to the power {plain(fit['exponent'])} ({interval}, {fit['n']} models)"
    if fit["exponent_low"] <= 0 <= fit["exponent_high"]:
        return f"{law}. The interval contains zero: the data do not show that {performance} changes with {cost}."
    factors = [plain(2 ** fit[name]) for name in ("exponent", "exponent_low", "exponent_high")]
    return f"{law}: twice the {cost} goes with {factors[0]} times the {performance} ({factors[1]} to {factors[2]})."


def tell_caveats(fit: pd.Series) -> tuple[str, ...]:
    """What to know before trusting a row of fits.csv: what changes its meaning first, what could not be tested last."""
    tellers: tuple[Callable[[pd.Series], Iterator[str]], ...] = (
        *(_level, _families, _influence, _robust_slope, _uneven, _bounds, _limit),
        *(_freedom, _checks, _absences),
    )
    return tuple(sentence for teller in tellers for sentence in teller(fit))


def tell_choice(fits: pd.DataFrame, x: str, group: str) -> str:
    """How much the exponent of a group against one cost moves with the choice of the performance."""
    rows = fits[(fits["x"] == x) & (fits["group"] == group)].sort_values("exponent")
    values = [f"{plain(fit['exponent'])} for {QUANTITIES[fit['y']].title}" for _, fit in rows.iterrows()]
    return (
        "The exponent depends on what is called performance. "
        f"Against {QUANTITIES[x].title}, over {group_title(group)}, it is {join_words(values)}."
    )


def tell_best(models: pd.DataFrame, front: Sequence[str], x: str, y: str) -> str:
    """The best models, the costliest, and the Pareto front of the headline, a sentence each."""
    points = models[compares(models, x, y)].set_index("model")
    best = points[y].max() if QUANTITIES[y].larger_is_better else points[y].min()
    winners = list(points.index[points[y] == best])
    costliest = points[QUANTITIES[x].column].idxmax()
    own = "" if costliest in winners else f" with {plain(points.loc[costliest, y])}"
    others = "one is" if len(front) == 1 else f"{len(front)} are"
    return (
        f"The best {QUANTITIES[y].title}, {plain(best)}, is that of {join_words(winners)}. "
        f"The costliest by {QUANTITIES[x].title} is {costliest}{own}. "
        f"Of {len(points)} models, {others} on the Pareto front: {join_words(front)}."
    )


def join_words(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def tell_level(fit: pd.Series) -> str:
    """How far the line of a row of fits.csv lies above or below the one that it is compared with."""
    other, performance = group_title(fit["compared_with"]), QUANTITIES[fit["y"]].title
    return (
        f"at equal {QUANTITIES[fit['x']].title} its {performance} is {plain(fit['level_ratio'])} times that of {other} "
        f"({tell_interval(fit, 'level_ratio')}, {tell_p(fit['level_p'])}, analysis of covariance)"
    )


def tell_interval(fit: pd.Series, name: str) -> str:
    """The 95 % interval of a number of fits.csv."""
    return f"95 % interval {plain(fit[f'{name}_low'])} to {plain(fit[f'{name}_high'])}"


def tell_p(p: float) -> str:
    """A probability: `p = 0.03`, `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {plain(p)}"


def is_shown(p: float) -> bool:
    """Whether a probability is small enough to speak of an effect."""
    return p < 1 - LEVEL


def tell_unequal_spread(fit: pd.Series) -> str:
    """A warning where the two lines of a comparison scatter differently; empty otherwise."""
    if pd.isna(fit["equal_spread_p"]) or not is_shown(fit["equal_spread_p"]):
        return ""
    return f"The two lines scatter differently ({tell_p(fit['equal_spread_p'])}), so these p hold only roughly."


def _level(fit: pd.Series) -> Iterator[str]:
    if pd.isna(fit["level_p"]):
        return
    verdict = "the data show a shift" if is_shown(fit["level_p"]) else "the data do not show a shift"
    yield f"Level: {tell_level(fit)}: {verdict}."
    slopes = "the data show that they differ" if is_shown(fit["slope_p"]) else "the data do not show that they differ"
    yield (
        f"Slope: its exponent minus theirs is {plain(fit['slope_difference'])} "
        f"({tell_interval(fit, 'slope_difference')}, {tell_p(fit['slope_p'])}): {slopes}."
    )
    if told := tell_unequal_spread(fit):
        yield told


def _families(fit: pd.Series) -> Iterator[str]:
    if doubts_of(fit).is_clustered:
        yield (
            f"Families scatter more than the models within them ({plain(100 * fit['families_share'])} % of the "
            f"variance, {tell_p(fit['families_p'])}): {fit['n']} models tell as much as {plain(fit['effective_n'])} "
            "independent ones, and the interval is too narrow."
        )


def _influence(fit: pd.Series) -> Iterator[str]:
    doubts, most = doubts_of(fit), fit["most_influential"]
    without = fit["exponent_without_most_influential"]
    change = (
        "" if pd.isna(without) else f"; without it the exponent is {plain(without)} instead of {plain(fit['exponent'])}"
    )
    if doubts.is_influenced:
        yield (
            f"{most} lies off the line of the others, by a factor of {plain(fit['influence_ratio'])} "
            f"({tell_p(fit['influence_p'])}), and bends this one{change}."
        )
    if doubts.rests_on_one:
        yield (
            f"One model carries {plain(100 * (fit['max_leverage'] - 1 / fit['n']))} % of what the slope rests on, the "
            "costliest or the cheapest: the exponent is little more than its word."
        )


def _robust_slope(fit: pd.Series) -> Iterator[str]:
    if doubts_of(fit).is_bent:
        yield (
            f"The Theil-Sen exponent, which no single model can move far, is {plain(fit['theil_sen_exponent'])} "
            f"instead of {plain(fit['exponent'])}, farther off than chance explains: a few models bend the line."
        )


def _uneven(fit: pd.Series) -> Iterator[str]:
    if doubts_of(fit).is_uneven:
        end, other = ("costly", "cheap") if fit["spread_trend"] > 0 else ("cheap", "costly")
        yield (
            f"The {end} models scatter more than the {other} ones ({tell_p(fit['spread_p'])}): intervals there are too "
            "narrow, at the other end too wide."
        )


def _bounds(fit: pd.Series) -> Iterator[str]:
    limit = QUANTITIES[fit["y"]].high
    if doubts_of(fit).passes(limit):
        yield (
            f"The interval of one new model reaches {plain(fit['highest_y'])} within the fitted range, past the end of "
            f"the scale, {plain(limit or 0)}: a power law knows no end."
        )


def _limit(fit: pd.Series) -> Iterator[str]:
    if doubts_of(fit).too_few_for_limit:
        yield f"Whether the curve levels off cannot be told from so few models: {LIMIT_POINTS} are needed."
        return
    if pd.isna(fit["aicc_saturating"]):
        yield "No law with a limit fits these models: they rise straight or ever faster, or scatter too much to tell."
        return
    gain = fit["aicc_power"] - fit["aicc_saturating"]
    if gain > _DECISIVE_AICC:
        told = f"better supported (AICc smaller by {plain(gain)}): larger models gain less than the line says"
    elif gain < -_DECISIVE_AICC:
        told = f"less supported (AICc larger by {plain(-gain)}): the data ask for none, and exclude none"
    else:
        told = f"as well supported (AICc {'smaller' if gain > 0 else 'larger'} by {plain(abs(gain))}): undecided"
    yield f"A law with a limit, at {plain(fit['saturation'])}, is {told}."


def _freedom(fit: pd.Series) -> Iterator[str]:
    dof = int(fit["residual_dof"])
    if dof > _MANY_FREEDOM:
        return
    reach = stats.t.ppf((1 + LEVEL) / 2, dof)
    degrees = "1 residual degree" if dof == 1 else f"{dof} residual degrees"
    yield (
        f"{fit['n']} models leave {degrees} of freedom: the 95 % interval reaches t(0.975) = {plain(reach)} standard "
        "errors to either side, where many models would need 1.96."
    )
    if dof == 1:
        yield "Three points say little about a slope, however well they lie on a line."


def _checks(fit: pd.Series) -> Iterator[str]:
    """What was looked at besides, in a sentence each, whether or not it warns."""
    if pd.notna(fit["loo_rms"]):
        yield (
            f"Predicted from the other models, {QUANTITIES[fit['y']].title} is off by a factor of "
            f"{plain(math.exp(fit['loo_rms']))} (root mean square of the logarithm); worst for {fit['loo_worst']}."
        )
    doubts = doubts_of(fit)
    checked = []
    if pd.notna(fit["exponent_boot_low"]):
        checked.append(
            f"by bootstrap its interval is {plain(fit['exponent_boot_low'])} to {plain(fit['exponent_boot_high'])}"
        )
    if doubts.has_robust and not doubts.is_bent:
        checked.append(f"by Theil-Sen it is {plain(fit['theil_sen_exponent'])}")
    without = fit["exponent_without_most_influential"]
    if pd.notna(without) and not doubts.is_influenced:
        checked.append(f"without {fit['most_influential']}, the most influential model, it is {plain(without)}")
    if checked:
        yield f"The exponent otherwise: {join_words(checked)}."


def _absences(fit: pd.Series) -> Iterator[str]:
    absent = [title for title, column in _ABSENT if pd.isna(fit[column])]
    if absent:
        yield f"Too few models, or families, for: {', '.join(absent)}."
