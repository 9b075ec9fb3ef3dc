"""Forecasts from records, and a study that stops a run by them; the training is a stand-in."""

import json
from pathlib import Path

import pytest
from stub_training import EXAMPLE, make_run, run_all, trained

from yolo_plugins.errors import UsageError
from yolo_plugins.study import executors, jobs
from yolo_plugins.study.forecast import forecast, reason_to_stop, tell_replay
from yolo_plugins.study.run import run_study, stop_early
from yolo_plugins.study.status import tell_status
from yolo_plugins.study.tables.csv_table import write_table
from yolo_plugins.study.tables.schema import COMPLEXITY, EPOCHS, RUNS, read_table

COMMITTED = Path(__file__).parents[2] / "docs/results/voc_animals"
LOSS = json.loads(Path(EXAMPLE).read_text())["loss"]


def write_run(folder: Path, model: str, losses: list[float], status: str = "complete", macs: int = 10**6) -> dict:
    """The record of a run of three epochs of its model, seed 0."""
    record = json.loads(Path(EXAMPLE).read_text())
    rows = [record["epochs"][0] | {"epoch": index + 1, "train_loss": loss} for index, loss in enumerate(losses)]
    record |= {"config_name": model, "status": status, "max_epochs": 3, "epochs": rows}
    record["complexity"] |= {"macs": macs, "macs_deploy": macs}
    path = folder / f"{model}_seed0" / "record.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record))
    return record


def write_finished(folder: Path) -> list[dict]:
    """Six models, whose loss halves, about."""
    return [
        write_run(folder, f"m{i}", [0.1 + i / 100, 0.08, (0.1 + i / 100) / 2 * (1 + 0.01 * (-1) ** i)], macs=10**6 + i)
        for i in range(6)
    ]


def test_an_unfinished_run_is_told_with_interval_error_and_chance(tmp_path):
    write_finished(tmp_path)
    write_run(tmp_path, "late", [0.12], "interrupted", 10**8)
    told = forecast([tmp_path], "train_loss").splitlines()
    assert told[0].startswith(
        f"training loss after 3 epochs of protocol 4c31d5a0ce2a, loss {LOSS}, 95 % interval, by 6 finished runs"
    )
    assert told[1].startswith("  late seed 0 (interrupted, 1 epochs done): 0.0")
    assert "leave-one-out error x 1.0" in told[1]
    assert told[1].endswith("% to reach the front of training loss and FLOPs")


def test_what_cannot_be_said_is_said_with_its_reason(tmp_path):
    write_run(tmp_path, "only", [0.2], "running")
    told = forecast([tmp_path], None)
    assert told.count("cannot be said: 0 of at least 4 models with a finished run of the same schedule") == 2


def test_a_run_of_another_loss_is_no_example(tmp_path):
    """A loss of another head has other values, and another curve."""
    *alike, other = write_finished(tmp_path)[:4]
    for path in (tmp_path / f"{name}_seed0" / "record.json" for name in ("m3", "m4", "m5")):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"loss": "OtherHead 12345678"}))
    write_run(tmp_path, "late", [0.12], "interrupted", 10**8)
    told = forecast([tmp_path], "ap50")
    assert "cannot be said: 3 of at least 4 models with a finished run of the same schedule" in told
    late = json.loads((tmp_path / "late_seed0" / "record.json").read_text())
    assert reason_to_stop(late, [*alike, other], "train_loss", 0.3) is not None
    assert reason_to_stop(late, [*alike, other | {"loss": "OtherHead 12345678"}], "train_loss", 0.3) is None


def test_runs_that_are_all_complete_and_folders_that_are_none_are_refused(tmp_path):
    write_finished(tmp_path)
    with pytest.raises(UsageError, match=r"every run is complete \(6\)"):
        forecast([tmp_path], None)
    with pytest.raises(UsageError, match="no such folder"):
        forecast([tmp_path / "none"], None)


