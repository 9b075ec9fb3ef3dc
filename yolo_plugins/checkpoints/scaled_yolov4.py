"""State dicts of the Scaled-YOLOv4 releases -> those of our detector.

Source: the key names of the released files, in two forms. The PyTorch release numbers its layers (`model.{layer}...`:
CSP, P5, P6, P7). The engine that runs Darknet's configs numbers their sections (`module_list.{section}...`: CSP, tiny);
`darknet.load_darknet` gives the same keys. Darknet's CSP needs a neck with `joint_norm=False`.
"""

import re
from collections import Counter, OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor

from yolo_plugins.errors import UsageError

_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_CONV = ("conv.weight", *(f"bn.{name}" for name in _NORM))


def convert_state_dict(state_dict: Mapping[str, Tensor]) -> "OrderedDict[str, Tensor]":
    """Renames the keys of an official state dict; which model it is follows from them.

    Args:
        state_dict: Keys `model.{layer}...`, also under further `model.` prefixes, of an unfused CSP, P5, P6 or P7 of
            any width and depth; or keys `module_list.{section}...` of Darknet's CSP or tiny of any width.

    Returns:
        The tensors under the names of our detector; the official anchors, which are no weights, are left out. Where
        Darknet computes the same in another form, its tensors are joined or reordered.

    Raises:
        UsageError: A key is missing, or is of none of these models.
    """
    if any(key.startswith("module_list.") for key in state_dict):
        return _convert_darknet(state_dict)
    return _convert_release(state_dict)


def model_name(converted: Mapping[str, Tensor]) -> str:
    """The name under which our configs have the model of these weights, such as yolov4_p5."""
    if "backbone.last.conv.weight" in converted:
        return "yolov4_tiny"
    if "backbone.stages.0.1.conv1.conv.weight" in converted:
        return "yolov4_csp"
    return f"yolov4_p{2 + sum(re.fullmatch(r'bbox_head.predictors.[0-9]+.bias', key) is not None for key in converted)}"


def _rename(state_dict: Mapping[str, Tensor], names: Mapping[str, str], model: str) -> "OrderedDict[str, Tensor]":
    """The tensors under our names; `names` holds ours by the official ones, all of them."""
    unknown = [key for key in state_dict if key not in names]
    missing = [key for key in names if key not in state_dict]
    for keys, fault in ((unknown, "are not of"), (missing, "are missing from")):
        if keys:
            raise UsageError(
                f"{len(keys)} keys {fault} an unfused {model} model, first: {keys[0]}; "
                "use the official file of such a model"
            )
    return OrderedDict((names[key], tensor) for key, tensor in state_dict.items())


# --- PyTorch release

HEADS = {31: 3, 42: 4, 53: 5}  # number of the detection layer: levels, of CSP and P5, P6, P7

# official modules within a layer -> ours
_PLAIN = {"cv1": "conv1", "cv2": "conv2"}
_CSP = {"cv1": "main", "cv2": "bypass", "cv3": "exit", "bn": "join.bn", "cv4": "fuse"}
_CSP2 = {"cv1": "main", "cv2": "bypass", "bn": "join.bn", "cv3": "fuse"}
_SPPCSP = {"cv1": "before.0", "cv3": "before.1", "cv4": "before.2", "cv5": "after.0", "cv6": "after.1"}
_SPPCSP |= {"cv2": "bypass", "bn": "join.bn", "cv7": "fuse"}


def _convert_release(state_dict: Mapping[str, Tensor]) -> "OrderedDict[str, Tensor]":
    official = {re.sub(r"^(model\.)*", "model.", key): tensor for key, tensor in state_dict.items()}
    head = next((head for head in HEADS if any(key.startswith(f"model.{head}.m.") for key in official)), None)
    if head is None:
        raise UsageError(
            f"{len(state_dict)} keys, first: {next(iter(state_dict), None)}, and no detection layer of YOLOv4-CSP, P5, "
            "P6 or P7 among them; use the official file of such a model"
        )
    chains = {match.groups() for key in official if (match := re.match(r"model\.(\d+)\.m\.(\d+)\.cv", key))}
    modules = _release_modules(HEADS[head], Counter(int(layer) for layer, _ in chains))
    names = {f"model.{theirs}.{name}": f"{ours}.{name}" for theirs, ours in modules.items() for name in _tensors(ours)}
    for name in ("anchors", "anchor_grid"):  # in cells and pixels
        official.pop(f"model.{head}.{name}", None)
    plain_first = "backbone.stages.0.1.conv1" in modules.values()
    return _rename(official, names, "YOLOv4-CSP" if plain_first else f"YOLOv4-P{HEADS[head] + 2}")


def _release_modules(levels: int, links: Counter[int]) -> dict[str, str]:
    """Official modules that hold tensors -> ours; `links` counts the bottlenecks of each layer."""

    def block(layer: int, ours: str, parts: Mapping[str, str]) -> dict[str, str]:
        chain = {f"m.{link}.cv{part}": f"blocks.{link}.conv{part}" for link in range(links[layer]) for part in (1, 2)}
        return {f"{layer}.{theirs}": f"{ours}.{name}" for theirs, name in {**parts, **chain}.items()}

    modules = {"0": "backbone.stem"}
    stages = levels + 2  # those of strides 2 and 4 give no level
    for stage in range(stages):
        layer = 2 * stage + 1
        modules[f"{layer}"] = f"backbone.stages.{stage}.0"
        modules |= block(layer + 1, f"backbone.stages.{stage}.1", _CSP if links[layer + 1] else _PLAIN)
    layer = 2 * stages + 1
    modules |= block(layer, "neck.top", _SPPCSP)
    for step in range(levels - 1):  # reduce, upsample, lateral, concat, block
        modules |= {f"{layer + 1}": f"neck.reduces.{step}", f"{layer + 3}": f"neck.laterals.{step}"}
        layer += 5
        modules |= block(layer, f"neck.top_down.{step}", _CSP2)
    layer += 1
    modules[f"{layer}"] = "neck.widen.0"
    for step in range(levels - 1):  # downsample, concat, block, widen
        modules[f"{layer + 1}"] = f"neck.downsamples.{step}"
        modules |= block(layer + 3, f"neck.bottom_up.{step}", _CSP2)
        layer += 4
        modules[f"{layer}"] = f"neck.widen.{step + 1}"
    return modules | {f"{layer + 1}.m.{level}": f"bbox_head.predictors.{level}" for level in range(levels)}


