"""The record of a run: what is written, what is read, what is refused."""

import copy
import json
import math
import re
from pathlib import Path

import pytest

from yolo_plugins import record
from yolo_plugins.errors import UsageError

EXAMPLE = json.loads((Path(__file__).parent / "study" / "record.json").read_text())  # of a training of two epochs


def row(epoch, loss, ap50=None):
    scores = {} if ap50 is None else {"ap50": ap50}
    return EXAMPLE["epochs"][0] | {"epoch": epoch, "train_loss": loss, "losses": {"box": loss}, "scores": scores}


def test_inverse_normalized_loss_is_largest_over_last():
    assert record.inverse_normalized_loss([0.2, 0.4, 0.1, 0.16]) == pytest.approx(2.5)
    assert record.inverse_normalized_loss([0.5]) == 1


@pytest.mark.parametrize("losses", [[], [0.1, 0.0], [0.1, math.nan], [math.inf, 0.1]])
def test_inverse_normalized_loss_refuses_what_has_none(losses):
    with pytest.raises(ValueError, match="positive finite"):
        record.inverse_normalized_loss(losses)


def test_summary_names_the_best_epoch():
    summary = record.summarize_epochs([row(1, 2.0), row(2, 1.0, 0.5), row(3, 0.5, 0.4)])
    assert summary == {"epochs": 3, "inverse_normalized_loss": 4.0, "best_ap50": 0.5, "best_ap50_epoch": 2}
    assert record.summarize_epochs([])["inverse_normalized_loss"] is None
    assert record.summarize_epochs([row(1, 2.0, 0.5), row(2, 1.0, 0.5)])["best_ap50_epoch"] == 1  # the first of equals


@pytest.mark.parametrize("nothing", [math.nan, None], ids=["in the run", "in its record"])
def test_without_a_score_there_is_no_best_epoch(nothing):
    summary = record.summarize_epochs([row(1, 2.0) | {"scores": {"ap50": nothing}}])
    assert (summary["best_ap50"], summary["best_ap50_epoch"]) == (None, None)
    summary = record.summarize_epochs([row(1, 2.0) | {"scores": {"ap50": nothing}}, row(2, 1.0, 0.1)])
    assert (summary["best_ap50"], summary["best_ap50_epoch"]) == (0.1, 2)


@pytest.mark.parametrize("losses", [[1.0, math.nan], [math.nan, 1.0], [None, 1.0], [1.0, 0.0]])
def test_without_all_losses_there_is_no_normalized_one(losses):
    rows = [row(epoch, loss) for epoch, loss in enumerate(losses, 1)]
    assert record.summarize_epochs(rows)["inverse_normalized_loss"] is None


def test_a_record_reads_back_and_numbers_that_are_not_finite_are_null(tmp_path):
    path = tmp_path / "record.json"
    record.write_record(path, EXAMPLE | {"epochs": [row(1, 1.0, math.nan)]})
    assert record.read_record(path)["epochs"] == [row(1, 1.0) | {"scores": {"ap50": None}}]
    assert record.read_record(path)["summary"]["epochs"] == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 99}', "[" * 100_000], ids=range(5))
def test_a_file_that_is_no_record_is_refused(tmp_path, text):
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"record\.json.*move it away"):
        record.read_record(path)


def test_the_summary_is_that_of_the_epochs():
    assert record.summarize_epochs(EXAMPLE["epochs"]) == EXAMPLE["summary"]


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        ("images", None, "epochs.1.images: Field required"),
        ("train_loss", "low", "epochs.1.train_loss: Input should be a valid number"),
        ("epoch", 3, "its rows are of the epochs [1, 3]"),
        ("epoch", True, "epochs.1.epoch: Input should be a valid integer"),
        ("scores", [], "epochs.1.scores: Input should be a valid dictionary"),
    ],
)
def test_a_damaged_row_is_named_by_its_place(tmp_path, place, value, sentence):
    path, content = tmp_path / "record.json", copy.deepcopy(EXAMPLE)
    content["epochs"][1][place] = value
    if value is None:
        del content["epochs"][1][place]
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=re.escape(f"the record is damaged ({sentence}")):
        record.read_record(path)


@pytest.mark.parametrize("size", [[64], [64, 64, 3], ["64", "64"]])
def test_an_input_size_that_is_not_height_and_width_is_refused(tmp_path, size):
    path = tmp_path / "record.json"
    path.write_text(json.dumps(EXAMPLE | {"input_hw": size}))
    with pytest.raises(UsageError, match=r"the record is damaged \(input_hw"):
        record.read_record(path)


def test_rows_in_another_order_are_damage(tmp_path):
    path = tmp_path / "record.json"
    path.write_text(json.dumps(EXAMPLE | {"epochs": EXAMPLE["epochs"][::-1]}))
    with pytest.raises(UsageError, match=r"its rows are of the epochs \[2, 1\]"):
        record.read_record(path)
