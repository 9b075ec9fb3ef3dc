"""Facts about anchor measures and fits, and the command on top."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from yolo_plugins.costs.anchors import (
    anchor_ratios,
    choose_anchors,
    fit_anchors,
    format_anchors,
    measure_anchors,
    object_sizes,
)
from yolo_plugins.datasets.annotation import Annotation
from yolo_plugins.datasets.voc import VOC_CLASSES, annotation_path, read_annotation, read_split
from yolo_plugins.errors import UsageError

TOOL = Path(__file__).resolve().parents[2] / "tools" / "analysis" / "optimize_anchors.py"


@pytest.fixture
def golden(golden_dir):
    files = sorted(golden_dir.glob("anchor_golden*.json"))
    assert files, f"no anchor_golden*.json in {golden_dir}"
    return [json.loads(file.read_text()) for file in files]


def test_measures_equal_yolov5(golden):
    for reference in golden:
        for expected in reference["sets"].values():
            quality = measure_anchors(reference["wh"], expected["anchors"], reference["thr"])
            assert quality.best_possible_recall == pytest.approx(expected["bpr"], abs=1e-6)
            assert quality.anchors_per_object == pytest.approx(expected["aat"], abs=1e-6)
            assert quality.fitness == pytest.approx(expected["fitness"], abs=1e-6)
            best = anchor_ratios(reference["wh"], expected["anchors"]).max(1)
            np.testing.assert_allclose(best[:10], expected["best_ratio_first10"], atol=1e-6)


def test_ratio_has_the_shape_of_objects_and_anchors():
    ratios = anchor_ratios([[10, 20], [40, 40], [5, 5]], [[10, 10], [20, 20]])
    assert ratios.tolist() == [[0.5, 0.5], [0.25, 0.5], [0.5, 0.25]]


def test_ratio_equal_to_the_limit_cannot_be_learnt():
    assert measure_anchors([[40, 40]], [[10, 10]], 4).best_possible_recall == 0
    assert measure_anchors([[39, 39]], [[10, 10]], 4).best_possible_recall == 1


def test_fitness_leaves_tiny_objects_out():
    assert measure_anchors([[1, 1], [10, 10]], [[10, 10]]).fitness == 1
    assert measure_anchors([[1, 1], [10, 10]], [[10, 10]]).best_possible_recall == 0.5


def test_fit_raises_fitness_and_repeats_with_its_seed(golden):
    sizes, present = golden[0]["wh"], golden[0]["sets"]["yolov5"]
    fitted = fit_anchors(sizes, 9, seed=1)
    assert fitted.shape == (9, 2)
    assert (np.diff(fitted.prod(1)) >= 0).all()
    assert measure_anchors(sizes, fitted).fitness > present["fitness"]
    assert fit_anchors(sizes, 9, seed=1).tolist() == fitted.tolist()
    assert fit_anchors(sizes, 9, seed=2).tolist() != fitted.tolist()


def test_fit_finds_separate_groups():
    rng = np.random.default_rng(0)
    centres = np.array([[8, 8], [40, 80], [300, 200]])
    sizes = np.repeat(centres, 50, axis=0) * rng.normal(1, 0.02, (150, 2))
    np.testing.assert_allclose(fit_anchors(sizes, 3), centres, rtol=0.05)


def test_fit_of_few_sizes_gives_every_anchor():
    sizes = [[10, 10]] * 50 + [[10.1, 10], [200, 10]]
    assert fit_anchors(sizes, 3).shape == (3, 2)


def test_low_recall_replaces_anchors(golden):
    choice = choose_anchors(golden[0]["wh"], golden[0]["sets"]["yolov5"]["anchors"], 9)
    assert choice.quality.best_possible_recall > choice.present_quality.best_possible_recall
    assert choice.reason.startswith("replaced")


def test_sufficient_recall_keeps_anchors():
    choice = choose_anchors([[10, 10], [20, 20]], [[12, 12]], 1)
    assert choice.anchors_wh.tolist() == [[12, 12]]
    assert choice.reason.startswith("kept: their best possible recall")


def test_fit_without_better_recall_keeps_anchors():
    sizes = [[10, 10]] * 40 + [[10, 1000]]  # no anchor learns both
    choice = choose_anchors(sizes, [[10, 10]], 1)
    assert choice.anchors_wh.tolist() == [[10, 10]]
    assert choice.reason.startswith("kept: fitted anchors")


def test_anchors_print_as_config_text():
    text = format_anchors([[10, 13], [16.5, 30], [33, 23], [30, 61]], 2)
    assert text == "anchors=[[(10, 13), (16.5, 30)], [(33, 23), (30, 61)]]"
    with pytest.raises(UsageError, match="multiple of 3"):
        format_anchors([[10, 13]], 3)


@pytest.mark.parametrize(
    ("sizes", "message"), [([], "at least one"), ([[1, 0]], "positive"), ([[1, float("nan")]], "positive")]
)
def test_faulty_sizes_are_refused(sizes, message):
    with pytest.raises(UsageError, match=message):
        measure_anchors(sizes, [[10, 10]])


def test_more_anchors_than_sizes_are_refused():
    with pytest.raises(UsageError, match="2 distinct object sizes"):
        fit_anchors([[10, 10], [10, 10], [20, 20]], 3)


def test_object_sizes_are_those_of_the_scaled_image():
    bboxes = np.array([[0, 10, 100, 60], [0, 10, 100, 60]], np.float32)
    annotation = Annotation("a.jpg", 500, 375, bboxes, np.array([0, 0]), np.array([False, True]))
    sizes, images = object_sizes([annotation], 250)
    assert (sizes.tolist(), images) == ([[50, 25]], 1)
    assert object_sizes([annotation], (75, 250))[0].tolist() == [[20, 10]]
    with pytest.raises(UsageError, match="no object in 0 pictures; give splits and classes that have some"):
        object_sizes([], 250)


def run_tool(*arguments, cwd):
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=120
    )


def test_command_prints_quality_and_config_text(synthetic_voc, tmp_path):
    result = run_tool("--data", synthetic_voc, "--img-size", 192, 320, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].endswith("images at 192 x 320 px")
    assert [line.split()[0].rstrip(":") for line in lines[1:4]] in (
        ["present", "chosen", "kept"],
        ["present", "chosen", "replaced"],
    )
    assert lines[-1].startswith("anchors=[[(")


OWN = """
_base_ = {base!r}
data_root = {root!r}
metainfo = dict(classes=("aeroplane", "bird"))
train_dataloader = dict(dataset=dict(splits=["VOC2012/train"], metainfo=metainfo, others="background"))
"""


def test_command_takes_its_data_from_a_config(synthetic_voc, tmp_path):
    base = TOOL.parents[2] / "configs" / "yolov5_n_demo.py"
    (tmp_path / "own.py").write_text(OWN.format(base=str(base), root=str(synthetic_voc)))
    result = run_tool("--config", "own.py", "--num", 3, "--cfg-options", "img_size=96", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    splits = [annotation_path(synthetic_voc, "VOC2012", name) for name in read_split(synthetic_voc, "VOC2012", "train")]
    objects = sum(
        (~read_annotation(path, ("aeroplane", "bird"), others="background").difficult).sum() for path in splits
    )
    assert result.stdout.splitlines()[0] == f"{objects} objects in {len(splits)} images at 96 x 96 px"


def test_command_takes_classes_by_name(synthetic_voc, tmp_path):
    arguments = ["--data", synthetic_voc, "--classes"]
    every = run_tool(*arguments, *reversed(VOC_CLASSES), cwd=tmp_path)
    assert every.returncode == 0
    some = run_tool(*arguments, "bird", cwd=tmp_path)
    numbers = [int(result.stdout.split()[0]) for result in (some, every)]
    assert 0 < numbers[0] < numbers[1]
    refused = run_tool(*arguments, "screw", "nut", cwd=tmp_path)
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1
    assert "--classes 'screw': no class of" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--config", "yolov5_n_voc", "--classes", "cta"], "did you mean 'cat'?"),
        (["--cfg-options", "img_size=96"], "--cfg-options changes a config: give one by --config"),
        (["--num", 8], "--num 8: give a multiple of 3"),
    ],
)
def test_options_without_effect_and_wrong_ones_are_refused(synthetic_voc, tmp_path, arguments, told):
    folder = [] if "--config" in arguments else ["--data", synthetic_voc]
    result = run_tool(*folder, *arguments, cwd=tmp_path)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert told in result.stderr


def test_command_reports_a_missing_folder_in_one_line(tmp_path):
    result = run_tool("--data", "nowhere", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("error: nowhere")
    assert len(result.stderr.splitlines()) == 1
