"""How many pictures are enough: what is read, what is refused by name, and what is said."""

import copy
import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest

from yolo_plugins.errors import UsageError
from yolo_plugins.protocol import sha256_of
from yolo_plugins.study.budget import budget
from yolo_plugins.study.laws.budget_law import fit_budget_law
from yolo_plugins.study.tables.collect import collect, find_records
from yolo_plugins.study.tables.schema import PROTOCOLS, RUNS, write_table

EXAMPLE = json.loads((Path(__file__).parent / "record.json").read_text())
MODEL = EXAMPLE["config_name"]
SCORES = {500: 0.2, 1000: 0.28, 2000: 0.38, 4000: 0.47}  # AP50 by number of pictures


@pytest.fixture
def work_dirs(tmp_path):
    """Writes the record of a run; returns the folder of all of them."""

    def write(pictures, ap50, seed=0, epochs=2, model=MODEL, status="complete", **protocol):
        record = copy.deepcopy(EXAMPLE)
        record |= {"config_name": model, "seed": seed, "status": status, "max_epochs": epochs}
        record["protocol"] |= {"train_images": pictures, "train_objects": f"of {pictures}", "epochs": epochs}
        part = {"train_dataloader.dataset.indices": pictures, "train_dataloader.dataset.share": pictures * 1e-4}
        record["protocol"] |= part | protocol
        record["protocol_sha256"] = sha256_of(record["protocol"])
        record["dataset_sizes"]["train"] = pictures
        record["epochs"] = [copy.deepcopy(record["epochs"][0]) | {"epoch": 1 + epoch} for epoch in range(epochs)]
        record["epochs"][-1]["scores"]["ap50"] = ap50
        record["epochs"][-1]["train_loss"] = 0.2 + pictures * 1e-5
        path = tmp_path / "runs" / f"{model}_{pictures}_{epochs}_{seed}_{len(protocol)}" / "record.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(record))
        return tmp_path / "runs"

    return write


@pytest.fixture
def study(work_dirs):
    """The folder of runs of `SCORES`."""
    for pictures, ap50 in SCORES.items():
        folder = work_dirs(pictures, ap50)
    return folder


def ask(*sources, want=0.5, y="ap50", of="pictures", **options) -> str:
    return budget(sources, y, of, want, **options)


def ask_against(*sources, **options) -> list[str]:
    return ask(*sources, want=None, **options).splitlines()


def test_points_law_expectations_and_the_number_are_told(study):
    lines = ask(study).splitlines()
    law = fit_budget_law(list(SCORES), list(SCORES.values()), [1] * 4)
    assert lines[0] == f"{MODEL}: AP50 against pictures"
    assert [line.split() for line in lines[2:6]] == [[f"{n:,}", "1", f"{ap50:g}"] for n, ap50 in SCORES.items()]
    ends = law.slope_interval
    assert lines[6] == (
        f"law: AP50 / (1 - AP50) x {2**law.slope:.4g} [{2**ends.low:.4g}, {2**ends.high:.4g}] with each doubling of "
        "the pictures; 2 degrees of freedom"
    )
    for line, multiple in zip(lines[8:11], (2, 4, 10), strict=True):
        expected = law.expect(4000 * multiple)
        numbers = [float(number) for number in re.findall(r"[\d.]+", line.replace(",", ""))]
        ends = expected.mean_interval, expected.run_interval
        wanted = [4000 * multiple, expected.mean, *(value for end in ends for value in (end.low, end.high))]
        assert numbers == pytest.approx(wanted, rel=1e-3)
    needed = law.needed(0.5)
    found = re.fullmatch(
        r"AP50 0.5 takes ([\d,]+) pictures, 95 % interval ([\d,]+) \.\. ([\d,]+); beyond what was tried, 4,000, "
        "the law is trusted to go on",
        lines[11],
    )
    wanted = (needed.amount, needed.interval.low, needed.interval.high)
    assert [float(text.replace(",", "")) for text in found.groups()] == pytest.approx(wanted, rel=0.005)
    assert len(lines) == 12


def test_within_what_was_tried_nothing_is_trusted(study):
    last = ask(study, want=0.3).splitlines()[-1]
    assert re.fullmatch(r"AP50 0.3 takes 1,\d+ pictures, 95 % interval [\d,]+ \.\. 1,\d+", last)


def test_seeds_are_one_point(study, work_dirs):
    work_dirs(4000, 0.51, seed=1)
    assert re.search(r"\n +4,000 +2 +0.49\n", ask(study))


