"""The tools that show a config and a data set, as commands from another directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from PIL import Image

from yolo_plugins.config import load_config

REPO = Path(__file__).resolve().parents[2]


def run(cwd: Path, tool: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(REPO / "tools" / tool), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=120)


def test_a_config_is_printed_as_it_is_trained(tmp_path):
    printed = run(tmp_path, "print_config.py", "yolov5_n_voc", "--cfg-options", "img_size=416", "data_root=x")
    assert printed.stderr == ""
    written = run(tmp_path, "print_config.py", "yolov5_n_voc", "--out", "new/c.py", "--cfg-options", "data_root=x")
    assert (written.stdout, written.stderr) == ("", "")
    expected = load_config("yolov5_n_voc", ["data_root=x"])
    assert Config.fromfile(tmp_path / "new" / "c.py").to_dict() == expected.to_dict()
    assert expected.train_dataloader.dataset.data_root == "x"
    assert printed.stdout == load_config("yolov5_n_voc", ["img_size=416", "data_root=x"]).pretty_text


def test_two_configs_are_compared_key_by_key(tmp_path):
    options = ["train_dataloader.dataset.pipeline.2.prob=0.5", "optim_wrapper.clip_grad=None"]
    configs = ["yolov5_n_voc", "--diff", "yolov5_resnet18_voc"]
    result = run(tmp_path, "print_config.py", *configs, "--cfg-options", *options)
    assert result.stdout.splitlines() == [
        "model.backbone.deepen_factor: 0.33 -> (missing)",
        "model.backbone.net: (missing) -> {'type': 'mmpretrain.ResNet', 'depth': 18}",
        "model.backbone.type: 'YOLOv5CSP' -> 'PyramidBackbone'",
        "model.backbone.widen_factor: 0.25 -> (missing)",
        "model.neck.widen_factor: 0.25 -> 0.5",
        "optim_wrapper.clip_grad: None -> {'max_norm': 10.0}",
        "train_dataloader.dataset.pipeline.2.prob: 0.5 -> 1.0",
        "work_dir: 'work_dirs/yolov5_n_voc' -> 'work_dirs/yolov5_resnet18_voc'",
    ]


def test_the_copy_of_a_run_shows_what_was_trained_otherwise(tmp_path):
    load_config("yolov5_n_voc").dump(tmp_path / "yolov5_n_voc.py")
    same = run(tmp_path, "print_config.py", "yolov5_n_voc", "--diff", tmp_path / "yolov5_n_voc.py")
    assert same.stdout == "no difference\n"
    load_config("yolov5_n_voc", ["train_cfg.max_epochs=7"]).dump(tmp_path / "short.py")
    short = run(tmp_path, "print_config.py", "yolov5_n_voc", "--diff", tmp_path / "short.py")
    assert short.stdout == "train_cfg.max_epochs: 200 -> 7\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["yolov5_n_vok"], "config 'yolov5_n_vok' does not exist; did you mean 'yolov5_n_voc'?"),
        (["yolov5_n_voc", "--diff", "elsewhere/c.py"], "config 'elsewhere/c.py' does not exist"),
        (["study_voc"], "study_voc.py is a study, no model: yolo-plugins study"),
        (["yolov5_n_voc", "--cfg-options", "modle.x=1"], "the config has no 'modle'; did you mean 'model'?"),
    ],
)
def test_a_config_that_cannot_be_shown_is_one_line(tmp_path, arguments, sentence):
    result = run(tmp_path, "print_config.py", *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert sentence in result.stderr


def test_samples_and_labels_are_drawn_for_training_and_for_testing(tmp_path, synthetic_voc):
    data = ["--cfg-options", f"data_root={synthetic_voc}", "img_size=96"]
    for split in ("train", "val", "test"):
        result = run(tmp_path, "browse_dataset.py", "yolov5_n_voc", "--out", f"{split}.png", "--split", split, *data)
        assert result.returncode == 0, result.stderr
        assert result.stdout == f"{split}.png and {split}_labels.png written\n"
    for path in tmp_path.iterdir():
        with Image.open(path) as image:
            image.load()
    assert len(list(tmp_path.iterdir())) == 6
    assert (tmp_path / "val.png").read_bytes() == (tmp_path / "test.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--out", "x.gif"], "x.gif, 16 samples: give the name of a .png file"),
        (["--out", "x.png", "--num", "0"], "x.png, 0 samples: give the name of a .png file, and a number from 1 on"),
        (["--out", "x.png", "--cfg-options", "data_root=nowhere"], "nowhere: no such VOCdevkit folder"),
    ],
)
def test_a_data_set_that_cannot_be_shown_is_one_line(tmp_path, synthetic_voc, arguments, sentence):
    options = [] if "--cfg-options" in arguments else ["--cfg-options", f"data_root={synthetic_voc}", "img_size=96"]
    result = run(tmp_path, "browse_dataset.py", "yolov5_n_voc", *arguments, *options)
    assert (result.returncode, list(tmp_path.iterdir())) == (1, [])
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert sentence in result.stderr


def test_without_matplotlib_the_remedy_is_told_before_anything_is_drawn(tmp_path, synthetic_voc):
    fault = "raise ModuleNotFoundError(\"No module named 'matplotlib'\", name='matplotlib')"
    (tmp_path / "matplotlib.py").write_text(fault)
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    arguments = ["yolov5_n_voc", "--out", "x.png", "--cfg-options", f"data_root={synthetic_voc}"]
    result = run(tmp_path, "browse_dataset.py", *arguments, PYTHONPATH=paths)
    assert result.stderr == "error: No module named 'matplotlib': pip install 'yolo_plugins[analysis]'\n"
    assert not (tmp_path / "x.png").exists()
