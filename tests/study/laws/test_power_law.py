"""Every number of a law against its definition: scipy's regression, deletion of the point, refits, brute force."""

from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
from scipy import stats

from yolo_plugins.study.laws.power_law import (
    Line,
    PowerLaw,
    bootstrap_exponent,
    fit_power_law,
    leave_one_out,
    without_most_influential,
)


def make_law(n: int = 8, exponent: float = 0.2, noise: float = 0.05, seed: int = 0, prefix: str = "m") -> PowerLaw:
    """A law of `n` models between 1e6 and 1e8, with normal scatter."""
    rng = np.random.default_rng(seed)
    x = np.exp(rng.uniform(np.log(1e6), np.log(1e8), n))
    y = 0.02 * x**exponent * np.exp(noise * rng.standard_normal(n))
    return fit_power_law(x, y, [f"{prefix}{index}" for index in range(n)])


def without(law: PowerLaw, index: int) -> PowerLaw:
    return fit_power_law(*(values[:index] + values[index + 1 :] for values in (law.x, law.y, law.names)))


@pytest.fixture
def law() -> PowerLaw:
    return make_law()


# The fit


def test_exact_data_gives_the_law_that_made_it():
    x = [1e6, 3e6, 2e7, 9e7]
    law = fit_power_law(x, [0.03 * value**0.17 for value in x], "abcd")
    assert law.exponent == pytest.approx(0.17, abs=1e-12)
    assert law.coefficient == pytest.approx(0.03, rel=1e-10)
    assert law.r2 == pytest.approx(1)
    assert law.residual_sd == pytest.approx(0, abs=1e-12)


def test_fit_agrees_with_scipy(law):
    reference = stats.linregress(np.log(law.x), np.log(law.y))
    assert law.exponent == pytest.approx(reference.slope)
    assert law.coefficient == pytest.approx(np.exp(reference.intercept))
    assert law.exponent_stderr == pytest.approx(reference.stderr)
    assert law.r2 == pytest.approx(reference.rvalue**2)
    half = stats.t.ppf(0.975, 6) * reference.intercept_stderr
    expected = np.exp([reference.intercept - half, reference.intercept + half])
    assert (law.coefficient_interval.low, law.coefficient_interval.high) == pytest.approx(tuple(expected))
    half = stats.t.ppf(0.975, 6) * reference.stderr
    interval = law.exponent_interval
    assert (interval.low, interval.high) == pytest.approx((reference.slope - half, reference.slope + half))


def test_residuals_leverages_and_cooks_distances_are_those_of_the_hat_matrix(law):
    design = np.column_stack([np.ones(8), np.log(law.x)])
    hat = design @ np.linalg.inv(design.T @ design) @ design.T
    log_y = np.log(law.y)
    np.testing.assert_allclose(law.residuals, log_y - hat @ log_y, atol=1e-12)
    np.testing.assert_allclose(law.leverages, np.diag(hat), rtol=1e-8)
    assert law.residual_sd == pytest.approx(np.sqrt(np.sum(np.square(law.residuals)) / 6))
    for index, distance in enumerate(law.cooks_distances):  # by its definition: how far all fitted values move
        moved = hat @ log_y - np.log(without(law, index).expected(law.x))
        assert distance == pytest.approx(moved @ moved / (2 * law.residual_sd**2))


def test_three_models_leave_one_degree_of_freedom(law):
    three = make_law(3)
    assert (three.n, three.residual_dof) == (3, 1)
    half = three.exponent_interval.high - three.exponent
    assert half / three.exponent_stderr == pytest.approx(12.706, abs=5e-4)  # t(0.975) of 1 degree of freedom


def test_law_is_frozen_and_keeps_its_data(law):
    assert (law.names[0], len(law.x), len(law.y)) == ("m0", 8, 8)
    assert (law.x_min, law.x_max) == (min(law.x), max(law.x))
    with pytest.raises(FrozenInstanceError):
        law.exponent = 1.0


@pytest.mark.parametrize(
    ("x", "y", "names", "reason"),
    [
        ([1, 2], [1, 2], "ab", "2 points are too few for a power law: 3 are needed"),
        ([], [], "", "0 points are too few"),
        ([1, 2, 3], [1, 2], "abc", "3 x, 2 y and 3 names"),
        ([1, 2, 3], [1, 2, 3], "aba", "a is there twice"),
        ([1, 2, 0], [1, 2, 3], "abc", "x of c is 0"),
        ([1, 2, 3], [1, -2, 3], "abc", "y of b is -2"),
        ([1, 2, 3], [float("nan"), 2, 3], "abc", "y of a is nan"),
        ([1, 2, float("inf")], [1, 2, 3], "abc", "x of c is inf"),
        ([5, 5, 5], [1, 2, 3], "abc", "x of all 3 models is 5: two distinct ones"),
        ([1, 2, 3], [4, 4, 4], "abc", "y of all 3 models is 4: two distinct ones"),
    ],
)
def test_fit_refuses_data_without_a_law(x, y, names, reason):
    with pytest.raises(ValueError, match=f"^{reason}"):
        fit_power_law(x, y, names)


# Predictions


