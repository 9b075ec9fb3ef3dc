"""The pooled law against statsmodels' mixed model, Student's t, and refits; its distributions against their meaning."""

import numpy as np
import pytest
from scipy import stats

from yolo_plugins.study.laws.pooled_law import (
    Mixture,
    Observations,
    Target,
    _Conditional,
    _Variances,
    fit_pooled_law,
)
from yolo_plugins.study.laws.seed_noise import NoiseDraws, draw_noise

FAMILIES = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 4, 4])


def observations(families=FAMILIES, precisions=(0.0, 0.0), seed=0, family_sd=0.5, **changes):
    rng = np.random.default_rng(seed)
    families = np.asarray(families)
    n = len(families)
    log_cost = rng.uniform(-2, 2, n)
    features = np.column_stack([np.ones(n), log_cost - log_cost.mean(), *([log_cost**2] * (len(precisions) > 2))])
    z = 0.3 * log_cost + 0.2 * rng.standard_normal(n) + family_sd * rng.standard_normal(families.max() + 1)[families]
    fields = {"features": features, "precisions": np.array(precisions), "z": z, "families": families}
    fields |= {"seeds": np.ones(n), "seed_sd": np.full(n, np.nan)}
    return Observations(**fields | changes)


def variances(scale, ratio, noise=None):
    one = np.ones(len(scale))
    return _Variances(np.asarray(scale), np.asarray(ratio), 0 * one, 0 * one, noise)


def mixed_model(observed):
    mixed = pytest.importorskip("statsmodels.regression.mixed_linear_model")
    return mixed.MixedLM(observed.z, observed.features, observed.families)


def test_restricted_likelihood_is_that_of_a_mixed_model():
    observed = observations()
    fitted = mixed_model(observed).fit(reml=True, method="powell")
    scale, ratio = np.sqrt(fitted.scale), np.sqrt(fitted.cov_re.item() / fitted.scale)
    found = _Conditional(observed, variances([scale, 1.7 * scale, scale], [ratio, ratio, 3 * ratio])).log_likelihood
    assert found[0] > found[1:].max()
    for factors in ((0.98, 1.0), (1.02, 1.0), (1.0, 0.98), (1.0, 1.02)):
        near = _Conditional(observed, variances([scale * factors[0]], [ratio * factors[1]]))
        assert found[0] > near.log_likelihood[0]


def test_given_the_variances_levels_and_coefficients_are_those_of_a_mixed_model():
    observed = observations()
    fitted = mixed_model(observed).fit(reml=True, method="powell")
    scale, ratio = np.sqrt(fitted.scale), np.sqrt(fitted.cov_re.item() / fitted.scale)
    given = _Conditional(observed, variances([scale], [ratio]))
    np.testing.assert_allclose(given.coefficients[0], fitted.fe_params, rtol=1e-6, atol=1e-9)
    covariance = fitted.scale * np.eye(12) + fitted.cov_re.item() * (FAMILIES[:, None] == FAMILIES)
    x = observed.features
    np.testing.assert_allclose(given.covariance[0], np.linalg.inv(x.T @ np.linalg.inv(covariance) @ x), rtol=1e-6)
    for family, effect in fitted.random_effects.items():
        target = Target(np.array([1.0, 0.7]), family)
        mean, _ = given.krige(target.features, given.covariances(target), given.variance(target))
        assert mean[0] == pytest.approx(fitted.fe_params @ target.features + effect.iloc[0], abs=1e-6)


def test_without_families_a_prediction_is_that_of_the_regression_line():
    observed = observations(families=np.arange(9))
    law = fit_pooled_law(observed, draws=2**13)
    x, z = observed.features, observed.z
    coefficients, squares, *_ = np.linalg.lstsq(x, z)
    features = np.array([1.0, 1.5])
    sd = np.sqrt(squares[0] / 7 * (1 + features @ np.linalg.inv(x.T @ x) @ features))
    low, high = (features @ coefficients + sd * stats.t.ppf([0.025, 0.975], 7)).tolist()
    found = law.predict(Target(features), 1)
    assert found.quantile(0.5) == pytest.approx(features @ coefficients, abs=0.15 * sd)
    assert found.quantile(0.025) == pytest.approx(low, abs=0.5 * sd)
    assert found.quantile(0.975) == pytest.approx(high, abs=0.5 * sd)


def test_leave_one_out_is_what_the_law_of_the_others_says():
    observed = observations(precisions=(0.0, 0.0, 100.0), family_sd=0.3)
    closed = fit_pooled_law(observed).leave_one_out()
    for row in range(len(observed.z)):
        kept = np.arange(len(observed.z)) != row
        fields = ("features", "z", "families", "seeds", "seed_sd")
        parts = {name: getattr(observed, name)[kept] for name in fields}
        law = fit_pooled_law(Observations(precisions=observed.precisions, **parts))
        family = int(observed.families[row])
        refitted = law.predict(Target(observed.features[row], family if family in parts["families"] else None), 1)
        width = refitted.quantile(0.975) - refitted.quantile(0.025)
        for probability in (0.025, 0.5, 0.975):
            assert closed[row].quantile(probability) == pytest.approx(refitted.quantile(probability), abs=0.15 * width)


