"""Key names of official YOLOv5 state dicts."""

import numpy as np
import pytest
import torch

from yolo_plugins.checkpoints.yolov5 import convert_state_dict
from yolo_plugins.errors import UsageError


@pytest.fixture(scope="module")
def official(golden_dir) -> dict[str, torch.Tensor]:
    arrays = np.load(golden_dir / "yolov5_w0.125_nc3_seed1.npz")
    return {key[3:]: torch.from_numpy(arrays[key]) for key in arrays.files if key.startswith("sd/")}


def test_every_tensor_but_the_anchors_is_kept(official):
    converted = convert_state_dict(official)
    assert len(converted) == len(official) - sum("anchor" in key for key in official)
    assert converted["backbone.stem.conv.weight"] is official["model.0.conv.weight"]
    assert converted["neck.bottom_up.1.blocks.0.conv2.bn.bias"] is official["model.23.m.0.cv2.bn.bias"]
    assert converted["bbox_head.predictors.2.bias"] is official["model.24.m.2.bias"]


def test_further_prefixes_do_not_matter(official):
    wrapped = {f"model.{key}": value for key, value in official.items()}
    assert convert_state_dict(wrapped).keys() == convert_state_dict(official).keys()


@pytest.mark.parametrize(
    "key", ["model.25.conv.weight", "head.weight", "model.5", "model.2.cv4.conv.weight", "model.0.conv.bias"]
)
def test_unmatched_keys_raise(official, key):
    with pytest.raises(UsageError, match=f"1 keys are not .*{key}"):
        convert_state_dict({**official, key: torch.zeros(1)})


def test_a_p6_file_is_refused(official):
    with pytest.raises(UsageError, match=r"model\.33"):
        convert_state_dict({**official, "model.33.m.0.bias": torch.zeros(1)})
