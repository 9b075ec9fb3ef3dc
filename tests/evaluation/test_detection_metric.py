"""Facts about `DetectionMetric`: its input, its numbers, its registration."""

import json
import logging
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.structures import BaseDataElement, InstanceData

from yolo_plugins.errors import UsageError
from yolo_plugins.evaluation import DetectionMetric, evaluate_detections
from yolo_plugins.registry import METRICS

CLASSES = ("a", "b", "c", "d", "e")
KEYS = ["ap50", "ap50_95", "precision", "recall", "recall_max"]


def instances(rows, dtype=torch.float32, **extra):
    bboxes = torch.tensor([row["bbox"] for row in rows], dtype=dtype).reshape(-1, 4)
    labels = torch.tensor([row["cls"] for row in rows], dtype=torch.int64)
    return InstanceData(bboxes=bboxes, labels=labels, **extra)


def data_samples(reference):
    """The golden images as a detector returns them."""
    samples = []
    for image in range(len(reference["image_sizes_wh"])):
        gt = [row for row in reference["ground_truth"] if row["image"] == image]
        found = [row for row in reference["detections"] if row["image"] == image]
        sample = BaseDataElement(metainfo={"img_id": f"VOC2007/{image:06d}"})
        sample.gt_instances = instances([row for row in gt if not row["difficult"]])
        sample.ignored_instances = instances([row for row in gt if row["difficult"]])
        sample.pred_instances = instances(found, scores=torch.tensor([row["score"] for row in found]))
        samples.append(sample)
    return samples


def evaluate(samples, classes=CLASSES, **kwargs):
    evaluator = Evaluator(DetectionMetric(**kwargs))
    evaluator.dataset_meta = {"classes": classes}
    for k in range(0, len(samples), 5):
        evaluator.process(samples[k : k + 5], {})
    return evaluator.evaluate(len(samples))


@pytest.fixture
def reference(golden_dir):
    return json.loads((golden_dir / "map_golden.json").read_text())


def test_metric_equals_voc_reference(reference):
    metrics = evaluate(data_samples(reference))
    assert list(metrics) == KEYS
    assert all(type(value) is float for value in metrics.values())
    expected = reference["voc_iou0.5_plus0"]
    assert metrics["ap50"] == pytest.approx(expected["map_area"], abs=1e-6)
    assert metrics["ap50_95"] == pytest.approx(np.mean(expected["area_class_iou_0.5_0.95"]), abs=1e-6)


def test_metric_equals_the_function_on_arrays(reference):
    metrics = evaluate(data_samples(reference), mode="11point")
    gt, found = reference["ground_truth"], reference["detections"]
    names = {"image": "image", "labels": "cls", "bboxes": "bbox"}
    scores = evaluate_detections(
        {key: [row[name] for row in gt] for key, name in (names | {"difficult": "difficult"}).items()},
        {key: [row[name] for row in found] for key, name in (names | {"scores": "score"}).items()},
        len(CLASSES),
        "11point",
    )
    assert metrics == pytest.approx({key: getattr(scores, key) for key in KEYS}, abs=1e-6)


def test_metric_is_registered():
    assert type(METRICS.build({"type": "DetectionMetric", "mode": "coco101"})) is DetectionMetric


def test_metric_accepts_bfloat16_predictions_and_images_without_ignored_instances():
    row = {"bbox": [0, 0, 16, 16], "cls": 0}
    sample = BaseDataElement()
    sample.gt_instances = instances([row])
    sample.pred_instances = instances([row], torch.bfloat16, scores=torch.tensor([0.5], dtype=torch.bfloat16))
    assert evaluate([sample])["ap50"] == 1


def test_metric_of_images_without_any_box_is_nan():
    sample = BaseDataElement()
    sample.gt_instances = instances([])
    sample.pred_instances = instances([], scores=torch.zeros(0))
    assert all(math.isnan(value) for value in evaluate([sample]).values())


def test_a_data_set_without_objects_says_so(caplog):
    sample = BaseDataElement(gt_instances=instances([]), pred_instances=instances([], scores=torch.zeros(0)))
    MMLogger.get_current_instance().addHandler(caplog.handler)
    evaluate([sample])
    assert "the data set has no objects, or difficult ones only: there is no average precision" in caplog.text
    caplog.clear()
    sample.gt_instances = instances([{"bbox": [0, 0, 9, 9], "cls": 1}])
    evaluate([sample])
    assert "no objects" not in caplog.text


def test_metric_of_nothing_is_nan():
    metric = DetectionMetric()
    metric.dataset_meta = {"classes": CLASSES}
    assert all(math.isnan(value) for value in metric.compute_metrics([]).values())


def test_metric_keeps_the_scores_of_each_class(reference):
    metric = DetectionMetric()
    assert (metric.per_class(), metric.table()) == ({}, "")
    metric.dataset_meta = {"classes": CLASSES}
    metric.process({}, [sample.to_dict() for sample in data_samples(reference)])
    mean = metric.evaluate(len(metric.results))
    per_class = metric.per_class()
    assert list(per_class) == list(CLASSES)
    assert np.nanmean([row["ap50"] for row in per_class.values()]) == mean["ap50"]
    assert f"{per_class['b']['ap50']:.4f}" in metric.table().splitlines()[2]


def test_metric_names_carry_a_prefix_when_asked(reference):
    assert list(evaluate(data_samples(reference), prefix="voc")) == [f"voc/{key}" for key in KEYS]


def test_metric_logs_one_line_per_class_and_warns_of_nothing(reference):
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    try:
        evaluate(data_samples(reference), classes=(*CLASSES, "empty"))
    finally:
        logger.removeHandler(handler)
    assert {record.levelno for record in records} == {logging.INFO}
    lines = records[-1].getMessage().splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["class", *CLASSES, "empty", "mean"]
    assert lines[-2].split()[-1] == "-"


def test_metric_keeps_arrays_only(reference):
    metric = DetectionMetric()
    metric.process({}, [sample.to_dict() for sample in data_samples(reference)])
    assert len(metric.results) == len(reference["image_sizes_wh"])
    assert all(isinstance(part, np.ndarray) for _, image in metric.results for part in image)


RANK = """
import json, sys
import torch
from yolo_plugins.evaluation import DetectionMetric

folder, rank = sys.argv[1], int(sys.argv[2])
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
samples = torch.load(f"{folder}/samples.pth", weights_only=True)
metric = DetectionMetric()
metric.dataset_meta = {"classes": tuple("abcde")}
metric.process({}, (samples + samples[:1])[rank::2])
json.dump(metric.evaluate(len(samples)), open(f"{folder}/{rank}.json", "w"))
torch.distributed.destroy_process_group()  # without it, gloo can abort as the process exits
"""


def test_two_ranks_score_what_one_scores(reference, tmp_path):
    samples = [sample.to_dict() for sample in data_samples(reference)][:11]  # odd: the sampler pads with the first one
    torch.save(samples, tmp_path / "samples.pth")
    ranks = [subprocess.Popen([sys.executable, "-c", RANK, str(tmp_path), str(rank)]) for rank in range(2)]
    assert [process.wait(timeout=120) for process in ranks] == [0, 0]
    expected = evaluate(data_samples(reference)[:11])
    for rank in range(2):
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == expected


def test_metric_refuses_unknown_mode_and_missing_classes():
    with pytest.raises(UsageError, match="one of area, 11point, coco101"):
        DetectionMetric(mode="voc")
    with pytest.raises(UsageError, match="classes"):
        DetectionMetric().compute_metrics([])