def test_prediction_is_that_of_one_new_model_by_students_t(law):
    x0 = 2e7
    log_x, log_y = np.log(law.x), np.log(law.y)
    slope, intercept = np.polyfit(log_x, log_y, 1)
    spread = np.sum((log_x - log_x.mean()) ** 2)
    deviation = np.sqrt(np.sum((log_y - intercept - slope * log_x) ** 2) / 6)
    half = stats.t.ppf(0.95, 6) * deviation * np.sqrt(1 + 1 / 8 + (np.log(x0) - log_x.mean()) ** 2 / spread)
    prediction = law.predict(x0, level=0.9)
    centre = intercept + slope * np.log(x0)
    assert np.log([prediction.expected, prediction.low, prediction.high]) == pytest.approx(
        [centre, centre - half, centre + half]
    )


def test_prediction_tells_whether_x_is_inside_the_fitted_range(law):
    inside = [law.predict(x).inside for x in (law.x_min, law.x_max, law.x_min * 0.999, law.x_max * 1.001)]
    assert inside == [True, True, False, False]


def test_band_of_the_mean_is_narrowest_in_the_middle_and_within_the_predictions(law):
    x = np.geomspace(law.x_min, law.x_max, 9)
    band = law.mean_interval(x)
    widths = np.log(band.high / band.low)
    assert widths.argmin() == np.abs(np.log(x) - law.mean_log_x).argmin()
    middle = law.mean_interval(np.exp(law.mean_log_x))
    half = stats.t.ppf(0.975, 6) * law.residual_sd / np.sqrt(8)
    assert np.log(middle.high / middle.low) == pytest.approx(2 * half)
    for value, low, high in zip(x, band.low, band.high, strict=True):
        prediction = law.predict(value)
        assert prediction.low < low < prediction.expected < high < prediction.high


def test_line_of_a_tables_row_predicts_as_the_law_that_it_came_from(law):
    line = Line(**{field.name: getattr(law, field.name) for field in fields(Line)})
    assert line.predict(5e6) == law.predict(5e6)
    assert line.exponent_interval == law.exponent_interval


@pytest.mark.parametrize("x", [0, -1, float("nan"), float("inf")])
def test_prediction_refuses_what_is_not_a_positive_number(law, x):
    with pytest.raises(ValueError, match=f"x is {x}"):
        law.predict(x)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_prediction_refuses_a_level_that_is_no_probability(law, level):
    with pytest.raises(ValueError, match=f"level is {level}"):
        law.predict(1e7, level)


# Influence


def test_leave_one_out_predicts_each_model_by_a_fit_of_the_others(law):
    left = leave_one_out(law)
    errors = [np.log(law.y[index] / without(law, index).expected(law.x[index])) for index in range(8)]
    np.testing.assert_allclose(left.log_errors, errors)
    assert left.rms == pytest.approx(np.sqrt(np.mean(np.square(errors))))
    assert left.worst == law.names[np.argmax(np.abs(errors))]


def test_an_outlier_at_the_end_is_the_most_influential_and_its_removal_restores_the_law():
    x = np.geomspace(1e6, 1e8, 7)
    y = 0.02 * x**0.2
    y[-1] /= 2
    law = fit_power_law(x, y, "abcdefg")
    assert law.most_influential == leave_one_out(law).worst == "g"
    rest = without_most_influential(law)
    assert rest.names == tuple("abcdef")
    assert rest.exponent == pytest.approx(0.2)
    assert law.exponent < 0.15


def test_law_of_three_has_no_law_without_its_most_influential():
    with pytest.raises(ValueError, match="2 points are too few"):
        without_most_influential(make_law(3))


def test_model_that_alone_gives_the_slope_is_infinitely_influential_and_cannot_be_left_out():
    law = fit_power_law([2, 2, 2, 8], [1.0, 1.1, 0.9, 2], "abcd")
    assert law.most_influential == "d"
    assert law.cooks_distances[3] == np.inf
    for function in (leave_one_out, bootstrap_exponent):
        with pytest.raises(ValueError, match="d alone gives the line its slope"):
            function(law)
    with pytest.raises(ValueError, match="x of all 3 models is 2"):
        without_most_influential(law)


# Bootstrap


def test_bootstrap_is_near_the_t_interval_where_the_scatter_is_normal():
    law = make_law(200)
    bootstrap, exact = bootstrap_exponent(law), law.exponent_interval
    assert (bootstrap.low, bootstrap.high) == pytest.approx((exact.low, exact.high), abs=0.1 * law.exponent_stderr)


def test_bootstrap_is_what_refits_of_drawn_studentised_residuals_give():
    law = make_law(5)
    residuals = np.array(law.residuals) / np.sqrt(1 - np.array(law.leverages))
    residuals -= residuals.mean()
    ratios = []
    for drawn in np.random.default_rng(3).integers(5, size=(101, 5)):
        fit = stats.linregress(np.log(law.x), np.log(law.expected(law.x)) + residuals[drawn])
        ratios.append(abs(fit.slope - law.exponent) / fit.stderr if len(set(drawn)) > 1 else 0)
    interval = bootstrap_exponent(law, repeats=101, seed=3)  # the 96th of 101 ratios, none interpolated
    half = np.quantile(ratios, 0.95) * law.exponent_stderr
    assert (interval.low, interval.high) == pytest.approx((law.exponent - half, law.exponent + half))


def test_bootstrap_repeats_itself_and_depends_on_its_seed(law):
    assert bootstrap_exponent(law) == bootstrap_exponent(law)
    assert bootstrap_exponent(law, seed=1) != bootstrap_exponent(law)


def test_bootstrap_refuses_three_points():
    with pytest.raises(ValueError, match="3 points are too few for a bootstrap: 4 are needed"):
        bootstrap_exponent(make_law(3))