def test_runs_of_another_schedule_do_not_count(tmp_path):
    finished = write_finished(tmp_path)
    hopeless = write_run(tmp_path, "late", [0.4], "running", 10**8)
    assert "to reach the front of training loss" in reason_to_stop(hopeless, finished, "train_loss", 0.3)
    others = [record | {"protocol_sha256": "other"} for record in finished]
    assert reason_to_stop(hopeless, others, "train_loss", 0.3) is None
    assert reason_to_stop(hopeless, finished, "train_loss", 0.6) is None  # two of three epochs
    good = write_run(tmp_path, "good", [0.08], "running", 10**8)
    assert reason_to_stop(good, finished, "train_loss", 0.3) == ""


def test_a_stopped_run_stays_stopped_until_it_is_asked_for(tmp_path):
    run = make_run(tmp_path, 0, 12)

    def judge(asked: jobs.Run) -> str:
        return "chance 1 %" if asked.epochs_done >= 2 else ""

    where = executors.local_executors(1, gpus=0)
    assert jobs.run_all([run], where, 1, judge) == []
    done = run.epochs_done
    assert 2 <= done < 12
    assert run.record["status"] == "stopped"
    assert [*tell_status([run])] == [
        f"m seed 0: stopped after epoch {done} of 12, chance 1 %",
        "0 of 1 runs are complete, 1 stopped early",
    ]
    assert jobs.run_all([run], where, 1, judge) == []
    assert run.epochs_done == done
    assert run_all([run]) == []  # without early stopping
    assert run.is_complete
    assert sorted({epoch for epoch, _, _ in trained(run)}) == [*range(1, 13)]


def test_a_study_stops_the_run_without_a_chance_and_tells_it_in_its_table(tmp_path):
    for i in range(6):  # the stand-in has a loss of 0.19 in each of its epochs
        first, last = 0.1 + i / 100, (0.1 + i / 100) / 2 * (1 + 0.01 * (-1) ** i)
        record = write_run(
            tmp_path, f"m{i}", [first + (last - first) * epoch / 39 for epoch in range(40)], macs=10**6 + i
        )
        record["max_epochs"] = 40
        (tmp_path / f"m{i}_seed0" / "record.json").write_text(json.dumps(record))
    sha256 = record["config_sha256"]
    command = make_run(tmp_path, 0, 40).command
    run = jobs.Run("m", 0, tmp_path / "m_seed0", 40, sha256, command)
    begun = record | {"status": "interrupted", "config_name": "m", "epochs": record["epochs"][:1]}
    begun["complexity"] = begun["complexity"] | {"macs": 10**7, "macs_deploy": 10**7}
    run.folder.mkdir()
    (run.folder / "record.json").write_text(json.dumps(begun))
    runs = [jobs.Run(f"m{i}", 0, tmp_path / f"m{i}_seed0", 40, sha256, ()) for i in range(6)]
    judge = stop_early([*runs, run], "train_loss", 0.1)
    lines = [*run_study([*runs, run], tmp_path, executors.local_executors(1, gpus=0), 1, judge)]
    assert lines[0].startswith("6 of 7 runs are complete, 1 stopped early; all 7 under ")
    table = read_table(tmp_path / "runs.csv", RUNS).set_index("model")["stopped"]
    assert table.notna().sum() == 1
    assert table["m"].endswith("% to reach the front of training loss and FLOPs")


def test_the_committed_study_keeps_its_front_when_it_is_stopped_early():
    lines = tell_replay(COMMITTED).splitlines()
    assert len(lines) == 15
    assert all(line.endswith("front of 3 models kept") for line in lines if not line.startswith("recall"))
    told = "forecasts off by 0.0055, 15 of 17 intervals hold; 5 of 17 runs stop, 20.6 %"
    assert any(line.startswith(f"AP50-95, judged after 30 % of the epochs: {told}") for line in lines)


def test_a_replay_leaves_out_models_of_another_loss_than_most(tmp_path):
    for table in (RUNS, COMPLEXITY, EPOCHS):
        frame = read_table(COMMITTED / table.name, table)
        if table is RUNS:
            frame["loss"] = [f"{'Other' if model == 'yolov5_m_voc' else ''}Head" for model in frame["model"]]
        write_table(frame, tmp_path / table.name, table)
    first, *lines = tell_replay(tmp_path).splitlines()
    assert first == "left out, of another loss: yolov5_m_voc"
    assert all(" of 16 runs stop" in line for line in lines)
