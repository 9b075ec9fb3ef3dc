"""The folder of a run: one training at a time, and nothing of an earlier run is lost by mistake."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn
from toy_training import ToyDetector

from yolo_plugins.engine.work_dir import claimed
from yolo_plugins.errors import UsageError
from yolo_plugins.models.backbones.pretrained import Published
from yolo_plugins.record import read_record

LEFT = ["best_ap50_epoch_1.pth", "epoch_1.pth", "last_checkpoint", "record.json"]


def files(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file() and path.name != ".lock"}


@pytest.mark.parametrize("left", [["epoch_1.pth"], ["best_ap50_epoch_1.pth"], ["record.json"]])
def test_a_new_run_over_an_earlier_one_is_refused_and_touches_nothing(make_runner, left):
    runner = make_runner(max_epochs=1)
    folder = Path(runner.work_dir)
    for name in left:
        (folder / name).write_bytes(b"of value")
    with pytest.raises(UsageError, match=rf"{folder}: holds a run already .*--resume.*--overwrite.*--work-dir"):
        runner.train()
    assert files(folder) == dict.fromkeys(left, b"of value")


def test_a_run_that_never_finished_an_epoch_may_begin_again(make_runner):
    runner = make_runner(max_epochs=1)
    (Path(runner.work_dir) / "record.json").write_text('{"epochs": []}')
    runner.train()
    assert read_record(Path(runner.work_dir) / "record.json")["status"] == "complete"


def test_overwrite_replaces_the_run_and_nothing_else(make_runner):
    runner = make_runner(max_epochs=1, overwrite=True)
    folder = Path(runner.work_dir)
    for name in [*LEFT, "epoch_9.pth", "notes.txt"]:
        (folder / name).write_bytes(b"old")
    runner.train()
    kept = files(folder)
    assert kept.pop("notes.txt") == b"old"
    assert b"old" not in kept.values() and "epoch_9.pth" not in kept


def test_a_run_that_is_continued_is_not_overwritten(tmp_path):
    left = dict.fromkeys(LEFT, b"of value")
    for name, content in left.items():
        (tmp_path / name).write_bytes(content)
    with claimed(tmp_path, resume=True, overwrite=True):
        assert files(tmp_path) == left


def test_the_second_training_in_a_folder_is_refused(make_runner):
    runner = make_runner(max_epochs=1)
    with (
        claimed(Path(runner.work_dir), resume=False, overwrite=False),
        pytest.raises(UsageError, match="another training is at work here"),
    ):
        runner.train()
    runner.train()


HOLDER = """
import multiprocessing, sys, time
from pathlib import Path
from yolo_plugins.engine.work_dir import claimed

with claimed(Path(sys.argv[1]), resume=False, overwrite=False):
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    worker.start()
    print(worker.pid, flush=True)
    time.sleep(60)
