"""What the laws of a study say and what they do not, in sentences computed from the rows of fits.csv.

A line without its caveats is read as a law of nature; each function here returns the words that belong beside one.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import pandas as pd
from scipy import stats

from yolo_plugins.study.laws.power_law import LEVEL
from yolo_plugins.study.tables.families import group_title
from yolo_plugins.study.tables.quantities import QUANTITIES
from yolo_plugins.study.tables.schema import compares

_MUCH_INFLUENCE = 1.0  # Cook's distance; Cook & Weisberg, "Residuals and Influence in Regression" (1982)
_DECISIVE_AICC = 2.0  # laws within it are both supported; Burnham & Anderson, "Model Selection" (2002)
_ROBUST_POINTS = 4  # of fewer, one outlier moves the median of the slopes of all pairs
_SIGNIFICANT = 1 - LEVEL


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
    """What to know before trusting a row of fits.csv, a sentence or two each."""
    tellers: tuple[Callable[[pd.Series], Iterator[str]], ...] = (
        _freedom,
        _influence,
        _leave_one_out,
        _robustness,
        _bootstrap,
        _limit,
        _difference,
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


def _freedom(fit: pd.Series) -> Iterator[str]:
    dof = int(fit["residual_dof"])
    reach = stats.t.ppf((1 + LEVEL) / 2, dof)
    degrees = "1 residual degree" if dof == 1 else f"{dof} residual degrees"
    yield (
        f"{fit['n']} models leave {degrees} of freedom: the 95 % interval reaches t(0.975) = {plain(reach)} standard "
        "errors to either side, where many models would need 1.96."
    )
    if dof == 1:
        yield "Three points say little about a slope, however well they lie on a line."


def _influence(fit: pd.Series) -> Iterator[str]:
    without = fit["exponent_without_most_influential"]
    if pd.isna(without):
        yield "Too few models to leave one out: no model's influence on the slope can be told."
        return
    distance = fit["max_cooks_distance"]
    cook = "infinite" if pd.isna(distance) else plain(distance)
    much = ", where more than 1 is much" if pd.isna(distance) or distance > _MUCH_INFLUENCE else ""
    yield (
        f"The most influential model is {fit['most_influential']} (Cook's distance {cook}{much}): without it the "
        f"exponent is {plain(without)} instead of {plain(fit['exponent'])}."
    )


def _leave_one_out(fit: pd.Series) -> Iterator[str]:
    if pd.notna(fit["loo_rms"]):
        yield (
            f"Predicted from the other models, {QUANTITIES[fit['y']].title} is off by a factor of "
            f"{plain(math.exp(fit['loo_rms']))} (root mean square of the logarithm); worst for {fit['loo_worst']}."
        )


def _robustness(fit: pd.Series) -> Iterator[str]:
    if fit["n"] < _ROBUST_POINTS:
        return
    slope = fit["theil_sen_exponent"]
    inside = fit["exponent_low"] <= slope <= fit["exponent_high"]
    yield (
        f"The Theil-Sen exponent, which no single model can move far, is {plain(slope)} "
        f"({plain(fit['theil_sen_low'])} to {plain(fit['theil_sen_high'])}): "
        + ("within the interval." if inside else "outside the interval, so a few models bend the line.")
    )


def _bootstrap(fit: pd.Series) -> Iterator[str]:
    if pd.isna(fit["exponent_boot_low"]):
        return
    interval = f"{plain(fit['exponent_boot_low'])} to {plain(fit['exponent_boot_high'])}"
    yield (
        f"The bootstrap interval, which assumes no normal residuals, is {interval}; "
        "yolo-plugins check-statistics tells how often it holds the truth."
    )


def _limit(fit: pd.Series) -> Iterator[str]:
    if pd.isna(fit["aicc_saturating"]) or pd.isna(fit["aicc_power"]):
        yield "Whether the curve levels off cannot be told: no law with a limit could be compared; the notes say why."
        return
    gain = fit["aicc_power"] - fit["aicc_saturating"]
    if gain > _DECISIVE_AICC:
        told = f"better supported (AICc smaller by {plain(gain)}): larger models gain less than the line says"
    elif gain < -_DECISIVE_AICC:
        told = f"less supported (AICc larger by {plain(-gain)}): no levelling off is seen in the fitted range"
    else:
        told = f"as well supported (AICc {'smaller' if gain > 0 else 'larger'} by {plain(abs(gain))}): undecided"
    yield f"A law with a limit, at {plain(fit['saturation'])}, is {told}."


def _difference(fit: pd.Series) -> Iterator[str]:
    p = fit["difference_p"]
    if pd.isna(p):
        return
    verdict = "the data show that they differ" if p < _SIGNIFICANT else "the data do not show that they differ"
    probability = "p < 0.001" if p < 0.001 else f"p = {plain(p)}"
    yield (
        f"The exponent minus that of all models outside the group is {plain(fit['difference'])} "
        f"(Welch's t, {probability}): {verdict}."
    )
