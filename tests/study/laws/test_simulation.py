"""The statistics hold what they claim on studies whose truth is known."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from yolo_plugins.study.laws.power_law import fit_power_law
from yolo_plugins.study.laws.simulation import Design, Quality, Share, assess, format_qualities, simulate

TOOL = Path(__file__).resolve().parents[3] / "tools" / "analysis" / "check_statistics.py"


def run_tool(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(TOOL), *arguments], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("heavy_tails", [False, True])
def test_studies_scatter_about_the_true_law_as_designed(heavy_tails):
    studies = simulate(Design(20, heavy_tails, exponent=0.3, residual_sd=0.05), 2000)
    assert studies.x.shape == studies.y.shape == (2000, 21)
    log_x = np.log(studies.x)
    assert np.ptp(log_x) == pytest.approx(np.log(50), abs=0.01)
    residuals = np.log(studies.y) - 0.3 * (log_x - np.log(5e8))
    assert residuals.mean() == pytest.approx(0, abs=0.001)
    assert residuals.std() == pytest.approx(0.05, rel=0.15)
    outliers = (np.abs(residuals) > 4 * 0.05).mean()  # 0.006 % of normal values, 0.6 % of the heavy-tailed ones
    assert (outliers > 0.002) == heavy_tails


def test_spread_families_and_leverage_are_as_designed():
    wide = simulate(Design(20, spread=4.0), 3000)
    log_x = np.log(wide.x / 5e8)
    residuals = np.log(wide.y) - 0.2 * log_x
    for low, high, sd in ((0.0, 0.1, 0.054), (0.9, 1.0, 0.187)):
        place = log_x / np.log(50)
        assert residuals[(place >= low) & (place <= high)].std() == pytest.approx(sd, rel=0.05)
    families = simulate(Design(9, residual_sd=0.01, family_sd=1.0), 500)
    residuals = np.log(families.y) - 0.2 * np.log(families.x / 5e8)
    assert residuals[:, :3].std(axis=1).max() < 0.1 < residuals[:, ::3].std(axis=1).mean()
    crowded = np.log(simulate(Design(9, crowded=True), 50).x[:, :9] / 5e8)
    assert np.sort(crowded, axis=1)[:, 7].max() <= np.log(6) < crowded[:, 8].min()


@pytest.mark.parametrize(("departure", "least", "most"), [({}, 0.0, 0.3), ({"family_sd": 0.5}, 0.9, 1.0)])
def test_reports_warn_of_families_and_seldom_of_nothing(departure, least, most):
    assert least <= assess(simulate(Design(18, **departure), 60)).warned.value <= most


def test_studies_are_the_same_for_one_seed():
    first, again, other = (simulate(Design(5), 3, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.array_equal(first.y, other.y)


def test_new_model_is_hidden_from_the_fit():
    studies = simulate(Design(5), 40)
    spoilt = replace(studies, y=np.column_stack([studies.y[:, :5], np.full(40, 1e9)]))
    before, after = assess(studies), assess(spoilt)
    assert (after.bias, after.t, after.bootstrap) == (before.bias, before.t, before.bootstrap)
    assert after.prediction.value == 0 < before.prediction.value


def test_shares_are_counted_against_the_true_exponent():
    studies = simulate(Design(6), 60)
    errors, hits = [], []
    for x, y in zip(studies.x, studies.y, strict=True):
        law = fit_power_law(x[:6], y[:6], "abcdef")
        errors.append(law.exponent - 0.2)
        hits.append(law.exponent_interval.low <= 0.2 <= law.exponent_interval.high)
    calls: list[None] = []
    quality = assess(studies, lambda: calls.append(None))
    assert quality.studies == len(calls) == 60
    assert quality.bias == pytest.approx(np.mean(errors))
    assert quality.bias_stderr == pytest.approx(np.std(errors, ddof=1) / np.sqrt(60))
    share = np.mean(hits)
    assert (quality.t.value, quality.t.stderr) == pytest.approx((share, np.sqrt(share * (1 - share) / 60)))


def test_intervals_claim_what_they_hold_in_a_few_studies():
    quality = assess(simulate(Design(10), 300))
    assert abs(quality.bias) < 3 * quality.bias_stderr
    for share in (quality.t, quality.bootstrap, quality.prediction):
        assert share.value == pytest.approx(0.95, abs=0.04)  # three standard errors


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 10, 20])
def test_intervals_cover_the_truth_in_93_to_97_percent_of_2000_studies(n):
    quality = assess(simulate(Design(n), 2000))
    assert abs(quality.bias) < 3 * quality.bias_stderr
    for share in (quality.t, quality.bootstrap, quality.prediction):
        assert 0.93 <= share.value <= 0.97


@pytest.mark.slow
def test_heavy_tails_cost_the_predictions_little_coverage_and_the_exponents_none():
    quality = assess(simulate(Design(10, heavy_tails=True), 2000))
    assert abs(quality.bias) < 3 * quality.bias_stderr
    assert quality.t.value >= 0.93
    assert quality.bootstrap.value >= 0.93
    assert 0.92 <= quality.prediction.value <= 0.97


@pytest.mark.slow
def test_percentile_bootstrap_falls_short_at_five_models_where_ours_does_not():
    quality = assess(simulate(Design(5), 2000))
    assert quality.percentile.value < 0.85 < quality.bootstrap.value


def test_table_has_a_line_for_each_design_with_shares_in_percent():
    share = Share(0.9512, 0.0048)
    quality = Quality(2000, -0.0005, 0.0012, *[share] * 4, Share(0.9, 0.0067), share)
    head, *lines = format_qualities([(Design(5), quality), (Design(10, heavy_tails=True), quality)]).splitlines()
    assert [line.split()[:2] for line in lines] == [["normal", "5"], ["heavy", "tails"]]
    assert "-0.00050 ± 0.00120" in lines[0]
    assert lines[0].count("95.1 ± 0.5") == 5
    assert lines[0].index("90.0 ± 0.7") + len("90.0 ± 0.7") == head.index("prediction") + len("prediction")


def test_tool_prints_the_table_from_another_folder(tmp_path):
    done = run_tool(tmp_path, "--studies", "20", "--models", "5", "8")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "20 studies for each line; intervals claim 95 %"
    assert [line.split()[:2] for line in done.stdout.splitlines()[2:]] == [
        *(["normal", "5"], ["heavy", "tails"], ["spread", "x"], ["spread", "x"], ["families", "5"], ["leverage", "5"]),
        *(["normal", "8"], ["heavy", "tails"], ["spread", "x"], ["spread", "x"], ["families", "8"], ["leverage", "8"]),
    ]


@pytest.mark.parametrize("arguments", [("--studies", "1"), ("--models", "3"), ("--seed", "-1")])
def test_tool_refuses_what_it_cannot_simulate_in_one_line(tmp_path, arguments):
    done = run_tool(tmp_path, *arguments)
    assert done.returncode == 2
    assert f"argument {arguments[0]}: '{arguments[1]}' is no whole number, from " in done.stderr.splitlines()[-1]