"""


def test_a_worker_that_outlives_its_training_holds_no_lock(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as training:
        worker = int(training.stdout.readline())
        try:
            with pytest.raises(UsageError), claimed(tmp_path, resume=False, overwrite=False):
                pass
            training.kill()
            training.wait()
            with claimed(tmp_path, resume=False, overwrite=False):
                os.kill(worker, 0)  # it lives
        finally:
            os.kill(worker, signal.SIGKILL)


def resumed_after_damage(make_runner, damage):
    first = make_runner(max_epochs=2)
    first.train()
    folder = Path(first.work_dir)
    whole = read_record(folder / "record.json")
    path = folder / "record.json"
    content = json.loads(path.read_text())
    path.write_text(damage(content))
    damaged = path.read_text()
    runner = make_runner(max_epochs=2, resume=True, load_from=str(folder / "epoch_1.pth"))
    return runner, whole, path, damaged


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: "",
        lambda content: "{not json",
        lambda content: json.dumps(content | {"epochs": content["epochs"][1:]}),
        lambda content: json.dumps(content | {"epochs": [{"epoch": 1}]}),
    ],
)
def test_a_damaged_record_is_kept_aside_and_the_rows_come_from_the_checkpoint(make_runner, damage):
    runner, whole, path, damaged = resumed_after_damage(make_runner, damage)
    with pytest.warns(UserWarning, match=r"record\.json.*kept as record\.damaged\.json"):
        runner.train()
    record = read_record(path)
    assert (record["status"], record["resumed_after"]) == ("complete", [1])
    assert [row["epoch"] for row in record["epochs"]] == [1, 2]
    assert [row["train_loss"] for row in record["epochs"]] == [row["train_loss"] for row in whole["epochs"]]
    assert record["started"] == whole["started"]
    assert path.with_name("record.damaged.json").read_text() == damaged


def test_a_missing_record_is_written_anew_from_the_checkpoint(make_runner):
    runner, whole, path, _ = resumed_after_damage(make_runner, json.dumps)
    path.unlink()
    runner.train()
    assert read_record(path)["epochs"][0]["scores"] == whole["epochs"][0]["scores"]


def test_the_record_of_another_run_is_refused_and_stays(make_runner):
    def other(content):
        content["epochs"][0]["train_loss"] += 1
        return json.dumps(content)

    runner, _, path, damaged = resumed_after_damage(make_runner, other)
    with pytest.raises(UsageError, match=r"record\.json: is of another run than the checkpoint"):
        runner.train()
    assert path.read_text() == damaged


def test_another_recipe_is_refused_by_its_first_difference_and_the_record_tells_an_allowed_one(make_runner):
    make_runner(max_epochs=2).train()
    changed = {"max_epochs": 3, "resume": True}
    with pytest.raises(UsageError, match=r"epoch_2\.pth: trained by another recipe \(epochs: 2 -> 3\).*allow-changes"):
        make_runner(**changed).train()
    runner = make_runner(**changed, allow_changes=True)
    runner.train()
    record = read_record(Path(runner.work_dir) / "record.json")
    assert record["protocol"]["changes"] == ["after epoch 2, epochs: 2 -> 3"]
    assert record["protocol"]["epochs"] == 3


def test_the_initial_weights_are_part_of_the_protocol_and_outlive_a_resume(make_runner):
    scratch = make_runner("scratch", max_epochs=1)
    scratch.train()
    weights = f"{scratch.work_dir}/epoch_1.pth"
    tuned = make_runner("tuned", max_epochs=2, load_from=weights)
    tuned.train()
    one, other = (read_record(Path(runner.work_dir) / "record.json")["protocol"] for runner in (scratch, tuned))
    assert one["initial_weights"] == "none"
    (checksum,) = other["initial_weights"].values()
    assert len(checksum) == 64
    again = make_runner("tuned", max_epochs=2, load_from=f"{tuned.work_dir}/epoch_1.pth", resume=True)
    again.train()
    assert read_record(Path(again.work_dir) / "record.json")["protocol"] == other


def test_backbones_that_saw_the_same_data_share_the_protocol_and_not_the_recipe(make_runner, monkeypatch):
    recipes, records = [], []
    for checksum, data, top1 in (
        ("a" * 64, "ImageNet-1k", 0.7),
        ("b" * 64, "ImageNet-1k", 0.8),
        ("b" * 64, None, None),
    ):
        backbone = nn.Identity()
        backbone.initial_weights, backbone.published = checksum, Published(data, top1)
        monkeypatch.setattr(ToyDetector, "init_weights", lambda self, part=backbone: setattr(self, "backbone", part))
        runner = make_runner(f"run{len(records)}", max_epochs=1)
        runner.train()
        recipes.append(runner.recipe)
        records.append(read_record(Path(runner.work_dir) / "record.json"))
    first, second, unknown = (record["protocol"] for record in records)
    assert first == second and first["initial_weights"] == {"backbone": "ImageNet-1k"}
    assert [recipe.get("model.backbone.initial_weights") for recipe in recipes] == ["a" * 64, "b" * 64, None]
    assert unknown["initial_weights"] == {"backbone": "b" * 64}
    assert [record["backbone_top1"] for record in records] == [0.7, 0.8, None]
