"""The record of a run: what is written, what is read, what is refused."""

import json
import math
from pathlib import Path

import pytest

from yolo_plugins import record
from yolo_plugins.errors import UsageError

EXAMPLE = json.loads((Path(__file__).parent / "study" / "record.json").read_text())  # of a training of two epochs


def row(epoch, loss, ap50=None):
    scores = {} if ap50 is None else {"ap50": ap50}
    return EXAMPLE["epochs"][0] | {"epoch": epoch, "train_loss": loss, "losses": {"box": loss}, "scores": scores}


def test_inverse_normalized_loss_is_largest_over_last():
    assert record.inverse_normalized_loss([0.2, 0.4, 0.1]) == pytest.approx(4)
    assert record.inverse_normalized_loss([0.5]) == 1


@pytest.mark.parametrize("losses", [[], [0.1, 0.0], [0.1, math.nan], [math.inf, 0.1]])
def test_inverse_normalized_loss_refuses_what_has_none(losses):
    with pytest.raises(ValueError, match="positive finite"):
        record.inverse_normalized_loss(losses)


def test_summary_names_the_best_epoch():
    summary = record.summarize_epochs([row(1, 2.0), row(2, 1.0, 0.5), row(3, 0.5, 0.4)])
    assert summary == {"epochs": 3, "inverse_normalized_loss": 4.0, "best_ap50": 0.5, "best_ap50_epoch": 2}
    assert record.summarize_epochs([])["inverse_normalized_loss"] is None


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
    record.write_record(path, EXAMPLE | {"epochs": [row(1, 1.0) | {"lr": math.nan}]})
    assert record.read_record(path)["epochs"] == [row(1, 1.0) | {"lr": None}]
    assert record.read_record(path)["summary"]["epochs"] == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 99}'])
def test_a_file_that_is_no_record_is_refused(tmp_path, text):
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"record\.json.*move it away"):
        record.read_record(path)


def test_the_summary_is_that_of_the_epochs():
    assert record.summarize_epochs(EXAMPLE["epochs"]) == EXAMPLE["summary"]


def test_a_record_without_a_field_is_refused_by_its_name(tmp_path):
    path = tmp_path / "record.json"
    first, last = EXAMPLE["epochs"]
    last = {name: value for name, value in last.items() if name != "images"}
    path.write_text(json.dumps(EXAMPLE | {"epochs": [first, last]}))
    with pytest.raises(UsageError, match=r"the record is damaged \(no 'images' in epoch row 2\)"):
        record.read_record(path)
