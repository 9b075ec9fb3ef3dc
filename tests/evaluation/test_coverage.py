"""Intervals of AP hold the AP of all pictures about as often as they claim."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from yolo_plugins.evaluation.coverage import assess

TOOL = Path(__file__).resolve().parents[2] / "tools" / "analysis" / "check_statistics.py"


@pytest.mark.slow
def test_intervals_cover_what_they_claim():
    coverage = assess(pictures=200, mode="area", samples=300, seed=0)
    assert (coverage.classes[0], coverage.mean[0]) == pytest.approx((0.94, 0.94), abs=0.03)
    assert coverage.classes[0] > coverage.classes[2], "the basic bootstrap covers less"


def test_a_seed_repeats_the_samples():
    first, second, other = (assess(pictures=30, mode="area", samples=3, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.bias, second.bias)
    assert (first.bias != other.bias).all()


def test_tool_prints_a_line_for_each_design():
    command = [sys.executable, str(TOOL), "--of", "scores", "--studies", "2", "--pictures", "20"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == "2 studies for each line; intervals claim 95 %"
    assert [line.split()[:2] for line in lines[2:]] == [["20", "area"], ["20", "11point"], ["20", "coco101"]]
