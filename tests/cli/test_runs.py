"""Training, testing and inference as a user runs them: in a process of their own, from another directory."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch
from official_files import golden_state, write_official

from yolo_plugins.checkpoints import yolov5
from yolo_plugins.checkpoints.read import load_checkpoint, weights_sha256
from yolo_plugins.datasets.voc import VOC_CLASSES

REPO = Path(__file__).resolve().parents[2]
TINY = [
    "img_size=64",
    "model.backbone.widen_factor=0.125",
    "model.neck.widen_factor=0.125",
    "train_dataloader.batch_size=8",
    "train_cfg.max_epochs=2",
    "val_dataloader.num_workers=0",
]


def run(tool: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess:
    """Runs a tool with one thread; the tests' own environment otherwise."""
    command = [sys.executable, str(REPO / "tools" / tool), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240, check=False)


def train(work_dir: Path, data_root: Path, *options: str, workers: int = 0, arguments: tuple = ()):
    loader = [f"train_dataloader.num_workers={workers}"]
    shared = ["yolov5_n_voc", "--work-dir", work_dir, *arguments, "--cfg-options", f"data_root={data_root}"]
    return run("train.py", *shared, *TINY, *loader, *options, cwd=work_dir.parent)


def record(work_dir: Path) -> dict:
    return json.loads((work_dir / "record.json").read_text())


def losses(work_dir: Path) -> list[tuple]:
    return [(row["losses"], row["scores"]) for row in record(work_dir)["epochs"]]


def error_line(result: subprocess.CompletedProcess) -> str:
    """The one line that a fault has to end in."""
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.fixture(scope="module")
def trained(synthetic_voc, tmp_path_factory) -> Path:
    """Work folder of a short training."""
    work_dir = tmp_path_factory.mktemp("runs") / "trained"
    result = train(work_dir, synthetic_voc)
    assert result.returncode == 0, result.stderr
    epochs = [line.split()[:2] for line in result.stdout.splitlines() if line.startswith("epoch ")]
    assert epochs == [["epoch", "1/2"], ["epoch", "2/2"]]
    return work_dir


def test_training_leaves_a_complete_record(trained):
    content = record(trained)
    assert content["status"] == "complete"
    assert (content["seed"], content["schedule"], content["input_hw"]) == (0, "one_cycle", [64, 64])
    assert content["complexity"]["params"] == content["complexity"]["params_backbone"] + (
        content["complexity"]["params_neck"] + content["complexity"]["params_head"]
    )
    for row in content["epochs"]:
        assert row["train_loss"] == pytest.approx(sum(row["losses"].values()))
        assert 0 <= row["scores"]["ap50_95"] <= row["scores"]["ap50"] <= 1
        assert 0 <= row["data_seconds"] <= row["train_seconds"]
        assert row["images"] == content["dataset_sizes"]["train"] == 24


def test_workers_do_not_change_a_training_and_a_seed_repeats_it(trained, synthetic_voc, tmp_path):
    assert train(tmp_path / "two", synthetic_voc, workers=2).returncode == 0
    assert losses(tmp_path / "two") == losses(trained)


def test_another_seed_is_another_training(trained, synthetic_voc, tmp_path):
    assert train(tmp_path / "one", synthetic_voc, "train_cfg.max_epochs=1", arguments=("--seed", 1)).returncode == 0
    assert losses(tmp_path / "one")[0] != losses(trained)[0]


def test_resumed_training_equals_the_uninterrupted_one(trained, synthetic_voc, tmp_path):
    """The first epoch's checkpoint and record, as an interruption leaves them, then --resume."""
    work_dir = tmp_path / "resumed"
    work_dir.mkdir()
    shutil.copy(trained / "epoch_1.pth", work_dir)
    (work_dir / "last_checkpoint").write_text(str(work_dir / "epoch_1.pth"))
    content = record(trained)
    content["epochs"] = content["epochs"][:1]
    (work_dir / "record.json").write_text(json.dumps(content))
    assert train(work_dir, synthetic_voc, arguments=("--resume",)).returncode == 0
    assert losses(work_dir) == losses(trained)
    ours, expected = (torch.load(d / "epoch_2.pth", weights_only=False)["state_dict"] for d in (work_dir, trained))
    assert all(torch.equal(ours[key], expected[key]) for key in expected)


