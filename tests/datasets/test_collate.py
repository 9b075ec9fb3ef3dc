"""Facts about batches."""

from multiprocessing.reduction import ForkingPickler

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from yolo_plugins.datasets.collate import collate_detection, collate_training
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import FUNCTIONS
from yolo_plugins.structures import TrainingSamples, stack_targets


def sample(value, rows):
    inputs = torch.full((3, 4, 4), value, dtype=torch.uint8)
    rows = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
    data_sample = DetDataSample(metainfo={"img_id": value})
    data_sample.gt_instances = InstanceData(bboxes=rows[:, 1:], labels=rows[:, 0].long())
    return {"inputs": inputs, "data_samples": data_sample}


SAMPLES = [sample(1, [[7, 0, 0, 1, 1], [8, 1, 1, 2, 2]]), sample(2, []), sample(3, [[9, 2, 2, 3, 3]])]
ROWS = [[0, 7, 0, 0, 1, 1], [0, 8, 1, 1, 2, 2], [2, 9, 2, 2, 3, 3]]


def test_training_rows_begin_with_the_place_of_their_picture():
    batch = collate_training(SAMPLES)
    assert batch["inputs"].shape == (3, 3, 4, 4) and batch["inputs"].dtype == torch.uint8
    assert batch["inputs"][:, 0, 0, 0].tolist() == [1, 2, 3]
    assert batch["data_samples"].rows.dtype == torch.float32
    assert batch["data_samples"].rows.tolist() == ROWS


def test_batch_without_boxes_has_no_rows():
    assert collate_training([sample(1, []), sample(2, [])])["data_samples"].rows.shape == (0, 6)


def test_training_samples_leave_a_worker_as_rows_and_are_samples_again_when_asked_for():
    batch = collate_training(SAMPLES)["data_samples"]
    arrived = ForkingPickler.loads(ForkingPickler.dumps(batch))
    assert arrived.rows.tolist() == ROWS and len(arrived) == 3
    moved = arrived.to("cpu", pad_shape=(4, 4))
    for ours, before in zip(moved, SAMPLES, strict=True):
        truth, expected = ours.gt_instances, before["data_samples"].gt_instances
        assert torch.equal(truth.bboxes, expected.bboxes) and torch.equal(truth.labels, expected.labels)
        assert (ours.img_id, ours.pad_shape) == (before["data_samples"].img_id, (4, 4))
        assert len(ours.ignored_instances) == 0
    assert moved[0] is moved[0]  # what a detector writes into a sample stays there


def test_samples_that_a_preprocessor_makes_anew_give_the_same_rows():
    cast = TrainingSamples(one.to("cpu") for one in collate_training(SAMPLES)["data_samples"])
    assert cast.rows.tolist() == ROWS
    assert stack_targets([one["data_samples"] for one in SAMPLES]).tolist() == ROWS


def test_evaluation_samples_stay_a_list():
    samples = [{"inputs": torch.zeros(3, 4, 4, dtype=torch.uint8), "data_samples": name} for name in "ab"]
    batch = collate_detection(samples)
    assert batch["inputs"].shape == (2, 3, 4, 4)
    assert batch["data_samples"] == ["a", "b"]


def test_smaller_pictures_get_grey_below_and_on_the_right():
    shapes = [(4, 6), (5, 3), (5, 6)]
    samples = [{"inputs": torch.full((3, *hw), 7, dtype=torch.uint8), "data_samples": None} for hw in shapes]
    inputs = collate_detection(samples)["inputs"]
    assert inputs.shape == (3, 3, 5, 6) and inputs.dtype == torch.uint8
    for picture, (h, w) in zip(inputs, shapes, strict=True):
        assert (picture[:, :h, :w] == 7).all()
        assert (picture == 114).sum() == 3 * (30 - h * w)


@pytest.mark.parametrize("function", [collate_detection, collate_training])
def test_config_finds_the_functions_by_their_scoped_names(function):
    assert FUNCTIONS.get(f"yolo_plugins.{function.__name__}") is function


def test_samples_that_no_pipeline_packed_are_refused():
    with pytest.raises(UsageError, match="let it end with PackTrain, or in evaluation with PackEval"):
        collate_training([{"img": None}])