def _tensors(module: str) -> tuple[str, ...]:
    """Names of the tensors that one of our modules has."""
    if module.startswith("bbox_head."):
        return "weight", "bias"
    if module.endswith((".exit", ".bypass")):
        return ("weight",)
    return _NORM if module.endswith(".bn") else _CONV


# --- Darknet

_POOLED = "neck.top.after.0.conv.weight"  # works on the concat of a map and its three pools


def _convert_darknet(state_dict: Mapping[str, Tensor]) -> "OrderedDict[str, Tensor]":
    tables = {model: _darknet_names(sections) for model, sections in _DARKNET_MODELS.items()}
    model = min(tables, key=lambda name: len(tables[name].keys() ^ state_dict.keys()))
    converted = _rename(state_dict, tables[model], model)
    for key in [key for key in converted if key.endswith(".exit.conv.weight")]:
        _join_norms(converted, key.removesuffix(".exit.conv.weight"))
    if _POOLED in converted:  # Darknet: pools of 13, 9, 5, then the map; ours the other way round
        converted[_POOLED] = torch.cat(converted[_POOLED].chunk(4, dim=1)[::-1], dim=1)
    return converted


def _join_norms(converted: "OrderedDict[str, Tensor]", block: str) -> None:
    """Makes one norm of the concat [exit, bypass] out of the norms that Darknet has on each: the same function."""
    branches = [f"{block}.exit", f"{block}.bypass"]
    for branch in branches:
        converted[f"{branch}.weight"] = converted.pop(f"{branch}.conv.weight")
    for name in _NORM:
        halves = [converted.pop(f"{branch}.bn.{name}") for branch in branches]
        converted[f"{block}.join.bn.{name}"] = torch.cat(halves) if halves[0].ndim else halves[0]  # a counter is 0-d


def _darknet_names(sections: list[str]) -> dict[str, str]:
    """Darknet's keys -> ours."""
    names: dict[str, str] = {}
    for number, module in enumerate(sections):
        theirs, ours = f"module_list.{number}", module
        if module.startswith("bbox_head."):
            names |= {f"{theirs}.Conv2d.{name}": f"{ours}.{name}" for name in ("weight", "bias")}
        elif module:
            names[f"{theirs}.Conv2d.weight"] = f"{ours}.conv.weight"
            names |= {f"{theirs}.BatchNorm2d.{name}": f"{ours}.bn.{name}" for name in _NORM}
    return names


# Our modules in the order of a config's sections, "" for a section without weights.


def _chain(block: str, links: int, *parts: str) -> list[str]:
    return [part and f"{block}.blocks.{link}.{part}" for link in range(links) for part in parts]


def _csp_stage(stage: str, links: int) -> list[str]:
    block = f"{stage}.1"
    chain = _chain(block, links, "conv1", "conv2", "")
    return [f"{stage}.0", f"{block}.bypass", "", f"{block}.main", *chain, f"{block}.exit", "", f"{block}.fuse"]


def _csp2(block: str) -> list[str]:
    return [f"{block}.main", f"{block}.bypass", "", *_chain(block, 2, "conv1", "conv2"), "", f"{block}.fuse"]


def _output(level: int) -> list[str]:
    return [f"neck.widen.{level}", f"bbox_head.predictors.{level}", ""]


def _csp_sections() -> list[str]:
    stage, top = "backbone.stages.0", "neck.top"
    sections = ["backbone.stem", f"{stage}.0", f"{stage}.1.conv1", f"{stage}.1.conv2", ""]
    for index, links in enumerate((2, 8, 8, 4), 1):
        sections += _csp_stage(f"backbone.stages.{index}", links)
    sections += [f"{top}.bypass", "", f"{top}.before.0", f"{top}.before.1", f"{top}.before.2", *[""] * 6]
    sections += [f"{top}.after.0", f"{top}.after.1", "", f"{top}.fuse"]
    for step in range(2):
        sections += [f"neck.reduces.{step}", "", "", f"neck.laterals.{step}", "", *_csp2(f"neck.top_down.{step}")]
    sections += _output(0)
    for step in range(2):
        sections += ["", f"neck.downsamples.{step}", "", *_csp2(f"neck.bottom_up.{step}"), *_output(step + 1)]
    return sections


def _tiny_sections() -> list[str]:
    sections = ["backbone.stem.0", "backbone.stem.1"]
    for block in (f"backbone.blocks.{index}" for index in range(3)):
        sections += [f"{block}.first", "", f"{block}.second", f"{block}.third", "", f"{block}.fuse", "", ""]
    sections += ["backbone.last", "neck.reduce", "neck.outputs.1", "bbox_head.predictors.1", "", ""]
    return [*sections, "neck.lateral", "", "", "neck.outputs.0", "bbox_head.predictors.0", ""]


_DARKNET_MODELS = {"Darknet YOLOv4-CSP": _csp_sections(), "Darknet YOLOv4-tiny": _tiny_sections()}
