"""Each warning comes where it should, and seldom where nothing is wrong."""

import pytest

from yolo_plugins.study.laws.warning_rates import FAULTS, format_rates, warning_rates

STUDIES = 300
FAULT = {fault.name: fault for fault in FAULTS}


@pytest.fixture(scope="module")
def clean() -> dict[str, float]:
    return warning_rates(FAULT["none"], 12, STUDIES)


def test_nothing_wrong_warns_in_about_one_study_of_twenty(clean):
    assert {name: rate for name, rate in clean.items() if rate > 0.09} == {}


@pytest.mark.parametrize(
    ("fault", "n", "warning", "least"),
    [
        ("costliest 30 % off", 12, "influence", 0.85),
        ("costliest 30 % off", 22, "robust slope", 0.65),
        ("spread x 8 to the costly", 22, "spread", 0.55),
        ("spread x 8 to the cheap", 22, "spread", 0.55),
        ("families x 2 the scatter", 22, "families", 0.85),
        ("scores near 1", 12, "bounds", 0.5),
        ("none", 8, "few for a limit", 1.0),
    ],
)
def test_what_is_wrong_is_warned_of(fault, n, warning, least):
    assert warning_rates(FAULT[fault], n, STUDIES)[warning] >= least


def test_table_has_a_line_for_each_fault(clean):
    lines = format_rates([(FAULT["none"], 12, clean)] * 2).splitlines()
    assert len(lines) == 3
    assert "influence" in lines[0] and lines[1].startswith("none")
