"""State dicts of the official YOLOv5 releases (v6.0 to v7.0, n to x) -> those of our detector.

Source: the key names of the released files. Their layers are numbered 0 to 24; ours are named by their place.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor

from yolo_plugins.errors import UsageError

# official layer number -> our module
_LAYERS = {
    0: "backbone.stem",
    1: "backbone.stages.0.0",
    2: "backbone.stages.0.1",
    3: "backbone.stages.1.0",
    4: "backbone.stages.1.1",
    5: "backbone.stages.2.0",
    6: "backbone.stages.2.1",
    7: "backbone.stages.3.0",
    8: "backbone.stages.3.1",
    9: "backbone.stages.3.2",
    10: "neck.laterals.0",
    13: "neck.top_down.0",
    14: "neck.laterals.1",
    17: "neck.top_down.1",
    18: "neck.downsamples.0",
    20: "neck.bottom_up.0",
    21: "neck.downsamples.1",
    23: "neck.bottom_up.1",
    24: "bbox_head",
}
_C3_LAYERS = (2, 4, 6, 8, 13, 17, 20, 23)
_SPPF_LAYER = 9
_C3_PARTS = {"cv1": "main", "cv2": "bypass", "cv3": "fuse"}
_SPPF_PARTS = {"cv1": "reduce", "cv2": "fuse"}
_ANCHOR_KEYS = ("24.anchors", "24.anchor_grid")  # in cells or pixels; ours come from the config


def _convert_rest(layer: int, rest: str) -> str:
    """The part of a key behind the layer's number, in our names."""
    if layer in _C3_LAYERS:
        rest = re.sub(r"^m\.(\d+)\.cv(\d)", r"blocks.\1.conv\2", rest)
        return re.sub(r"^cv\d", lambda match: _C3_PARTS[match[0]], rest)
    if layer == _SPPF_LAYER:
        return re.sub(r"^cv\d", lambda match: _SPPF_PARTS[match[0]], rest)
    return re.sub(r"^m\.", "predictors.", rest)


def convert_state_dict(state_dict: Mapping[str, Tensor]) -> "OrderedDict[str, Tensor]":
    """Renames the keys of an official state dict.

    Args:
        state_dict: Keys `model.{layer}...`, also under further `model.` prefixes; unfused, P5 models (n to x).

    Returns:
        The same tensors under the names of our detector; the official anchors are left out.

    Raises:
        UsageError: A key is not one of a P5 model of release v6.0 to v7.0.
    """
    converted: OrderedDict[str, Tensor] = OrderedDict()
    unmatched = []
    for key, value in state_dict.items():
        short = re.sub(r"^(model\.)+", "", key)
        if short in _ANCHOR_KEYS:
            continue
        number, _, rest = short.partition(".")
        layer = int(number) if number.isdecimal() else -1
        if layer in _LAYERS:
            converted[f"{_LAYERS[layer]}.{_convert_rest(layer, rest)}"] = value
        else:
            unmatched.append(key)
    if unmatched:
        raise UsageError(
            f"{len(unmatched)} keys are not of a YOLOv5 n-x model of release v6.0 to v7.0, first: {unmatched[0]}; "
            "use the official file of such a model"
        )
    return converted