def test_tables_say_the_same_as_work_directories(study, tmp_path):
    found = collect(find_records([study]), lambda record: record["dataset_sizes"]["train"])
    halves = [tmp_path / name for name in ("first.csv", "second.csv")]
    write_table(found.runs[:2].assign(config_sha256=["a", "b"]), halves[0], RUNS)
    write_table(found.runs[2:].assign(config_sha256=["a", "b"]), halves[1], RUNS)
    write_table(found.protocols, tmp_path / "protocols.csv", PROTOCOLS)
    assert ask(*halves, tmp_path / "protocols.csv") == ask(study)
    with pytest.raises(UsageError, match=r"protocol_sha256: .*; protocols.csv beside the table tells the keys"):
        ask(*halves)
    with pytest.raises(UsageError, match=r"protocols.csv: no table of runs: give runs.csv with it"):
        ask(tmp_path / "protocols.csv")


def test_epochs_are_told_as_pictures_are(work_dirs):
    for epochs, ap50 in ((2, 0.2), (4, 0.28), (8, 0.38), (16, 0.47)):
        folder = work_dirs(1000, ap50, epochs=epochs)
    told = ask(folder, of="epochs")
    assert f"{MODEL}: AP50 against epochs" in told
    assert re.search(r"AP50 0.5 takes \d+ epochs", told)
    with pytest.raises(UsageError, match=r"not trained alike \(epochs: 16 -> 2 and|not trained alike \(epochs: "):
        ask(folder)


def test_what_else_differs_is_refused_by_name(study, work_dirs):
    work_dirs(8000, 0.5, **{"optim_wrapper.optimizer.lr": 0.1})
    with pytest.raises(UsageError, match=r"not trained alike \(optim_wrapper.optimizer.lr: 0.01 -> 0.1\)"):
        ask(study)
    assert "note: Runs of different protocols are compared" in ask(study, allow_mixed=True)


def test_size_of_the_pictures_is_no_number_of_them(study, work_dirs):
    work_dirs(8000, 0.5, **{"train_dataloader.dataset.img_size": 640})
    with pytest.raises(UsageError, match=r"train_dataloader.dataset.img_size: \(missing\) -> 640"):
        ask(study)


def test_several_models_are_refused_by_name(study, work_dirs):
    work_dirs(8000, 0.5, model="another")
    with pytest.raises(UsageError, match=f"runs of several models: give --model another or --model {MODEL}"):
        ask(study)
    with pytest.raises(UsageError, match=f"runs without 'third': give --model another or --model {MODEL}"):
        ask(study, model="third")
    assert "8,000 " not in ask(study, model=MODEL).partition("law:")[0]


def test_two_numbers_are_refused_with_the_remedy(work_dirs):
    work_dirs(500, 0.2)
    work_dirs(1000, 0.0)
    folder = work_dirs(2000, 0.3)
    with pytest.raises(UsageError) as error:
        ask(folder)
    assert str(error.value).endswith(
        f": a law needs 3 numbers of pictures, the runs of {MODEL} have 2 (500, 2,000): add runs with others; AP50 at "
        "an end of its scale, left out: 1,000 pictures (0)"
    )


def test_what_is_left_out_is_noted(study, work_dirs):
    work_dirs(60, 0.0)
    work_dirs(8000, None)
    work_dirs(16_000, 0.6, status="running")
    notes = [line for line in ask(study).splitlines() if line.startswith("note: ")]
    assert [re.sub(r" \S+record", " record", note) for note in notes] == [
        "note: left out: record.json: running after 2 of 2 epochs",
        "note: without AP50, left out: 8,000 pictures with seed 0",
        "note: AP50 at an end of its scale, left out: 60 pictures (0)",
    ]


def test_one_seed_twice_is_refused(study, work_dirs):
    work_dirs(4000, 0.5, epochs=3)
    with pytest.raises(UsageError, match="two runs of 4,000 pictures with seed 0: leave one out"):
        ask(study, allow_mixed=True)


@pytest.mark.parametrize(
    ("scores", "want", "reason"),
    [
        ((0.47, 0.38, 0.28, 0.2), 0.5, "AP50 0.5: cannot be said: it gets worse with more pictures"),
        ((0.3, 0.4, 0.3, 0.4), 0.5, "AP50 0.5: cannot be said: what more pictures bring is not told from chance; .*"),
        (
            (0.2, 0.28, 0.38, 0.47),
            0.99,
            r"AP50 0.99: cannot be said: it takes .*10 times the largest number tried, 4,000",
        ),
        ((0.2, 0.28, 0.38, 0.47), 0.65, r"AP50 0.65 takes .* no upper end: it may level off below, .*"),
        ((0.2, 0.28, 0.38, 0.47), 0.02, "AP50 0.02 takes less than a tenth of the smallest number tried, 500 pictures"),
    ],
)
def test_what_cannot_be_said_has_a_reason(work_dirs, scores, want, reason):
    for pictures, ap50 in zip(SCORES, scores, strict=True):
        folder = work_dirs(pictures, ap50)
    assert re.fullmatch(reason, ask(folder, want=want).splitlines()[-1])


