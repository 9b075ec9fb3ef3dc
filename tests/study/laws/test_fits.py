"""Which models make which laws, what the table of laws holds, and what is said where there is none."""

import math
import re

import numpy as np
import pandas as pd
import pytest

from yolo_plugins.study.laws.fits import fit_groups, fit_study, fits_table, front_of
from yolo_plugins.study.laws.level_test import compare_lines
from yolo_plugins.study.laws.power_law import fit_power_law
from yolo_plugins.study.tables.csv_table import make_table
from yolo_plugins.study.tables.families import ALL, NOT_YOLOV5
from yolo_plugins.study.tables.schema import FITS, MODELS, read_table, write_table


def models(families: dict[str, int], exponents: dict[str, float] | None = None, **columns) -> pd.DataFrame:
    """So many models of each family, whose AP50 follow its exponent with a little noise."""
    random = np.random.default_rng(0)
    rows = []
    for family, count in families.items():
        for index in range(count):
            params = int(1e6 * 2**index * random.uniform(1, 1.3))
            ap50 = 0.1 * (params / 1e6) ** (exponents or {}).get(family, 0.1) * math.exp(random.normal(0, 0.03))
            row = {"model": f"{family}_{index}", "family": family, "input_h": 320, "input_w": 320, "ap50": ap50}
            rows.append((family, row | {"params": params, "macs": params * 300 + index**2} | columns))
    return make_table(rows, MODELS)


def groups_of(families: dict[str, int]) -> dict[str, int]:
    """Groups with a law of AP50 on params, and how many models each has."""
    fits, _ = fit_groups(models(families), "params", "ap50")
    return {fit.group: fit.law.n for fit in fits}


def test_one_other_family_gives_its_own_line_beside_yolov5():
    assert groups_of({"yolov5": 3, "other": 6}) == {ALL: 9, "yolov5": 3, "other": 6}


def test_several_other_families_are_fitted_together_too():
    assert groups_of({"yolov5": 3, "other": 4, "scaled_yolov4": 5}) == {
        **{ALL: 12, "yolov5": 3, "other": 4, "scaled_yolov4": 5},
        NOT_YOLOV5: 9,
    }


def test_yolov5_with_larger_inputs_is_not_outside_of_yolov5():
    assert NOT_YOLOV5 not in groups_of({"yolov5": 3, "yolov5_p6": 3, "scaled_yolov4": 3})


def test_families_too_small_for_a_line_each_have_one_together():
    fits, notes = fit_groups(models({"yolov5": 3, "a": 1, "b": 2}), "params", "ap50")
    assert [fit.group for fit in fits] == [ALL, "yolov5", NOT_YOLOV5]
    assert "a: no line: 1 of at least 3 models that a line needs (a_0)" in notes
    assert "b: no line: 2 of at least 3 models that a line needs (b_0, b_1)" in notes


def test_each_group_is_fitted_on_its_own_models():
    table = models({"yolov5": 5, "other": 8}, {"yolov5": 0.3, "other": 0.05})
    fits, _ = fit_groups(table, "macs", "ap50")
    for fit in fits:
        rows = table if fit.group == ALL else table[table["family"] == fit.group]
        assert fit.law == fit_power_law(rows["macs"].tolist(), rows["ap50"].tolist(), rows["model"].tolist())
    assert fits[2].law.exponent == pytest.approx(0.3, abs=0.05)


def test_each_release_of_yolov5_is_tested_against_the_models_outside_yolov5():
    table = models({"yolov5": 5, "yolov5_p6": 4, "other": 4, "scaled_yolov4": 4}, {"yolov5": 0.3})
    laws = {fit.group: fit for fit in fit_groups(table, "params", "ap50")[0]}
    for name in ("yolov5", "yolov5_p6"):
        assert laws[name].compared_with == NOT_YOLOV5
        assert laws[name].comparison == compare_lines(laws[name].law, laws[NOT_YOLOV5].law)
    assert laws["yolov5"].comparison.slope_p < 0.001
    assert all(laws[name].comparison is None for name in (ALL, "other", "scaled_yolov4", NOT_YOLOV5))
    row = fits_table([laws["yolov5"]]).iloc[0]
    assert row["level_ratio_low"] < row["level_ratio"] < row["level_ratio_high"]
    assert (row["slope_difference"], row["compared_with"]) == (laws["yolov5"].comparison.slope_difference, NOT_YOLOV5)


def test_two_groups_of_another_column_are_tested_against_each_other():
    table = models({"other": 8}).assign(input_h=[320] * 4 + [640] * 4)
    fits = fit_study(table, "params", "ap50", "input_h").headline
    assert [fit.compared_with for fit in fits.values()] == ["", "640", ""]


def test_a_loss_is_best_when_small():
    table = models({"other": 6}).assign(train_loss=lambda table: 1 / table["ap50"], ap50=np.nan)
    upper = fit_groups(table, "params", "train_loss")[0][0].upper
    assert upper.tau == pytest.approx(0.1)
    assert len(upper.on) + len(upper.above) == len(table)
    cheapest, best = table.loc[table["params"].idxmin(), "model"], table.loc[table["train_loss"].idxmin(), "model"]
    front = front_of(table, "params", "train_loss")
    assert (front.names[0], front.names[-1]) == (cheapest, best)


def test_three_models_have_a_line_and_reasons_for_what_they_lack():
    fits, notes = fit_groups(models({"other": 3}), "params", "ap50")
    fit = fits[1]
    row = fits_table([fit]).iloc[0]
    assert row["residual_dof"] == 1
    lacking = ["exponent_boot_low", "aicc_power", "saturation", "exponent_without_most_influential", "level_ratio"]
    assert row[lacking].isna().all()
    assert list(fit.missing) == ["bootstrap interval", "law with a limit", "line without the most influential model"]
    assert notes == []


