"""Any file of weights as a checkpoint of ours: recognised by its content, converted where it is an official one."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

import yolo_plugins
from yolo_plugins.checkpoints import scaled_yolov4, yolov5
from yolo_plugins.checkpoints.classes import class_names
from yolo_plugins.checkpoints.darknet import is_darknet, load_darknet
from yolo_plugins.checkpoints.official import OfficialWeights, read_official
from yolo_plugins.checkpoints.read import existing, load_weights
from yolo_plugins.checkpoints.soundness import check_weights
from yolo_plugins.errors import UsageError

Family = Literal["yolov5", "scaled_yolov4", "darknet"]
_CONVERTERS = {"yolov5": yolov5, "scaled_yolov4": scaled_yolov4, "darknet": scaled_yolov4}
_DARKNET_EPS = 1e-5  # what Darknet adds to a variance
_LAYER = re.compile(r"(?:model\.)+(\d+)\.")  # of an official key


def load_any_weights(path: str | Path) -> dict[str, Any]:
    """Reads weights for a model: a checkpoint of ours, a bare state dict, or an official file, which is converted.

    Official are the `.pt` files of YOLOv5 and Scaled-YOLOv4, whose pickled modules are never built, and Darknet's
    `.weights`, whose network is the `.cfg` of the same name beside it.

    Returns:
        `state_dict` under our names, and `meta` where there is one; of an official file with the names of its classes,
        `anchors` in pixels, `norm_eps` and the name of its `model`, None where it does not say.

    Raises:
        UsageError: As `load_weights`; or an official file that is damaged, or of another network than we have.
    """
    path = existing(path)
    if is_darknet(path):
        cfg = path.with_suffix(".cfg")
        if not cfg.is_file():
            raise UsageError(
                f"{path}: a Darknet file, whose numbers have no names: put the .cfg of its network beside it, as {cfg}"
            )
        return converted(path, OfficialWeights(load_darknet(cfg, path)), "darknet")
    _refuse_page(path)
    try:
        checkpoint = load_weights(path)
    except UsageError as refusal:  # pickled modules are a program, which is never run; but they can be looked at
        official = _pickled_module(path)
        if official is None:
            raise refusal
        return converted(path, official, _family(official.state_dict) or "yolov5")
    family = _family(checkpoint["state_dict"])
    return checkpoint if family is None else converted(path, read_official(path), family)


def converted(path: Path, official: OfficialWeights, family: Family) -> dict[str, Any]:
    """A checkpoint of ours that holds official weights.

    Raises:
        UsageError: They are of another network than those of the family, or not finite; or their classes have no names.
    """
    try:
        state_dict = _CONVERTERS[family].convert_state_dict(official.state_dict)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    check_weights(state_dict, path)
    meta: dict[str, Any] = {
        "family": family,
        "model": _CONVERTERS[family].model_name(state_dict),
        "anchors": _anchors(official.state_dict),
        "norm_eps": _DARKNET_EPS if family == "darknet" else official.norm_eps,
        "source": path.name,
        "source_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "yolo_plugins_version": yolo_plugins.__version__,
    }
    if official.classes:
        meta["dataset_meta"] = {"classes": official.classes}
    checkpoint = {"state_dict": state_dict, "meta": meta}
    class_names(checkpoint, str(path))
    return checkpoint


def _family(state_dict: Mapping[str, Tensor]) -> Family | None:
    """The official family whose keys these are, by the number of the detection layer; None for keys of others."""
    if any(key.startswith("module_list.") for key in state_dict):
        return "scaled_yolov4"
    layers = {int(match[1]) for key in state_dict if (match := _LAYER.match(key))}
    if not layers:
        return None
    return "scaled_yolov4" if max(layers) in scaled_yolov4.HEADS else "yolov5"


def _anchors(state_dict: Mapping[str, Tensor]) -> list[list[list[float]]] | None:
    """Width and height of the official anchors in pixels, a list a level; None where there are none."""
    cells = [value for key, value in state_dict.items() if _LAYER.sub("", key) == "anchors" and value.ndim == 3]
    if not cells:
        return None
    strides = 8 * 2.0 ** torch.arange(len(cells[0]))
    return (cells[0] * strides.view(-1, 1, 1)).tolist()


def _pickled_module(path: Path) -> OfficialWeights | None:
    """What an official file with a pickled network holds; None for any other file."""
    try:
        official = read_official(path)
    except UsageError:
        return None
    return official if official.is_module else None


def _refuse_page(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(64).lstrip().startswith(b"<"):
            raise UsageError(f"{path}: a web page, no weights; download the file itself")