def evaluate(trained: Path, data_root: Path, work_dir: Path, *arguments: object) -> subprocess.CompletedProcess:
    """Runs the test tool on the last checkpoint."""
    options = ["--work-dir", work_dir, *arguments, "--cfg-options", f"data_root={data_root}", *TINY]
    result = run("test.py", "yolov5_n_voc", trained / "epoch_2.pth", *options, cwd=work_dir.parent)
    assert result.returncode == 0, result.stderr
    return result


def means(printed: str) -> dict:
    """The scores of all classes that the test tool printed."""
    return {name: score for name, score in json.loads(printed).items() if name != "classes"}


def test_report_of_a_checkpoint_alone_says_what_the_console_says(trained, synthetic_voc, tmp_path):
    options = ["--report", "page", "--out", "metrics.json", "--cfg-options", "model.test_cfg.score_thr=1e-5"]
    result = run("test.py", trained / "epoch_2.pth", *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / "page" / "report.json").read_text())
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    for name, score in means(result.stdout).items():
        assert figures["scores"][name] == metrics[name] == score
    for name, row in metrics["classes"].items():
        assert row.items() <= figures["classes"][name].items()
    assert figures["pictures"] == 8
    assert 0 < figures["detections"] == len(json.loads((tmp_path / "page" / "detections.json").read_text()))
    assert (tmp_path / "page" / "report.html").read_text().count("data:image/jpeg") == 2 * len(figures["worst"]) > 0


def test_two_processes_report_what_one_does(trained, tmp_path):
    arguments = [str(trained / "epoch_2.pth"), "--cfg-options", "model.test_cfg.score_thr=1e-5"]
    arguments.append("test_dataloader.batch_size=3")  # of 8 pictures: both get whole batches, one of them a part
    assert run("test.py", *arguments, "--report", "one", cwd=tmp_path).returncode == 0
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(REPO / "tools" / "test.py"), *arguments, "--report", "two", "--launcher", "pytorch"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 1
    reports = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("one", "two")]
    for report in reports:
        assert report.pop("speed")["milliseconds"] > 0
    assert reports[0] == reports[1]
    detections = [(tmp_path / name / "detections.json").read_text() for name in ("one", "two")]
    assert detections[0] == detections[1]


def test_two_checkpoints_are_compared(trained, tmp_path):
    checkpoints = [trained / "epoch_2.pth", trained / "epoch_1.pth"]
    result = run("test.py", *checkpoints, "--report", "page", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / "page" / "report.json").read_text())
    assert [figures[name]["model"] for name in "ab"] == list(map(str, checkpoints))
    printed = json.loads(result.stdout)
    row = figures["comparison"]["ap50"]["mean"]
    assert (row["first"], row["second"]) == (printed["a"]["ap50"], printed["b"]["ap50"])
    assert error_line(run("test.py", *checkpoints, cwd=tmp_path)).endswith(
        "say where the two are compared, by --report DIR"
    )


def test_test_tool_prints_the_metrics_of_the_last_epoch(trained, synthetic_voc, tmp_path):
    result = evaluate(trained, synthetic_voc, tmp_path / "test", "--out", tmp_path / "metrics.json")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert json.loads(result.stdout.splitlines()[-1]) == metrics
    classes = metrics.pop("classes")
    assert list(classes) == list(VOC_CLASSES)
    scores = [row["ap50"] for row in classes.values() if row["objects"]]
    assert sum(scores) / len(scores) == pytest.approx(metrics["ap50"])
    assert f"ap50 {metrics['ap50']}  ap50_95 {metrics['ap50_95']}" in result.stderr
    last = record(trained)["epochs"][-1]["scores"]
    assert {key: pytest.approx(last[key]) for key in metrics} == metrics


