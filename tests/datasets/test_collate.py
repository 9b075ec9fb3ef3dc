"""Facts about batches."""

import torch

from yolo_plugins.datasets.collate import collate_detection
from yolo_plugins.registry import FUNCTIONS


def sample(value, rows):
    inputs = torch.full((3, 4, 4), value, dtype=torch.uint8)
    return {"inputs": inputs, "data_samples": torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)}


def test_training_rows_begin_with_the_place_of_their_picture():
    batch = collate_detection(
        [sample(1, [[7, 0, 0, 1, 1], [8, 1, 1, 2, 2]]), sample(2, []), sample(3, [[9, 2, 2, 3, 3]])]
    )
    assert batch["inputs"].shape == (3, 3, 4, 4) and batch["inputs"].dtype == torch.uint8
    assert batch["inputs"][:, 0, 0, 0].tolist() == [1, 2, 3]
    assert batch["data_samples"].dtype == torch.float32
    assert batch["data_samples"].tolist() == [[0, 7, 0, 0, 1, 1], [0, 8, 1, 1, 2, 2], [2, 9, 2, 2, 3, 3]]


def test_batch_without_boxes_has_no_rows():
    assert collate_detection([sample(1, []), sample(2, [])])["data_samples"].shape == (0, 6)


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


def test_config_finds_the_function_by_its_scoped_name():
    assert FUNCTIONS.get("yolo_plugins.collate_detection") is collate_detection