def test_a_known_family_is_predicted_better_than_a_new_one():
    law = fit_pooled_law(observations(family_sd=1.0))
    features = np.array([1.0, 0.0])
    known, new = (law.predict(Target(features, family), 1) for family in (0, None))
    assert known.quantile(0.975) - known.quantile(0.025) < 0.6 * (new.quantile(0.975) - new.quantile(0.025))


def test_scatter_that_grows_with_cost_widens_the_costly_end():
    log_cost = np.linspace(-2, 2, 60)
    z = 0.3 * log_cost + 0.2 * np.exp(0.5 * log_cost) * np.random.default_rng(0).standard_normal(60)
    features = np.column_stack([np.ones(60), log_cost])
    law = fit_pooled_law(observations(np.arange(60), features=features, z=z))
    assert law.weights @ law.given.variances.spread == pytest.approx(0.5, abs=0.2)
    ends = [law.predict(Target(np.array([1.0, place])), 1) for place in (-2.0, 2.0)]
    narrow, wide = (end.quantile(0.975) - end.quantile(0.025) for end in ends)
    assert wide > 3 * narrow


def test_equal_laws_come_of_equal_seeds():
    one, other = (fit_pooled_law(observations(), seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.weights, other.weights)


def test_two_models_measured_equal_at_equal_cost_are_a_coin():
    observed = observations(families=np.arange(8))
    features, z = observed.features.copy(), observed.z.copy()
    features[1], z[1] = features[0], z[0]
    law = fit_pooled_law(observations(np.arange(8), features=features, z=z))
    targets = [Target(features[row], row, row) for row in (0, 1)]
    assert law.difference(*targets).below(0) == pytest.approx(0.5, abs=1e-9)


def test_difference_is_the_negative_of_the_models_exchanged():
    law = fit_pooled_law(observations())
    one, other = Target(law.given.observed.features[0], 0, 0), Target(np.array([1.0, 0.4]), 2)
    assert law.difference(one, other).below(0.1) == pytest.approx(1 - law.difference(other, one).below(-0.1))


def test_measured_noise_draws_a_model_towards_the_law():
    families = np.arange(10)
    features = observations(families).features
    z = features @ [0.0, 0.3]
    z[0] += 1.0
    gaps = []
    for sd in (0.01, 1.0):
        observed = observations(families, z=z, seeds=np.full(10, 3.0), seed_sd=np.full(10, sd))
        gaps.append(fit_pooled_law(observed).predict(Target(features[0], 0, 0)).quantile(0.5) - z[0] + 1)
    assert gaps[0] > 0.9 > 0.5 > gaps[1]


def test_a_single_run_is_predicted_less_well_than_a_mean():
    observed = observations(seeds=np.full(12, 3.0), seed_sd=np.full(12, 0.3))
    law = fit_pooled_law(observed)
    one, three = (law.predict(Target(np.array([1.0, 0.0])), runs) for runs in (1, 3))
    assert one.quantile(0.975) > three.quantile(0.975)


def test_mixture_quantiles_and_probabilities_are_inverse():
    mixture = Mixture(np.array([0.3, 0.7]), np.array([0.0, 4.0]), np.array([1.0, 0.5]))
    for probability in (0.025, 0.3, 0.5, 0.975):
        assert mixture.below(mixture.quantile(probability)) == pytest.approx(probability)


@pytest.mark.parametrize("unlike", [0.0, 1.5])
def test_noise_of_single_runs_spreads_as_that_of_the_repeated_ones_differs(unlike):
    rng = np.random.default_rng(1)
    true = 0.1 * np.exp(unlike * rng.standard_normal(40))
    sds = np.array([(sd * rng.standard_normal(3)).std(ddof=1) for sd in true])
    drawn = draw_noise(np.append(sds, np.nan), np.append(np.full(40, 3.0), 1.0), 4000, rng)
    assert isinstance(drawn, NoiseDraws)
    median, ends = np.quantile(drawn.of_run, 0.5), np.quantile(drawn.of_run, [0.1, 0.9])
    assert 0.05 < np.sqrt(median) < 0.2
    assert (ends[1] / ends[0] > 20) == (unlike > 0)


def test_variances_are_moderated_towards_those_of_the_others():
    seeds, sds = np.full(20, 2.0), np.full(20, 0.1)
    sds[0] = 1e-4
    drawn = draw_noise(sds, seeds, 4000, np.random.default_rng(0))
    assert 0.02 < np.sqrt(2 * np.median(drawn.of_means[:, 0])) < 0.1


@pytest.mark.parametrize(("sds", "seeds"), [([np.nan, np.nan], [1.0, 1.0]), ([0.0, np.nan], [2.0, 1.0])])
def test_without_repeats_that_differ_noise_is_not_known(sds, seeds):
    assert draw_noise(np.array(sds), np.array(seeds), 8, np.random.default_rng(0)) is None