def test_test_tool_evaluates_the_deploy_form_and_reports_it_apart_from_the_metrics(trained, synthetic_voc, tmp_path):
    result = evaluate(trained, synthetic_voc, tmp_path / "test", "--deploy")
    (line,) = result.stdout.splitlines()
    last = record(trained)["epochs"][-1]["scores"]
    assert means(line) == {key: pytest.approx(last[key], abs=1e-3) for key in means(line)}
    assert "batch norm folded into: 57 (backbone.stem.conv, " in result.stderr
    assert "left as they are" not in result.stderr


def test_infer_tool_draws_and_lists_every_picture(trained, synthetic_voc, tmp_path):
    pictures = synthetic_voc / "VOC2007" / "JPEGImages"
    arguments = ["--config", REPO / "configs" / "yolov5_n_voc.py", "--weights", trained / "epoch_2.pth"]
    options = ["--out", tmp_path / "drawn", "--score-thr", 1e-4, "--cfg-options", *TINY]
    result = run("infer.py", pictures, *arguments, *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "drawn" / "detections.json").read_text())
    assert sorted(found) == sorted(path.name for path in pictures.glob("*.jpg"))
    assert any(found.values())
    for name, detections in found.items():
        original, drawn = cv2.imread(str(pictures / name)), cv2.imread(str(tmp_path / "drawn" / name))
        assert drawn.shape == original.shape
        for detection in detections:
            x1, y1, x2, y2 = detection["bbox_xyxy"]
            assert 0 <= x1 <= x2 <= original.shape[1]
            assert 0 <= y1 <= y2 <= original.shape[0]
            assert 0 < detection["score"] <= 1


