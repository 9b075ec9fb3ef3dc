"""MMDetection's own commands and inference on our configs as they are, from another directory: docs/mmdetection.md."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import mmdet
import pytest
import torch
from PIL import Image

from yolo_plugins.config import load_config
from yolo_plugins.registry import MODELS

REPO = Path(__file__).resolve().parents[2]
THEIRS = Path(mmdet.__file__).parent / ".mim" / "tools"
PAGE = (REPO / "docs" / "mmdetection.md").read_text()
CONFIG = REPO / "configs" / "yolov5_pico_demo.py"
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
EPOCHS = 10
SENSITIVE = "model.test_cfg.score_thr=0.0001"  # so short a training is sure of nothing
LAST = f"epoch_{EPOCHS}.pth"
INFERENCE = """
import json, sys
import cv2
from mmdet.apis import DetInferencer, inference_detector, init_detector
from yolo_plugins.config import load_config
from yolo_plugins.inference import detect, load_detector, test_pipeline

config, checkpoint, picture = sys.argv[1:]
(by_inferencer,) = DetInferencer(config, checkpoint, device="cpu", show_progress=False)(
    picture, no_save_vis=True, pred_score_thr=0.0)["predictions"]
detector = init_detector(config, checkpoint, device="cpu")
by_path, by_array = (inference_detector(detector, given).pred_instances for given in (picture, cv2.imread(picture)))
ours = load_config(config)
(found,) = detect(load_detector(ours, checkpoint), [cv2.imread(picture)], test_pipeline(ours))
rows = [[part.bboxes.tolist(), part.scores.tolist(), part.labels.tolist()] for part in (by_path, by_array, found)]
print(json.dumps([[by_inferencer[name] for name in ("bboxes", "scores", "labels")], *rows]))
"""

pytestmark = pytest.mark.skipif(not THEIRS.is_dir(), reason=f"{THEIRS}: this MMDetection brings no tools")


def run(*command: object, cwd: Path) -> str:
    """Runs a Python command; returns all that it prints."""
    path = os.pathsep.join(filter(None, (str(REPO), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, command)]
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def options(synthetic_voc) -> list[str]:
    """Where the pictures are, told as MMDetection's tools take it: in each data set."""
    changes = [f"dataset.data_root={synthetic_voc}", "num_workers=0", "persistent_workers=False"]
    return ["--cfg-options", *(f"{loader}.{change}" for loader in LOADERS for change in changes), SENSITIVE]


@pytest.fixture(scope="module")
def trained(options, tmp_path_factory) -> Path:
    """Work folder of a training by MMDetection's train.py."""
    folder = tmp_path_factory.mktemp("theirs")
    schedule = "default_hooks.param_scheduler"
    short = [f"train_cfg.max_epochs={EPOCHS}", f"{schedule}.nominal_batch_size=4", f"{schedule}.warmup_min_iters=0"]
    run(THEIRS / "train.py", CONFIG, "--work-dir", "run", *options, *short, "train_dataloader.batch_size=4", cwd=folder)
    return folder / "run"


