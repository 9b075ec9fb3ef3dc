"""The law of amounts against brute force and Fieller's formula, and where it says nothing."""

import math

import numpy as np
import pytest
from scipy import stats

from yolo_plugins.study.laws.budget_law import BudgetLaw, fit_budget_law

AMOUNTS, SCORES = (500, 1000, 2000, 5000), (0.068, 0.091, 0.127, 0.185)
STRAIGHT = 1e-9  # standard deviation of a curvature that is none


def logit(score):
    return np.log(score / (1 - np.asarray(score)))


def fit(scores=SCORES, amounts=AMOUNTS, runs=None, **options) -> BudgetLaw:
    return fit_budget_law(amounts, scores, runs or [1] * len(amounts), **options)


def test_without_curvature_it_is_the_line_of_least_squares():
    law, line = fit(curvature_sd=STRAIGHT), stats.linregress(np.log(AMOUNTS), logit(SCORES))
    assert law.slope == pytest.approx(line.slope)
    half = stats.t.ppf(0.975, 2) * line.stderr
    assert law.slope_interval.low == pytest.approx(line.slope - half)
    assert law.slope_interval.high == pytest.approx(line.slope + half)
    expected = law.expect(10_000)
    assert logit(expected.mean) == pytest.approx(line.intercept + line.slope * math.log(10_000))


def test_intervals_without_curvature_are_those_of_a_regression():
    x, y, new = np.log(AMOUNTS), logit(SCORES), math.log(20_000)
    line = stats.linregress(x, y)
    sd = math.sqrt(((y - line.intercept - line.slope * x) ** 2).sum() / 2)
    lever = 1 / 4 + (new - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()
    found = fit(curvature_sd=STRAIGHT).expect(20_000)
    for interval, variance in ((found.mean_interval, lever), (found.run_interval, 1 + lever)):
        half = stats.t.ppf(0.975, 2) * sd * math.sqrt(variance)
        centre = line.intercept + line.slope * new
        assert logit([interval.low, interval.high]) == pytest.approx([centre - half, centre + half])


@pytest.mark.parametrize("wanted", [0.1, 0.15, 0.3])
def test_number_that_is_needed_has_fiellers_interval(wanted):
    x, y = np.log(AMOUNTS), logit(SCORES)
    line = stats.linregress(x, y)
    squares, variance = ((x - x.mean()) ** 2).sum(), ((y - line.intercept - line.slope * x) ** 2).sum() / 2
    t = stats.t.ppf(0.975, 2)
    g = t**2 * variance / (line.slope**2 * squares)
    distance = (logit(wanted) - y.mean()) / line.slope
    half = t * math.sqrt(variance) / line.slope * math.sqrt((1 - g) / 4 + distance**2 / squares)
    low, high = np.exp(x.mean() + (distance + np.array([-half, half])) / (1 - g))
    needed = fit(curvature_sd=STRAIGHT).needed(wanted)
    assert needed.amount == pytest.approx(math.exp((logit(wanted) - line.intercept) / line.slope))
    assert (needed.interval.low, needed.interval.high) == pytest.approx((low, high))


def test_seeds_are_weights():
    law = fit(runs=[1, 2, 3, 4], curvature_sd=STRAIGHT)
    slope, level = np.polyfit(np.log(AMOUNTS), logit(SCORES), 1, w=np.sqrt([1, 2, 3, 4]))
    assert law.slope == pytest.approx(slope)
    assert logit(law.expect(1.0).mean) == pytest.approx(level)
    assert law.run_half > fit(curvature_sd=STRAIGHT).run_half  # that of one run, not of a mean


def test_curvature_is_drawn_towards_zero_and_widens_what_lies_far_out():
    free, tied, straight = (fit(curvature_sd=sd) for sd in (10.0, 0.05, STRAIGHT))
    curvature = np.polyfit(np.log(AMOUNTS), logit(SCORES), 2)[0]
    assert free.curve.coef[-1] == pytest.approx(curvature, rel=0.01)
    assert 0 < tied.curve.coef[-1] / curvature < 1
    widths = [
        np.ptp(logit([ends.low, ends.high]))
        for ends in (law.expect(50_000).mean_interval for law in (free, tied, straight))
    ]
    assert widths[0] > widths[1] > widths[2]


def test_needed_number_is_where_the_intervals_of_the_mean_hold_what_is_wanted():
    law, wanted = fit(), 0.2
    needed = law.needed(wanted)
    assert law.expect(needed.amount).mean == pytest.approx(wanted)
    assert law.expect(needed.interval.low).mean_interval.high == pytest.approx(wanted)
    assert law.expect(needed.interval.high).mean_interval.low == pytest.approx(wanted)


def test_far_ends_are_left_open():
    law = fit()
    assert law.needed(0.35).interval.low > 5000
    assert law.needed(0.35).interval.high == math.inf  # the curve may level off before
    assert law.needed(0.99).amount == law.needed(0.99).interval.low == math.inf
    assert law.needed(0.001).amount == 0


def test_a_curve_that_levels_off_is_not_extrapolated_downwards():
    amounts = [125, 250, 500, 1000, 2000, 4000]
    law = fit([0.7 - 0.6 * (n / 125) ** -0.5 for n in amounts], amounts)
    means = [law.expect(4000 * factor).mean for factor in (1, 2, 4, 10, 100)]
    assert means == sorted(means)
    assert law.needed(0.95).amount == math.inf


def test_equal_and_falling_scores_have_no_slope_above_zero():
    assert fit([0.3] * 4).slope_interval.low < 0 < fit([0.3] * 4).slope_interval.high
    assert fit(SCORES[::-1]).slope_interval.high < 0


def test_points_on_a_line_give_ends_of_finite_size():
    scores = [1 / (1 + math.exp(-0.5 * math.log(n) + 4)) for n in AMOUNTS]
    needed = fit(scores).needed(0.5)
    assert needed.amount == pytest.approx(math.exp(8), rel=1e-3)
    assert 0.99 < needed.interval.low / needed.amount <= 1 <= needed.interval.high / needed.amount < 1.01


def test_a_loss_is_taken_by_its_logarithm_and_improves_as_it_falls():
    losses = [0.2, 0.15, 0.11, 0.07]
    law = fit(losses, bounded=False, sign=-1, curvature_sd=STRAIGHT)
    line = stats.linregress(np.log(AMOUNTS), np.log(losses))
    assert law.slope == pytest.approx(-line.slope)
    found = law.expect(10_000)
    assert math.log(found.mean) == pytest.approx(line.intercept + line.slope * math.log(10_000))
    assert found.run_interval.low < found.mean_interval.low < found.mean < found.mean_interval.high
    assert law.needed(0.05).amount > 5000


@pytest.mark.parametrize("score", [0.0, 1.0, -0.1, 1.5, math.nan, math.inf])
def test_ends_of_the_scale_are_refused(score):
    with pytest.raises(ValueError, match="is not between 0 and 1"):
        fit().needed(score)
    with pytest.raises(ValueError, match="is not between 0 and 1"):
        fit([*SCORES[:3], score])


def test_two_amounts_are_refused():
    with pytest.raises(ValueError, match="2 of at least 3"):
        fit(SCORES[:2], AMOUNTS[:2])