def test_three_numbers_have_their_caveat(work_dirs):
    for pictures in (500, 1000, 2000):
        folder = work_dirs(pictures, SCORES[pictures])
    assert ask(folder).splitlines()[-1] == "note: 3 numbers of pictures cannot show where the curve levels off"


def test_a_loss_that_rises_with_the_pictures_gets_worse(study):
    told = ask(study, want=0.1, y="train_loss")
    assert "law: training loss x 1.0" in told
    assert told.splitlines()[-1] == "training loss 0.1: cannot be said: it gets worse with more pictures"


@pytest.mark.parametrize(("y", "want"), [("ap50", 0), ("ap50", 1.2), ("train_loss", -1), ("ap50", math.nan)])
def test_impossible_wishes_are_refused(tmp_path, y, want):
    with pytest.raises(UsageError, match=rf"--want {want:g} is not .*: give a value that"):
        ask(tmp_path, y=y, want=want)


def test_other_tables_and_absent_folders_are_named(study, tmp_path):
    found = tmp_path / "models.csv"
    pd.DataFrame({"model": ["a"], "family": "other", "input_h": 8, "input_w": 8, "params": 1, "macs": 1}).to_csv(found)
    with pytest.raises(UsageError, match=r"models.csv"):
        ask(found)
    with pytest.raises(UsageError, match=r"nowhere: no such file or folder"):
        ask(study, tmp_path / "nowhere")


def test_what_another_source_needs_for_the_same(work_dirs, tmp_path):
    for pictures, ap50 in SCORES.items():
        scratch = work_dirs(pictures, ap50)
    scratch = scratch.rename(tmp_path / "scratch")
    for pictures, ap50 in ((500, 0.3), (1000, 0.4), (2000, 0.5)):
        tuned = work_dirs(pictures, ap50, load_from="weights.pt")
    tuned = tuned.rename(tmp_path / "tuned")
    lines = ask_against(tuned, against=scratch)
    alone = [ask(folder).splitlines() for folder in (tuned, scratch)]
    assert lines[: len(alone[0]) + len(alone[1]) - 3] == [*alone[0][:-2], *alone[1][:-1]]  # but for answers and notes
    worth = [line for line in lines if line.startswith(("500 pictures", "1,000 pictures", "2,000 pictures"))]
    for line, (pictures, wanted) in zip(worth, (("500", 0.3), ("1,000", 0.4), ("2,000", 0.5)), strict=True):
        answer = ask(scratch, want=wanted).splitlines()[-1]
        assert line == f"{pictures} pictures of {tuned}: of {scratch}, {answer}"
    assert lines[-2:] == [
        "note: 3 numbers of pictures cannot show where the curve levels off",
        f"note: what is compared: {MODEL} seed 0 and {MODEL} seed 0 were not trained alike "
        '(load_from: "weights.pt" -> (missing))',
    ]


def test_models_are_named_where_they_differ_and_what_was_trained_alike_has_no_note(study, work_dirs, tmp_path):
    first = study.rename(tmp_path / "first")
    for pictures, ap50 in SCORES.items():
        second = work_dirs(pictures, ap50 + 0.1, model="larger")
    lines = ask_against(second, against=first)
    assert lines[-1].startswith(f"4,000 pictures of larger: of {MODEL}, AP50 0.57 takes ")
    assert not any(line.startswith("note:") for line in lines)


def test_another_source_has_its_own_faults(study, work_dirs, tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        ask_against(study, against=tmp_path / "nowhere")


def test_losses_of_two_sources_do_not_compare(study, work_dirs, tmp_path):
    first = study.rename(tmp_path / "first")
    for pictures, ap50 in SCORES.items():
        second = work_dirs(pictures, ap50, model="larger")
    for record in second.rglob("record.json"):
        record.write_text(json.dumps(json.loads(record.read_text()) | {"loss": "another"}))
    with pytest.raises(UsageError, match=r"first and .*runs: runs of several losses, whose training loss does not"):
        ask_against(first, against=second, y="train_loss")
    assert "of larger, AP50" in ask_against(first, against=second)[-2]


def test_the_figure_has_points_laws_and_what_is_wanted(study, tmp_path):
    told = ask(study, out=tmp_path / "figures").splitlines()
    png, svg = (tmp_path / "figures" / name for name in ("budget.png", "budget.svg"))
    assert f"wrote {png} and {svg}" in told
    assert png.read_bytes().startswith(b"\x89PNG")
    text = svg.read_text()
    assert all(f">{words}<" in text for words in (MODEL, "wanted: 0.5", "pictures in training", "AP50"))
    ask(study, out=tmp_path / "figures")
    assert svg.read_text() == text
