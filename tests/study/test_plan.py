"""What a study's config makes of models and seeds."""

import json
from pathlib import Path

import pytest

from yolo_plugins.errors import UsageError
from yolo_plugins.study.plan import plan_runs


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
