"""Batches of a size of their own: which, for whom, and what becomes of the boxes."""

from types import SimpleNamespace

import pytest
import torch

from yolo_plugins.engine.multi_scale_hook import MultiScaleHook, drawn_hw
from yolo_plugins.errors import UsageError
from yolo_plugins.models.detectors.data_preprocessor import YOLODataPreprocessor
from yolo_plugins.structures import TrainingSamples


def test_sizes_are_multiples_of_the_stride_within_the_spread_and_keep_the_ratio():
    sizes = {drawn_hw((320, 640), 0.5, 32, (0, epoch, batch)) for epoch in range(5) for batch in range(50)}
    assert all(height % 32 == width % 32 == 0 for height, width in sizes)
    assert all(160 <= height <= 480 and 320 <= width <= 960 for height, width in sizes)
    assert {160, 480} <= {height for height, _ in sizes}
    assert all(abs(width - 2 * height) <= 32 for height, width in sizes)
    assert drawn_hw((32, 32), 0.9, 32, (0, 0, 0)) >= (32, 32)


def test_a_size_follows_from_seed_epoch_and_iteration_alone():
    draws = [drawn_hw((640, 640), 0.5, 32, key) for key in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))]
    assert len(set(draws)) > 1
    assert draws == [drawn_hw((640, 640), 0.5, 32, key) for key in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))]


@pytest.mark.parametrize("packed", [True, False])
def test_pictures_and_boxes_are_scaled_together_and_in_training_alone(packed, make_samples):
    samples = make_samples([[8.0, 16.0, 24.0, 32.0]])
    data = {"inputs": torch.full((1, 3, 64, 128), 255, dtype=torch.uint8), "data_samples": samples}
    data["data_samples"] = TrainingSamples(samples) if packed else samples
    preprocessor = YOLODataPreprocessor()
    model = SimpleNamespace(data_preprocessor=preprocessor, backbone=SimpleNamespace(out_strides=[8, 16, 32]))
    runner = SimpleNamespace(model=model, seed=3, epoch=1)
    expected = next((n, hw) for n in range(99) if (hw := drawn_hw((64, 128), 0.5, 32, (3, 1, n))) not in [(64, 128)])
    MultiScaleHook(0.5).before_train_iter(runner, expected[0], data)
    ready = preprocessor(data, training=True)
    (height, width), sample = expected[1], ready["data_samples"][0]
    assert ready["inputs"].shape == (1, 3, height, width)
    assert ready["inputs"].unique().tolist() == [1.0]
    boxes = torch.tensor([[8.0 * width / 128, 16 * height / 64, 24 * width / 128, 32 * height / 64]])
    assert torch.equal(sample.gt_instances.bboxes, boxes)
    assert sample.batch_input_shape == (height, width)
    assert preprocessor(data, training=False)["inputs"].shape == (1, 3, 64, 128)


@pytest.fixture
def make_samples():
    """Builds data samples, one for each list of boxes."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    def make(*boxes):
        made = []
        for own in boxes:
            sample = DetDataSample()
            sample.gt_instances = InstanceData(bboxes=torch.tensor(own), labels=torch.zeros(len(own), dtype=torch.long))
            made.append(sample)
        return made

    return make


def test_a_model_that_cannot_scale_its_batches_is_refused(make_runner):
    with pytest.raises(
        UsageError, match=r"^multi_scale=0\.5: BaseDataPreprocessor cannot scale batches .*; remove the"
    ):
        make_runner(multi_scale=0.5).train()