@pytest.fixture(scope="module")
def tested(trained, options, tmp_path_factory) -> Path:
    """Folder with `found.pkl` and drawn pictures of MMDetection's test.py."""
    folder = tmp_path_factory.mktemp("tested")
    shown = ["--work-dir", "run", "--out", "found.pkl", "--show-dir", "shown"]
    run(THEIRS / "test.py", CONFIG, trained / LAST, *shown, *options, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def scores(trained, synthetic_voc, tmp_path_factory) -> dict[str, float]:
    """What our test tool says of the same checkpoint."""
    folder = tmp_path_factory.mktemp("ours")
    ours = ["--out", "scores.json", "--cfg-options", f"data_root={synthetic_voc}", SENSITIVE]
    run(REPO / "tools" / "test.py", CONFIG, trained / LAST, *ours, cwd=folder)
    scores = json.loads((folder / "scores.json").read_text())
    scores.pop("classes")
    return scores


def test_the_page_names_the_commands_that_are_tested_here():
    named = set(re.findall(r"python \$MMDET/(?:\w+/)*(\w+\.py)", PAGE))
    assert named == set(re.findall(r'THEIRS / (?:"\w+" / )?"(\w+\.py)"', Path(__file__).read_text()))


@pytest.mark.parametrize("config", re.findall(r"^```python\n(_base_.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
def test_a_config_of_the_page_is_built(config, tmp_path):
    (tmp_path / "_base_").symlink_to(REPO / "configs" / "_base_")
    (tmp_path / "leaf.py").write_text(config)
    detector = MODELS.build(load_config(str(tmp_path / "leaf.py")).model)
    assert sum(parameter.numel() for parameter in detector.parameters()) > 1e6


def test_their_training_leaves_our_record_and_our_scores(trained, scores):
    record = json.loads((trained / "record.json").read_text())
    assert (record["status"], len(record["epochs"]), record["config_name"]) == ("complete", EPOCHS, "yolov5_pico_demo")
    assert record["epochs"][-1]["scores"] == scores
    assert scores["recall_max"] > 0


def test_their_test_writes_our_scores_to_the_last_digit(tested, scores):
    (log,) = tested.glob("run/*/2*.json")
    assert scores.items() <= json.loads(log.read_text()).items()


def test_their_test_draws_every_picture(tested):
    drawn = list(tested.glob("run/*/shown/*.jpg"))
    assert len(drawn) == 8
    assert all(Image.open(path).size[0] > 64 for path in drawn)


def test_a_dumped_config_is_a_config_of_theirs(trained, tmp_path, scores):
    """The copy in the work folder, which knows where its pictures are."""
    printed = run(THEIRS / "test.py", trained / CONFIG.name, trained / LAST, "--work-dir", "run", cwd=tmp_path)
    assert "  ".join(f"{name} {value}" for name, value in scores.items()) in printed


def test_browse_dataset_draws_what_a_training_sees(options, tmp_path):
    browse = ["--output-dir", "seen", "--not-show", *options, "train_dataloader.dataset.indices=3"]
    run(THEIRS / "analysis_tools" / "browse_dataset.py", CONFIG, *browse, cwd=tmp_path)
    assert {Image.open(path).size for path in (tmp_path / "seen").rglob("*.jpg")} == {(160, 160)}


def test_get_flops_counts_the_parameters_of_the_record(trained, options, tmp_path):
    printed = run(THEIRS / "analysis_tools" / "get_flops.py", CONFIG, "--num-images", 1, *options, cwd=tmp_path)
    complexity = json.loads((trained / "record.json").read_text())["complexity"]
    assert f"Params: {complexity['params'] / 1e6:.3f}M" in printed
    (counted,) = re.findall(r"Flops: ([\d.]+)M", printed)
    assert float(counted) * 1e6 == pytest.approx(complexity["macs"], rel=0.05)  # theirs count norms too


def test_results_are_analysed_and_confusions_drawn(tested, options, tmp_path):
    found = tested / "found.pkl"
    run(THEIRS / "analysis_tools" / "confusion_matrix.py", CONFIG, found, "confused", *options, cwd=tmp_path)
    assert [path.name for path in (tmp_path / "confused").iterdir()] == ["confusion_matrix.png"]
    analyse = THEIRS / "analysis_tools" / "analyze_results.py"
    run(analyse, CONFIG, found, "analysed", "--topk", 2, *options, cwd=tmp_path)
    assert [len(list((tmp_path / "analysed" / name).iterdir())) for name in ("good", "bad")] == [2, 2]


def test_print_config_saves_a_config_that_trains_the_same(tmp_path):
    run(THEIRS / "misc" / "print_config.py", CONFIG, "--save-path", "saved/printed.py", cwd=tmp_path)
    printed = run(REPO / "tools" / "print_config.py", CONFIG, "--diff", "saved/printed.py", cwd=tmp_path)
    assert printed == "work_dir: 'work_dirs/yolov5_pico_demo' -> 'work_dirs/printed'\n"


def test_a_published_model_holds_the_weights_of_the_average(trained, tmp_path):
    publish = THEIRS / "model_converters" / "publish_model.py"
    run(publish, trained / LAST, "published.pth", cwd=tmp_path)
    (path,) = tmp_path.glob("published-????????.pth")
    published, saved = (torch.load(file, weights_only=False)["state_dict"] for file in (path, trained / LAST))
    assert published.keys() == saved.keys()
    assert all(torch.equal(published[key], saved[key]) for key in saved)


def test_their_inference_finds_the_boxes_of_ours(trained, synthetic_voc, tmp_path):
    picture = sorted((synthetic_voc / "VOC2007" / "JPEGImages").glob("*.jpg"))[0]
    leaf = tmp_path / "leaf.py"
    leaf.write_text(f"_base_ = {str(CONFIG)!r}\nmodel = dict(test_cfg=dict(score_thr=0.0001))\n")
    printed = run("-c", INFERENCE, leaf, trained / LAST, picture, cwd=tmp_path)
    by_inferencer, by_path, by_array, ours = json.loads(next(line for line in printed.splitlines() if line[:2] == "[["))
    assert by_path == by_array == by_inferencer
    assert len(ours[0]) == len(by_path[0]) > 0
    for theirs, mine in zip(by_path, ours, strict=True):
        torch.testing.assert_close(torch.tensor(theirs), torch.tensor(mine), rtol=1e-4, atol=1e-3)
