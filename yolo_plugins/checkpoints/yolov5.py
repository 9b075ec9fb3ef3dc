"""State dicts of the official YOLOv5 releases (v6.0 to v7.0, n to x) -> those of our detector.

Source: the key names of the released files. Their layers are numbered 0 to 24; ours are named by their place.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor

from yolo_plugins.errors import UsageError

_TENSORS = r"(conv\.weight|bn\.(?:weight|bias|running_mean|running_var|num_batches_tracked))"
_CONV = rf"\.{_TENSORS}"
_C3 = {rf"cv1{_CONV}": r"main.\1", rf"cv2{_CONV}": r"bypass.\1", rf"cv3{_CONV}": r"fuse.\1"}
_C3 |= {rf"m\.(\d+)\.cv([12]){_CONV}": r"blocks.\1.conv\2.\3"}
_SPPF = {rf"cv1{_CONV}": r"reduce.\1", rf"cv2{_CONV}": r"fuse.\1"}
_DETECT = {r"m\.([012])\.(weight|bias)": r"predictors.\1.\2"}
_SINGLE = {_TENSORS: r"\1"}

# official layer number -> our module, and how the keys within it are named
_LAYERS = {
    0: ("backbone.stem", _SINGLE),
    1: ("backbone.stages.0.0", _SINGLE),
    2: ("backbone.stages.0.1", _C3),
    3: ("backbone.stages.1.0", _SINGLE),
    4: ("backbone.stages.1.1", _C3),
    5: ("backbone.stages.2.0", _SINGLE),
    6: ("backbone.stages.2.1", _C3),
    7: ("backbone.stages.3.0", _SINGLE),
    8: ("backbone.stages.3.1", _C3),
    9: ("backbone.stages.3.2", _SPPF),
    10: ("neck.laterals.0", _SINGLE),
    13: ("neck.top_down.0", _C3),
    14: ("neck.laterals.1", _SINGLE),
    17: ("neck.top_down.1", _C3),
    18: ("neck.downsamples.0", _SINGLE),
    20: ("neck.bottom_up.0", _C3),
    21: ("neck.downsamples.1", _SINGLE),
    23: ("neck.bottom_up.1", _C3),
    24: ("bbox_head", _DETECT),
}
_ANCHOR_KEYS = ("24.anchors", "24.anchor_grid")  # in cells or pixels
_SIZES = {(16, 3): "n", (32, 3): "s", (48, 6): "m", (64, 9): "l", (80, 12): "x"}  # by stem's width and longest stage


def _convert_key(key: str) -> str | None:
    """Our name of a key without its `model.` prefixes; None for a key that is not of a P5 model."""
    number, _, rest = key.partition(".")
    module, names = _LAYERS.get(int(number) if number.isdecimal() else -1, ("", {}))
    for pattern, name in names.items():
        match = re.fullmatch(pattern, rest)
        if match:
            return f"{module}.{match.expand(name)}"
    return None


def convert_state_dict(state_dict: Mapping[str, Tensor]) -> "OrderedDict[str, Tensor]":
    """Renames the keys of an official state dict.

    Args:
        state_dict: Keys `model.{layer}...`, also under further `model.` prefixes; unfused, P5 models (n to x).

    Returns:
        The same tensors under the names of our detector; the official anchors, which are no weights, are left out.

    Raises:
        UsageError: A key is not one of a P5 model of release v6.0 to v7.0.
    """
    converted: OrderedDict[str, Tensor] = OrderedDict()
    unmatched = []
    for key, value in state_dict.items():
        short = re.sub(r"^(model\.)+", "", key)
        if short in _ANCHOR_KEYS:
            continue
        name = _convert_key(short)
        if name is None:
            unmatched.append(key)
        else:
            converted[name] = value
    if unmatched:
        raise UsageError(
            f"{len(unmatched)} keys are not of an unfused YOLOv5 n-x model of release v6.0 to v7.0, "
            f"first: {unmatched[0]}; use the official file of such a model"
        )
    return converted


def model_name(converted: Mapping[str, Tensor]) -> str | None:
    """The name under which our configs have the model of these weights, such as yolov5_s; None for another size."""
    stem = converted.get("backbone.stem.conv.weight")
    blocks = {name.split(".")[5] for name in converted if name.startswith("backbone.stages.2.1.blocks.")}
    size = None if stem is None else _SIZES.get((len(stem), len(blocks)))
    return size and f"yolov5_{size}"
