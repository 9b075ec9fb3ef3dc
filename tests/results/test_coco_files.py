"""The files in COCO's format, read by COCO's own evaluation."""

import contextlib
import dataclasses
import io
import json

import pytest
from made_tests import make_images, make_tested
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from yolo_plugins.results.coco_files import write_detections, write_ground_truth


def test_coco_scores_the_files_as_the_test_did(pictures, tmp_path):
    tested = make_tested(make_images(len(pictures), 1, 3.0), pictures, mode="coco101")
    write_ground_truth(tested, tmp_path)
    write_detections(tested, tmp_path / "detections.json")
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(tmp_path / "ground_truth.json"))
        evaluation = COCOeval(truth, truth.loadRes(str(tmp_path / "detections.json")), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(tested.scores.ap50_95, abs=1e-6)
    assert evaluation.stats[1] == pytest.approx(tested.scores.ap50, abs=1e-6)


@pytest.mark.parametrize(("ids", "expected"), [([139, 285], [139, 285]), (["a", "b"], [1, 2]), ([7, 7], [1, 2])])
def test_pictures_keep_ids_that_coco_can_have(pictures, tmp_path, ids, expected):
    named = [dataclasses.replace(picture, img_id=img_id) for picture, img_id in zip(pictures, ids, strict=False)]
    tested = make_tested(make_images(2, 1, 3.0), named)
    write_ground_truth(tested, tmp_path)
    images = json.loads((tmp_path / "ground_truth.json").read_text())["images"]
    assert [(image["id"], image["name"]) for image in images] == list(zip(expected, map(str, ids), strict=True))
    assert images[0]["file_name"] == pictures[0].path
