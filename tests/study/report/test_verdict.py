"""What is said of the paper's claims, on models whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from yolo_plugins.study.laws.fits import fit_study, fits_table
from yolo_plugins.study.report.verdict import tell_verdict
from yolo_plugins.study.tables.csv_table import make_table
from yolo_plugins.study.tables.schema import MODELS


def models(shift: float = 1.0, exponents: tuple[float, float] = (0.2, 0.2), costliest: float = 1.0) -> pd.DataFrame:
    """Five models of YOLOv5 and ten others, AP50 with 2 % of noise; the costliest is one of the others."""
    rng = np.random.default_rng(1)
    rows = []
    for family, count, exponent in (("yolov5", 5, exponents[0]), ("other", 10, exponents[1])):
        for index, macs in enumerate(np.geomspace(1e9, 4e10 if family == "yolov5" else 5e10, count).astype(int)):
            ap50 = 0.3 * (macs / 7e9) ** exponent * np.exp(0.02 * rng.standard_normal())
            ap50 *= shift if family == "yolov5" else costliest if index == count - 1 else 1
            row = {"model": f"{family}_{index}", "family": family, "input_h": 320, "input_w": 320}
            rows.append((family, row | {"params": int(macs) // 300, "macs": int(macs), "ap50": ap50}))
    return make_table(rows, MODELS)


def verdict(table: pd.DataFrame, y: str = "ap50") -> tuple[str, ...]:
    return tell_verdict(fits_table(fit_study(table, "macs", y).fits), table, "macs", y)


def test_nothing_that_is_not_there_is_said():
    shift, exponents, costliest = verdict(models(exponents=(0.0, 0.0)))
    assert shift.startswith("YOLOv5 lies above the line of other models: cannot be said; at equal FLOPs its AP50 is ")
    assert exponents.startswith("AP50 is a power law of FLOPs: cannot be said; the exponent is ")
    assert "that they differ cannot be said (by " in exponents
    assert costliest.startswith("other_9, the costliest model, does not deliver what it costs: cannot be said; ")
    assert all("95 % interval " in sentence and "p = " in sentence for sentence in (shift, exponents, costliest))


def test_shift_is_said_with_its_ratio_and_its_direction():
    assert "above the line of other models: yes; at equal FLOPs its AP50 is 1.3" in verdict(models(shift=1.3))[0]
    assert "above the line of other models: no, it is worse; " in verdict(models(shift=0.7))[0]


def test_smaller_loss_is_better():
    table = models(shift=1.3).assign(train_loss=lambda table: 1 / table["ap50"])
    assert (
        "above the line of other models: yes; at equal FLOPs its training loss is 0.7"
        in verdict(table, "train_loss")[0]
    )


def test_exponents_that_differ_are_said_and_the_shift_is_restricted():
    shift, exponents, _ = verdict(models(shift=1.2, exponents=(0.4, 0.1)))
    assert exponents.startswith("AP50 is a power law of FLOPs: yes; the exponent is 0.")
    assert "; they differ (by 0." in exponents
    assert "The slopes differ, so the ratio holds at middling cost only." in shift


def test_power_law_of_one_line_only_is_said_so():
    assert "FLOPs: only for other models; " in verdict(models(exponents=(0.0, 0.3)))[1]


def test_costliest_model_is_judged_by_the_line_of_the_others():
    assert ": yes; its AP50 is 0.6" in verdict(models(costliest=0.7))[2]
    assert ": no, it delivers more; its AP50 is 1.3" in verdict(models(costliest=1.4))[2]


def test_families_outside_that_lie_apart_restrict_the_shift():
    table = models(shift=1.3)
    others = table["family"] == "other"
    table.loc[others, "family"] = ["a", "b"] * 5
    table.loc[table["family"] == "a", "ap50"] *= 1.3
    assert "Families outside YOLOv5 lie apart as well, so the shift may be one of many." in verdict(table)[0]


@pytest.mark.parametrize("family", ["yolov5", "other"])
def test_models_of_one_kind_cannot_answer_for_two(family):
    table = models()
    shift, exponents, costliest = verdict(table[table["family"] == family])
    assert "cannot be said, because YOLOv5 and the models outside it do not have a line each." in shift
    assert exponents.count("95 % interval") == 1
    assert "the costliest model" in costliest


def test_too_few_others_of_its_line_leave_the_costliest_unjudged():
    table = models()
    kept = (table["family"] == "yolov5") | table["model"].isin(["other_0", "other_5", "other_9"])
    assert "cannot be said (2 points are too few for a power law: 3 are needed)." in verdict(table[kept])[2]
