"""Robust line, upper quantile and curve with a ceiling, against brute force and the curves that made the data."""

from itertools import combinations

import numpy as np
import pytest

from yolo_plugins.study.laws.alternative_laws import fit_saturating, theil_sen, upper_quantile
from yolo_plugins.study.laws.power_law import PowerLaw, fit_power_law


def make_law(n: int = 12, exponent: float = 0.2, noise: float = 0.05, seed: int = 0) -> PowerLaw:
    rng = np.random.default_rng(seed)
    x = np.exp(rng.uniform(np.log(1e6), np.log(1e8), n))
    return of_curve(x, 0.02 * x**exponent * np.exp(noise * rng.standard_normal(n)))


def of_curve(x: np.ndarray, y: np.ndarray) -> PowerLaw:
    return fit_power_law(x, y, [f"m{index}" for index in range(len(x))])


# Theil-Sen


def test_theil_sen_is_the_median_of_all_slopes():
    law = make_law(11)
    points = list(zip(np.log(law.x), np.log(law.y), strict=True))
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2)]
    robust = theil_sen(law)
    assert robust.exponent == pytest.approx(np.median(slopes))
    assert robust.coefficient == pytest.approx(np.median(np.array(law.y) / np.array(law.x) ** robust.exponent))
    assert robust.exponent_interval.low < robust.exponent < robust.exponent_interval.high


def test_theil_sen_ignores_an_outlier_that_bends_the_regression():
    x = np.geomspace(1e6, 1e8, 9)
    y = 0.02 * x**0.2
    y[-1] /= 3
    law = of_curve(x, y)
    assert law.exponent < 0.1
    assert theil_sen(law).exponent == pytest.approx(0.2)


# Upper quantile


@pytest.mark.parametrize("tau", [0.5, 0.75, 0.9])
@pytest.mark.parametrize("n", [3, 5, 10, 21])
def test_upper_quantile_has_the_least_loss_of_all_lines_through_two_models(n, tau):
    law = make_law(n, noise=0.3, seed=n)
    log_x, log_y = np.log(law.x), np.log(law.y)

    def loss(slope: float, level: float) -> float:
        over = log_y - level - slope * log_x
        return float(np.maximum(tau * over, (tau - 1) * over).sum())

    lines = []
    for first, second in combinations(range(n), 2):
        slope = (log_y[second] - log_y[first]) / (log_x[second] - log_x[first])
        lines.append((slope, log_y[first] - slope * log_x[first]))
    upper = upper_quantile(law, tau)
    assert loss(upper.exponent, np.log(upper.coefficient)) == pytest.approx(min(loss(*line) for line in lines))


def test_upper_quantile_names_the_models_on_and_above_it():
    law = make_law(30, noise=0.3)
    upper = upper_quantile(law, 0.9)
    over = np.log(np.array(law.y) / upper.expected(law.x))
    assert len(upper.on) == 2
    assert set(upper.on) == {name for name, value in zip(law.names, over, strict=True) if abs(value) < 1e-9}
    assert set(upper.above) == {name for name, value in zip(law.names, over, strict=True) if value > 1e-9}
    assert len(upper.above) <= 3 <= len(upper.above) + len(upper.on)  # a tenth of 30


def test_no_model_is_above_the_upper_quantile_of_few():
    upper = upper_quantile(make_law(6, noise=0.3), 0.9)
    assert upper.above == ()
    assert len(upper.on) == 2


@pytest.mark.parametrize("tau", [0, 1, 90])
def test_upper_quantile_refuses_what_is_no_share(tau):
    with pytest.raises(ValueError, match=f"tau is {tau}"):
        upper_quantile(make_law(), tau)


# Ceiling and floor


@pytest.mark.parametrize(
    ("asymptote", "scale", "decay"), [(0.6, 40, 0.35), (0.55, 2000, 0.6), (0.02, -1.5, 0.25), (1.2, -3e4, 0.75)]
)
def test_curve_with_an_asymptote_is_recovered(asymptote, scale, decay):
    x = np.geomspace(1e6, 1e9, 12)
    rng = np.random.default_rng(0)
    curve = fit_saturating(of_curve(x, (asymptote - scale * x**-decay) * np.exp(1e-5 * rng.standard_normal(12))))
    assert curve.asymptote == pytest.approx(asymptote, rel=0.02)
    assert curve.decay == pytest.approx(decay, rel=0.02)
    assert curve.expected(x) == pytest.approx(asymptote - scale * x**-decay, rel=1e-4)
    assert curve.aicc < curve.aicc_power


def test_aicc_is_its_definition_with_the_variance_counted():
    x = np.geomspace(1e6, 1e8, 10)
    law = of_curve(x, (0.6 - 40 * x**-0.35) * np.exp(0.02 * np.random.default_rng(1).standard_normal(10)))
    curve = fit_saturating(law)
    for value, expected, k in ((curve.aicc, curve.expected(x), 4), (curve.aicc_power, law.expected(x), 3)):
        squares = np.sum(np.log(np.array(law.y) / expected) ** 2)
        assert value == pytest.approx(10 * np.log(squares / 10) + 2 * k + 2 * k * (k + 1) / (10 - k - 1))


def test_no_curve_in_its_neighbourhood_fits_better():
    law = make_law(15, noise=0.02, seed=4)
    x, y = np.array(law.x), np.array(law.y)
    y = (0.6 - 40 * x**-0.35) * y / law.expected(x)
    law = of_curve(x, y)
    curve = fit_saturating(law)
    best = np.sum(np.log(y / curve.expected(x)) ** 2)
    for factors in np.random.default_rng(0).uniform(0.98, 1.02, (200, 3)):
        a, b, c = factors * (curve.asymptote, curve.scale, curve.decay)
        assert np.sum(np.log(y / (a - b * x**-c)) ** 2) >= best


@pytest.mark.parametrize("exponent", [0.3, -0.3])
def test_power_law_has_neither_ceiling_nor_floor(exponent):
    with pytest.raises(ValueError, match="no ceiling or floor fits"):
        fit_saturating(make_law(12, exponent, noise=1e-4))


def test_step_has_no_ceiling():
    with pytest.raises(ValueError, match="no ceiling or floor fits"):
        fit_saturating(of_curve(np.geomspace(1, 256, 9), np.array([1, 2.001, 2, 1.999, 2, 2.001, 2, 1.999, 2])))


def test_ceiling_needs_nine_models():
    with pytest.raises(ValueError, match="fewer than 9 points cannot tell whether a law levels off"):
        fit_saturating(make_law(8))