def test_what_no_law_has_is_told_last_and_in_one_note():
    table = models({"yolov5": 3, "a": 2, "b": 4}).assign(recall=[None, *[0.1, 0.2, 0.3, 0.25, 0.4, 0.5, 0.55, 0.6]])
    *notes, absent = fit_study(table, "params", "ap50").notes
    kinds = ["no line: " in note for note in notes]
    assert kinds == sorted(kinds) and {*kinds} == {False, True}
    assert notes[0].startswith("without recall or ")
    assert absent.startswith("not computed, of ")
    assert "law with a limit of " in absent and "; fewer than 9 points cannot tell" in absent


def test_every_number_of_the_table_survives_its_file(tmp_path):
    fits = fit_study(models({"yolov5": 4, "other": 7}, latency_seconds=0.01), "params", "ap50").fits
    table = fits_table(fits)
    write_table(table, tmp_path / "fits.csv", FITS)
    pd.testing.assert_frame_equal(read_table(tmp_path / "fits.csv", FITS), table, check_exact=True)
    law = fits[1].law
    row = table.iloc[1]
    for name in ("exponent", "coefficient", "residual_sd", "mean_log_x", "sum_squares_log_x", "x_min", "x_max", "r2"):
        assert row[name] == getattr(law, name)
    assert (row["exponent_low"], row["exponent_high"]) == (law.exponent_interval.low, law.exponent_interval.high)
    assert row["max_leverage"] == max(law.leverages)


def test_every_pair_is_fitted_and_the_headline_stands_first():
    table = models({"yolov5": 3, "other": 4}).assign(recall=lambda table: table["ap50"] / 2)
    study = fit_study(table, "params", "recall")
    pairs = list(dict.fromkeys((fit.x, fit.y) for fit in study.fits))
    assert pairs[0] == ("params", "recall")
    assert set(pairs) == {(x, y) for x in ("params", "macs") for y in ("recall", "ap50")}
    assert set(study.headline) == {ALL, "other", "yolov5"}
    assert study.headline[ALL] is study.fits[0]
    assert study.front == front_of(table, "params", "recall")


def test_models_without_a_value_are_left_out_of_its_laws_and_named():
    table = models({"other": 6}).assign(recall=[0.1, 0.2, 0.3, 0.4, None, None])
    study = fit_study(table, "params", "ap50")
    counts = {(fit.x, fit.y): fit.law.n for fit in study.fits if fit.group == ALL}
    assert (counts["params", "ap50"], counts["params", "recall"]) == (6, 4)
    assert "without recall or parameters, left out: other_4, other_5 (recall on parameters)" in study.notes


def test_of_many_models_without_a_value_the_first_are_named_and_the_rest_counted():
    table = models({"other": 12}).assign(recall=[0.1, 0.2, 0.3, 0.4] + [None] * 8)
    notes = fit_study(table, "params", "ap50").notes
    named = "other_4, other_5, other_6, other_7, other_8, other_9 and 2 more"
    assert f"without recall or parameters, left out: {named} (recall on parameters)" in notes


def test_scores_of_0_and_1_are_left_out_of_their_laws_and_named_with_their_values():
    table = models({"other": 6}).assign(recall=[0.1, 0.2, 0.3, 0.4, 1.0, 0.0])
    study = fit_study(table, "params", "recall")
    assert study.headline[ALL].law.names == ("other_0", "other_1", "other_2", "other_3")
    (told,) = [note for note in study.notes if note.startswith("at an end of its scale")]
    assert "left out of laws and logarithmic axes: other_4 (recall 1), other_5 (recall 0) (recall on parameters" in told
    assert "other_5" in front_of(table.assign(params=[6, 5, 4, 3, 2, 1]), "params", "recall").names


def test_a_pair_without_a_law_is_told_and_stops_no_other():
    table = models({"other": 6}).assign(recall=[0.1, 0.2, 0.0, 0.0, 0.0, 0.0])
    study = fit_study(table, "macs", "ap50")
    assert {fit.y for fit in study.fits} == {"ap50"}
    reason = "2 of at least 3 models that a line needs (other_0, other_1); at an end of its scale, left out of laws"
    (told,) = [note for note in study.notes if note.startswith(f"no fit: {reason}")]
    assert told.endswith("(recall on FLOPs, recall on parameters)")
    with pytest.raises(ValueError, match=re.escape(reason)):
        fit_study(table, "macs", "recall")


def test_a_reason_on_every_pair_is_told_once():
    notes = fit_study(models({"other": 3}, latency_seconds=0.01), "macs", "ap50").notes
    assert len([note for note in notes if "bootstrap" in note]) == 1


def test_a_headline_of_two_models_has_no_law():
    with pytest.raises(ValueError, match=r"2 of at least 3 models that a line needs \(other_0, other_1\)"):
        fit_study(models({"other": 2}), "macs", "ap50")


def test_costs_that_nearly_coincide_have_no_law():
    table = models({"other": 3}).assign(macs=[2_000_000_000, 2_000_200_000, 2_000_300_000], ap50=[0.01, 0.3, 0.02])
    with pytest.raises(ValueError, match=r"costs from 2e\+09 to 2.0003e\+09 are too close together"):
        fit_groups(table, "macs", "ap50")


def test_any_filled_column_can_divide_the_models():
    table = models({"other": 8}).assign(input_h=[320] * 4 + [640] * 4)
    assert set(fit_study(table, "params", "ap50", "input_h").headline) == {ALL, "320", "640"}
    for column in ("colour", "source"):
        with pytest.raises(ValueError, match=f"no column '{column}' to group by; filled are model, family, "):
            fit_study(table, "params", "ap50", column)
