"""The intervals of the law of amounts hold what they claim, whether the truth is a line or levels off."""

import math

import pytest

from yolo_plugins.study.laws.budget_simulation import DESIGNS, TRUTHS, Design, assess, format_shares


@pytest.mark.parametrize("truth", TRUTHS)
@pytest.mark.parametrize("amounts", [3, 4, 6])
def test_intervals_hold_the_truth(truth, amounts):
    shares = assess(Design(truth, amounts, 1), 150)
    allowed = 0.95 - 3 * math.sqrt(0.95 * 0.05 / 150)
    assert all(shares[f"{what} {factor}"] > allowed for what in ("mean", "run") for factor in ("2x", "4x"))
    assert shares["number"] > (allowed if amounts > 3 else 0.85)  # with three, only lucky slopes are answered


def test_more_seeds_and_amounts_answer_more():
    few, seeds, amounts = (assess(Design("line", *size), 200)["answered"] for size in ((3, 1), (3, 9), (4, 1)))
    assert few < seeds
    assert few < amounts


def test_studies_are_the_same_for_one_seed_and_counted():
    calls: list[None] = []
    design = Design("line", 4, 2)
    assert assess(design, 20, 1, lambda: calls.append(None)) == assess(design, 20, 1)
    assert assess(design, 20, 2) != assess(design, 20, 1)
    assert len(calls) == 20


def test_table_has_a_line_for_each_design():
    head, *lines = format_shares([(design, {"mean 2x": 0.951}) for design in DESIGNS]).splitlines()
    assert len(lines) == len(DESIGNS) == 18
    assert all(line.split()[-7] == "95.1" for line in lines)
    assert all(len(line) == len(head) for line in lines)
