"""A test of a small model whose boxes are kept."""

import numpy as np
import pytest
from mmengine.config import Config

from yolo_plugins.config import load_config
from yolo_plugins.engine import YOLORunner
from yolo_plugins.errors import UsageError
from yolo_plugins.files import json_text
from yolo_plugins.results.collect import scores_per_class
from yolo_plugins.results.collect import test_and_keep as run_test


@pytest.fixture
def config(synthetic_voc, tmp_path) -> Config:
    widths = [f"model.{part}.widen_factor=0.125" for part in ("backbone", "neck")]
    sizes = [
        "img_size=64",
        "test_dataloader.num_workers=0",
        "test_dataloader.batch_size=3",
        "model.test_cfg.score_thr=1e-5",
    ]
    return load_config("yolov5_n_voc", [f"data_root={synthetic_voc}", *widths, *sizes], str(tmp_path / "run"))


def test_what_is_kept_scores_as_the_test_says(config):
    runner = YOLORunner.from_cfg(config)
    metrics, tested = run_test(runner, "new")
    assert metrics["ap50"] == tested.scores.ap50
    assert metrics["recall_max"] == tested.scores.recall_max
    classes = {"classes": tested.scores.per_class(tested.classes)}
    assert json_text(scores_per_class(runner)) == json_text(classes), "nan is not equal to itself, its text is"
    assert tested.scores.n_det.sum() > 0
    dataset = runner.test_loop.dataloader.dataset
    assert [picture.img_id for picture in tested.pictures] == [info["img_id"] for info in dataset.data_list]
    for picture, (bboxes, *_), info in zip(tested.pictures, tested.images, dataset.data_list, strict=True):
        assert (picture.height, picture.width) == info["ori_shape"]
        assert picture.path == info["img_path"]
        assert sorted(map(tuple, bboxes)) == sorted(map(tuple, np.float32(info["ori_bboxes"])))
    assert tested.speed.milliseconds > 0
    assert tested.speed.batch_size == 3
    assert tested.speed.device.startswith("cpu, ")


def test_another_metric_is_named(config):
    config.test_evaluator = {"type": "mmdet.VOCMetric", "metric": "mAP"}
    with pytest.raises(UsageError, match="test_evaluator is VOCMetric"):
        run_test(YOLORunner.from_cfg(config), "new")