def test_infer_tool_names_a_bad_picture_counts_what_is_none_and_exits_with_1(trained, synthetic_voc, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for path in sorted((synthetic_voc / "VOC2007" / "JPEGImages").glob("*.jpg"))[:3]:
        shutil.copy(path, pictures)
    bad = sorted(pictures.iterdir())[0]
    bad.write_bytes(bad.read_bytes()[:-500])
    (pictures / "list.txt").touch()
    arguments = ["--config", "yolov5_n_voc", "--weights", trained / "epoch_2.pth", "--out", tmp_path / "drawn"]
    result = run("infer.py", pictures, *arguments, "--cfg-options", *TINY, cwd=tmp_path)
    assert error_line(result) == f"error: {pictures}: 1 of 3 pictures cannot be read, named above"
    assert result.stderr.count(f"{bad}: cannot decode the image") == 1
    assert "skipped 1 that are no pictures: list.txt" in result.stderr
    assert result.stdout == f"{tmp_path / 'drawn'}: 2 picture(s) and detections.json\n"
    assert len(json.loads((tmp_path / "drawn" / "detections.json").read_text())) == 2


def test_infer_needs_nothing_but_weights_and_takes_folders_and_videos(trained, synthetic_voc, tmp_path):
    first, second = sorted((synthetic_voc / "VOC2007" / "JPEGImages").glob("*.jpg"))[:2]
    pictures = tmp_path / "pictures"
    (pictures / "sub").mkdir(parents=True)
    shutil.copy(first, pictures / "a.jpg")
    shutil.copy(second, pictures / "sub" / "a.jpg")
    video = cv2.VideoWriter(str(pictures / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    for _ in range(3):
        video.write(cv2.resize(cv2.imread(str(first)), (64, 48)))
    video.release()
    arguments = ["--weights", trained / "epoch_2.pth", "--score-thr", 0.0001, "--classes", "person", "--batch-size", 2]
    result = run("infer.py", pictures, *arguments, "--out", "drawn", "--save-txt", "--save-coco", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "drawn: 5 picture(s) and detections.json\n"
    found = json.loads((tmp_path / "drawn" / "detections.json").read_text())
    assert sorted(found) == ["a.jpg", "clip.mp4", "sub/a.jpg"]
    assert {box["label"] for boxes in found.values() for box in boxes} <= {"person"}
    texts = sorted(path.relative_to(tmp_path / "drawn/labels").as_posix() for path in tmp_path.rglob("*.txt"))
    assert texts == ["a.txt", "clip_0.txt", "clip_1.txt", "clip_2.txt", "sub/a.txt"]
    rows = json.loads((tmp_path / "drawn" / "coco.json").read_text())
    assert len(rows) == sum(map(len, found.values()))
    assert {row["category_id"] for row in rows} <= {VOC_CLASSES.index("person") + 1}


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("77", "camera 77: cannot be opened as a camera; connect it, or give the number of another one"),
        ("no*.jpg", "no*.jpg: no picture matches; give a picture, a video, or a folder that holds some"),
        ("http://127.0.0.1:1/a.jpg", "http://127.0.0.1:1/a.jpg cannot be fetched ("),
        ("clip.mp4", "clip.mp4: cannot be opened as a video; give another file"),
    ],
)
def test_infer_tells_a_source_that_gives_nothing_in_one_line(trained, tmp_path, source, sentence):
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    result = run("infer.py", source, "--weights", trained / "epoch_2.pth", "--out", "drawn", cwd=tmp_path)
    assert error_line(result).startswith(f"error: {sentence}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("option", ["--score-thr", "--iou-threshold"])
@pytest.mark.parametrize("value", ["nan", "2", "-1", "half"])
def test_infer_tool_takes_fractions_as_thresholds(tmp_path, option, value):
    arguments = ["--config", "yolov5_n_voc", "--weights", "none.pth", "--out", "out", option, value]
    result = run("infer.py", tmp_path, *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == f"infer.py: error: argument {option}: {value!r} is no number from 0 to 1"


def test_an_input_that_is_not_square_is_trained_evaluated_and_inferred(synthetic_voc, tmp_path):
    wide = ["img_size=64,96", "train_cfg.max_epochs=1"]
    result = train(tmp_path / "wide", synthetic_voc, *wide)
    assert result.returncode == 0, result.stderr
    content, checkpoint = record(tmp_path / "wide"), tmp_path / "wide" / "epoch_1.pth"
    assert content["input_hw"] == [64, 96]
    options = ["--cfg-options", f"data_root={synthetic_voc}", *TINY, *wide]
    scores = content["epochs"][0]["scores"]
    rectangles = "test_dataloader.dataset.rect_batch_size=2"
    for arguments, tolerance in (([*options], 1e-6), (["--deploy", *options], 1e-3), ([*options, rectangles], 1)):
        result = run("test.py", "yolov5_n_voc", checkpoint, *arguments, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert means(result.stdout) == {key: pytest.approx(value, abs=tolerance) for key, value in scores.items()}
    picture = synthetic_voc / "VOC2007" / "JPEGImages" / "000001.jpg"
    arguments = ["--config", "yolov5_n_voc", "--weights", checkpoint, "--out", "drawn", "--score-thr", 0.0001]
    result = run("infer.py", picture, *arguments, *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "drawn" / "detections.json").read_text())[picture.name]
    height, width = cv2.imread(str(picture)).shape[:2]
    corners = [detection["bbox_xyxy"] for detection in found]
    assert corners
    assert all(0 <= x1 <= x2 <= width and 0 <= y1 <= y2 <= height for x1, y1, x2, y2 in corners)


def test_a_training_from_other_classes_says_once_what_is_taken(trained, synthetic_voc, tmp_path):
    classes = list(reversed(VOC_CLASSES))
    loaders = "".join(
        f"{name}_dataloader = dict(dataset=dict(metainfo=metainfo))\n" for name in ("train", "val", "test")
    )
    base = REPO / "configs" / "yolov5_n_voc.py"
    (tmp_path / "own.py").write_text(f"_base_ = {str(base)!r}\nmetainfo = dict(classes={classes})\n{loaders}")
    options = ["--cfg-options", f"data_root={synthetic_voc}", *TINY, "train_cfg.max_epochs=1"]
    options += [f"load_from={trained / 'epoch_2.pth'}", "train_dataloader.num_workers=0"]
    result = run("train.py", "own.py", *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("348 tensors taken; classes taken by name: tvmonitor, train, sofa, ") == 1
    line = error_line(run("test.py", "own.py", trained / "epoch_2.pth", *options[:-2], cwd=tmp_path))
    assert "epoch_2.pth: its 20 classes are not the 20 of the config; number 1 is 'aeroplane' there" in line


def test_a_training_starts_from_an_official_file_with_its_classes_and_anchors(synthetic_voc, golden_dir, tmp_path):
    state = golden_state(golden_dir, "yolov5_w0.125_nc3_seed1.npz")
    state["model.24.anchors"] = state["model.24.anchors"] * 1.5
    official = write_official(tmp_path / "official.pt", state, ["zebra", "airplane", "tv"])
    result = train(tmp_path / "tuned", synthetic_voc, "train_cfg.max_epochs=1", arguments=("--weights", official))
    assert result.returncode == 0, result.stderr
    taken = "348 tensors taken; classes taken by name: aeroplane (airplane), tvmonitor (tv); classes that start anew: "
    assert result.stderr.count(taken) == 1
    assert result.stderr.count("its anchors are taken, in place of the config's: model.bbox_head.anchors=[[(15.0") == 1
    initial = {"load_from": weights_sha256(yolov5.convert_state_dict(state))}
    for path in (tmp_path / "tuned").glob("*.pth"):
        meta = load_checkpoint(path)["meta"]
        assert tuple(meta["dataset_meta"]["classes"]) == VOC_CLASSES
        assert meta["anchors"][0][0] == [15.0, 19.5]
        assert meta["recipe"]["initial_weights"] == initial
    resumed = train(tmp_path / "tuned", synthetic_voc, arguments=("--resume", "--allow-changes"))
    assert resumed.returncode == 0, resumed.stderr
    checkpoint, scores = tmp_path / "tuned" / "epoch_2.pth", record(tmp_path / "tuned")["epochs"][1]["scores"]
    options = ["--cfg-options", f"data_root={synthetic_voc}", *TINY]
    for arguments, tolerance in (([checkpoint], 1e-6), (["--weights", checkpoint, "--deploy"], 1e-3)):
        result = run("test.py", "yolov5_n_voc", *arguments, *options, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert result.stderr.count("its anchors are taken, in place of the config's") == 1
        found = json.loads(result.stdout)
        assert {key: found[key] for key in scores} == pytest.approx(scores, abs=tolerance)
    line = error_line(run("test.py", "yolov5_n_voc", official, *options, cwd=tmp_path))
    assert "official.pt: its 3 classes are not the 20 of the config" in line


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("train.py", ("yolov5_n_voc", "--partial")),
        ("test.py", ("yolov5_n_voc",)),
        ("test.py", ("x.pth", "--weights", "y.pt")),
        ("infer.py", ("x.png", "--config", "yolov5_n_voc", "--out", "out")),
    ],
)
def test_weights_are_given_once_and_partial_goes_with_them(tool, arguments, tmp_path):
    result = run(tool, *arguments, cwd=tmp_path)
    assert result.returncode in (1, 2)
    assert "--weights" in result.stderr.splitlines()[-1]


def test_scores_of_a_test_set_without_objects_are_null_and_it_says_so(trained, faulty_voc, tmp_path):
    for path in (faulty_voc / "VOC2007" / "Annotations").glob("*.xml"):
        path.write_text(re.sub("<object>.*</object>", "", path.read_text(), flags=re.DOTALL))
    result = evaluate(trained, faulty_voc, tmp_path / "test", "--out", tmp_path / "metrics.json")
    assert "the data set has no objects, or difficult ones only: there is no average precision" in result.stderr
    for text in (result.stdout, (tmp_path / "metrics.json").read_text()):
        assert json.loads(text, parse_constant=pytest.fail)["ap50"] is None


def test_unknown_config_is_one_line_with_the_nearest_name(tmp_path):
    result = run("train.py", "configs/yolov5_z_voc.py", cwd=tmp_path)
    assert error_line(result).startswith("error: config 'configs/yolov5_z_voc.py' does not exist; did you mean")


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("data_rot=x", "the config has no 'data_rot'; did you mean 'data_root'?"),
        ("data_root=/nowhere", "/nowhere: no such VOCdevkit folder; run yolo-plugins download-voc"),
        ("model.backbone.type=mmdet.ResNett", "unknown type='mmdet.ResNett' (model); did you mean 'mmdet.ResNet'?"),
        ("model.backbone.type=YOLOv5CPS", "unknown type='YOLOv5CPS' (model); did you mean 'YOLOv5CSP'?"),
        ("model.backbone.widen=1", "YOLOv5CSP takes no 'widen'; did you mean 'widen_factor'?"),
        ("train_dataloader.batchsize=1", "DataLoader takes no 'batchsize'; did you mean 'batch_size'?"),
        ("model.bbox_head.num_classes=80", "model.bbox_head.num_classes=80, but VOCDataset has 20 classes"),
        (
            "img_size=72",
            "input size 72x72 (height x width) is not a multiple of the largest stride 32; use img_size=64",
        ),
    ],
)
def test_wrong_option_is_one_line_with_the_remedy(synthetic_voc, tmp_path, option, sentence):
    assert sentence in error_line(train(tmp_path / "run", synthetic_voc, option))


@pytest.fixture
def faulty_voc(synthetic_voc, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(synthetic_voc, tmp_path / "faulty" / "VOCdevkit"))


def test_corrupt_picture_stops_training_with_its_name(faulty_voc, tmp_path):
    picture = sorted((faulty_voc / "VOC2012" / "JPEGImages").glob("*.jpg"))[0]
    picture.write_bytes(picture.read_bytes()[:600])
    assert picture.name in error_line(train(tmp_path / "run", faulty_voc))


def test_corrupt_annotation_stops_training_with_its_name(faulty_voc, tmp_path):
    annotation = sorted((faulty_voc / "VOC2007" / "Annotations").glob("*.xml"))[0]
    annotation.write_text(annotation.read_text()[:100])
    assert annotation.name in error_line(train(tmp_path / "run", faulty_voc))


def test_checkpoint_of_another_model_is_refused(trained, synthetic_voc, tmp_path):
    options = ["--cfg-options", f"data_root={synthetic_voc}", *TINY, "model.backbone.deepen_factor=1.0"]
    line = error_line(run("test.py", "yolov5_n_voc", trained / "epoch_2.pth", *options, cwd=tmp_path))
    assert "epoch_2.pth: not a checkpoint of this YOLODetector" in line


class _Touch:
    """What unsafe unpickling would run."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self):
        return Path.touch, (self._path,)


def test_checkpoint_that_would_run_code_is_refused_and_runs_none(synthetic_voc, tmp_path):
    torch.save({"state_dict": _Touch(tmp_path / "ran")}, tmp_path / "evil.pth")
    options = ["--cfg-options", f"data_root={synthetic_voc}", *TINY]
    line = error_line(run("test.py", "yolov5_n_voc", tmp_path / "evil.pth", *options, cwd=tmp_path))
    assert "evil.pth" in line
    assert not (tmp_path / "ran").exists()


def test_infer_refuses_a_folder_without_pictures(tmp_path):
    arguments = ["--config", "yolov5_n_voc", "--weights", "none.pth", "--out", tmp_path / "out"]
    assert "no picture found" in error_line(run("infer.py", tmp_path, *arguments, cwd=tmp_path))


def test_cosine_and_linear_configs_start(synthetic_voc, tmp_path):
    for name in ("yolov5_n_voc_cosine", "yolov5_n_voc_linear"):
        arguments = [name, "--work-dir", tmp_path / name, "--cfg-options", f"data_root={synthetic_voc}", *TINY]
        options = ["train_cfg.max_epochs=1", "train_dataloader.num_workers=0"]
        assert run("train.py", *arguments, *options, cwd=tmp_path).returncode == 0
        assert record(tmp_path / name)["schedule"] == name.rpartition("_")[2]


def test_bfloat16_training_learns_on_cpu(trained, synthetic_voc, tmp_path):
    assert train(tmp_path / "amp", synthetic_voc, "train_cfg.max_epochs=1", arguments=("--amp",)).returncode == 0
    ours, full = losses(tmp_path / "amp")[0], losses(trained)[0]
    assert ours != full
    assert ours[0] == pytest.approx(full[0], rel=0.05)
