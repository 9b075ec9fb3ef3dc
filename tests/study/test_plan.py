"""What a study's config makes of models and seeds."""

import json
from pathlib import Path

import pytest

from yolo_plugins.errors import UsageError
from yolo_plugins.study.plan import plan_runs
from yolo_plugins.study.run import write_tables
from yolo_plugins.study.tables.schema import RUNS, read_table


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("runs = dict(yolov5_n_voc=[0, 7], yolov5_s_voc=[0])\noptions = ['train_cfg.max_epochs=5']")
    return path


def test_a_study_is_models_times_seeds_in_the_order_of_its_config(config, tmp_path):
    runs = plan_runs(str(config), tmp_path / "out", ["img_size=64"])
    assert [(run.model, run.seed, run.epochs) for run in runs] == [
        ("yolov5_n_voc", 0, 5),
        ("yolov5_n_voc", 7, 5),
        ("yolov5_s_voc", 0, 5),
    ]
    assert runs[1].folder == tmp_path / "out" / "yolov5_n_voc_seed7"
    assert runs[0].config_sha256 == runs[1].config_sha256 != runs[2].config_sha256
    assert [*runs[1].command[-3:]] == ["--cfg-options", "train_cfg.max_epochs=5", "img_size=64"]


@pytest.mark.parametrize("runs", ["dict()", "{3: [0]}", "{'yolov5_n_voc': []}", "['yolov5_n_voc']", "3"])
def test_runs_that_are_not_models_with_seeds_are_refused(config, tmp_path, runs):
    config.write_text(f"runs = {runs}")
    with pytest.raises(UsageError, match=r"write runs = dict\(yolov5_n_voc=\[0, 1\]\)"):
        plan_runs(str(config), tmp_path)


def test_weights_to_begin_with_that_are_not_there_are_refused_before_a_job_starts(config, tmp_path):
    with pytest.raises(UsageError, match=r"load_from='nowhere\.pth' of yolov5_n_voc: no such file"):
        plan_runs(str(config), tmp_path, ["load_from=nowhere.pth"])
    (tmp_path / "there.pth").touch()
    assert plan_runs(str(config), tmp_path, [f"load_from={tmp_path / 'there.pth'}"])
    assert plan_runs(str(config), tmp_path, ["load_from=https://host/of.pth"])


def test_several_gpus_train_one_run_by_torchrun(config, tmp_path):
    command = plan_runs(str(config), tmp_path, processes=4)[0].command
    assert command[1:6] == ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "4")
    assert "--launcher" in command


def test_a_folder_of_another_configuration_is_refused(config, tmp_path):
    (run, *_) = plan_runs(str(config), tmp_path)
    run.folder.mkdir()
    example = json.loads((Path(__file__).parent / "record.json").read_text())
    content = example | {"config_sha256": "another", "command": "train.py x"}
    (run.folder / "record.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match=r"another configuration \(train.py x\): choose another --out"):
        plan_runs(str(config), tmp_path)


def write_run(folder: Path, model: str, sha: str, status: str = "complete") -> None:
    folder.mkdir(parents=True)
    example = json.loads((Path(__file__).parent / "record.json").read_text())
    changes = {"config_name": model, "config_sha256": sha, "seed": 0, "status": status}
    (folder / "record.json").write_text(json.dumps(example | changes))


def test_a_second_study_in_the_same_folder_adds_to_the_tables(config, tmp_path):
    out = tmp_path / "out"
    config.write_text("runs = dict(yolov5_n_voc=[0])")
    (first,) = plan_runs(str(config), out)
    write_run(first.folder, first.model, first.config_sha256)
    assert write_tables([first], out).startswith(f"1 of 1 runs are complete; all 1 under {out} are in the tables: ")
    config.write_text("runs = dict(yolov5_s_voc=[0, 1])")
    second, third = plan_runs(str(config), out)
    write_run(second.folder, second.model, second.config_sha256)
    write_run(third.folder, third.model, third.config_sha256, "failed")
    *left_out, told = write_tables([second, third], out).splitlines()
    assert told.startswith(f"1 of 2 runs are complete; all 2 under {out} are in the tables: ")
    assert [line.partition("record.json: ")[2] for line in left_out] == ["failed after 2 of 2 epochs"]
    assert read_table(out / RUNS.name, RUNS)["model"].tolist() == ["yolov5_n_voc", "yolov5_s_voc"]


def test_a_study_without_a_complete_run_leaves_the_folder_as_it_is(config, tmp_path):
    runs = plan_runs(str(config), tmp_path / "out")
    assert write_tables(runs, tmp_path / "out") == "0 of 3 runs are complete"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("runs = dict(yolov5_nn_voc=[0])", "did you mean 'yolov5_n_voc'"),
        ("runs = dict(yolov5_n_voc=[])", "the seeds of each model"),
        ("options = []", r"write runs = dict\("),
        ("runs = dict(yolov5_n_voc=[0])\nseed = 3", "unknown key 'seed'"),
        ("runs = dict(yolov5_n_voc=[0, 0])", "name each config and each of its seeds once"),
        ("runs = dict(yolov5_n_voc=[0])\noptions = ['imgsize=3']", "did you mean 'img_size'"),
        ("runs = dict(yolov5_n_voc=[-1])", "from 0 to 4294967295"),
        ("runs = dict(yolov5_n_voc=[True])", "from 0 to 4294967295"),
        ("runs = dict(yolov5_n_voc=['x'])", "from 0 to 4294967295"),
        ("runs = dict(yolov5_n_voc=[0])\noptions = 'img_size=64'", "a list of texts"),
        ("runs = dict(", "cannot be read"),
    ],
)
def test_a_wrong_study_is_refused(config, tmp_path, text, said):
    config.write_text(text)
    with pytest.raises(UsageError, match=said):
        plan_runs(str(config), tmp_path)
