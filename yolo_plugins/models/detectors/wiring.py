"""Puts a backbone, a neck and a head together: channels and strides are read off what is built, never typed.

Ours state them. MMDetection's necks are run once on small maps, and its heads get the numbers under the names that
their classes have for them.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.config import ConfigDict
from torch import Tensor, nn

from yolo_plugins.errors import UsageError
from yolo_plugins.registry import MODELS, extends

_GRIDS = ("anchor_generator", "prior_generator", "bbox_coder")  # arguments of MMDetection's heads that hold strides
_TRIAL_CELLS = 4  # of the coarsest map's sides


def build_backbone(cfg: dict, freeze: int | str | None) -> Any:
    """Builds a backbone of which training leaves a part as it is.

    Args:
        cfg: Config of the backbone.
        freeze: "backbone" for all of it; a number for its option `frozen_stages`; None for nothing.

    Raises:
        UsageError: It is none of these, or this backbone cannot freeze some of its stages.
    """
    if isinstance(freeze, int) and not isinstance(freeze, bool):
        if "frozen_stages" not in inspect.signature(MODELS.get(cfg["type"])).parameters:
            raise UsageError(f"model.freeze={freeze}: {cfg['type']} takes no frozen_stages; give freeze='backbone'")
        return MODELS.build({**cfg, "frozen_stages": freeze})
    if freeze not in (None, "backbone"):
        raise UsageError(f"model.freeze={freeze!r}: give a number of stages, 'backbone', or None")
    backbone = MODELS.build(cfg)
    return backbone.requires_grad_(False) if freeze else backbone


def build_neck(
    cfg: dict | Sequence[dict] | None, channels: Sequence[int], strides: Sequence[int]
) -> tuple[nn.Module, list[int], list[int]]:
    """Builds a neck for maps of these channels and strides, fine to coarse.

    Args:
        cfg: Config of the neck, without `in_channels`; of several, one after the other; None for none.
        channels: Of the backbone's maps.
        strides: Input pixels per cell of the backbone's maps.

    Returns:
        The neck, channels and strides of its maps.

    Raises:
        UsageError: It does not run on such maps, or returns something else than maps, fine to coarse.
    """
    if cfg is None:
        return nn.Identity(), list(channels), list(strides)
    first, *others = [cfg] if isinstance(cfg, dict) else cfg
    first = {"in_channels": list(channels), **first}
    neck = MODELS.build([first, *others] if others else first)
    if isinstance(getattr(neck, "out_channels", None), Sequence):
        return neck, list(neck.out_channels), list(strides)
    return neck, *_measure(neck, first["type"], channels, strides)


@torch.no_grad()
def _measure(
    neck: nn.Module, name: str, channels: Sequence[int], strides: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Channels and strides of the maps that a neck returns."""
    side = _TRIAL_CELLS * strides[-1]
    cells = [side // stride for stride in strides]
    maps = [torch.zeros(1, width, count, count) for width, count in zip(channels, cells, strict=True)]
    training = neck.training
    try:
        outputs = neck.eval()(tuple(maps))
    except Exception as error:  # another author's code: anything may come
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise UsageError(
            f"neck {name} does not run on maps of {list(channels)} channels at strides {list(strides)} ({reason}); "
            "give it the options for as many maps, or the backbone other out_strides"
        ) from error
    finally:
        neck.train(training)
    if not all(isinstance(output, Tensor) and output.ndim == 4 for output in outputs):
        raise UsageError(f"neck {name} returns no list of maps (N, C, H, W); take another one")
    return [output.shape[1] for output in outputs], [side // output.shape[2] for output in outputs]


def build_head(
    cfg: dict, channels: Sequence[int], strides: Sequence[int], train_cfg: dict | None, test_cfg: dict | None
) -> nn.Module:
    """Builds a head for a neck's maps, fine to coarse.

    Args:
        cfg: Config of the head, without channels and strides.
        channels: Of the neck's maps.
        strides: Input pixels per cell of the neck's maps.
        train_cfg: What MMDetection's heads want for training: the assigner.
        test_cfg: How detections are selected.

    Raises:
        UsageError: One of MMDetection's heads with maps of several widths, or with strides of its own; another head
            with a `train_cfg`.
    """
    known = MODELS.get(cfg["type"]) if isinstance(cfg["type"], str) else cfg["type"]
    if not is_mmdet_head(known):
        if train_cfg:
            raise UsageError(f"model.train_cfg is for MMDetection's heads; {cfg['type']} takes its assigner itself")
        return MODELS.build(dict(cfg, in_channels=channels, strides=strides, test_cfg=test_cfg))
    cfg = dict(cfg)
    if len(set(channels)) > 1 and "in_channels" not in cfg:
        raise UsageError(
            f"{cfg['type']} takes maps of one width, the neck gives {list(channels)}; put mmdet.FPN, or another neck "
            "with one width, before it"
        )
    cfg.setdefault("in_channels", channels[0])
    if "strides" in inspect.signature(known).parameters:
        cfg.setdefault("strides", list(strides))
    for name in _GRIDS:
        if isinstance(cfg.get(name), dict) and "strides" in _parameters(cfg[name]):
            cfg[name] = {"strides": list(strides), **cfg[name]}
    configs = {name: ConfigDict(given) for name, given in (("train_cfg", train_cfg), ("test_cfg", test_cfg)) if given}
    head = MODELS.build(cfg | configs)
    _check_strides(head, cfg["type"], strides)
    return head


def is_mmdet_head(head: Any) -> bool:
    """Whether a class, or an object, is one of MMDetection's dense heads, which predict and weigh for themselves."""
    kind = head if inspect.isclass(head) else type(head)
    return extends(kind, "mmdet.models.dense_heads.base_dense_head.BaseDenseHead")


def _parameters(cfg: dict) -> Sequence[str]:
    from mmdet.registry import TASK_UTILS

    return list(inspect.signature(TASK_UTILS.get(cfg["type"].rpartition(".")[2])).parameters)


def _check_strides(head: nn.Module, name: str, strides: Sequence[int]) -> None:
    generator = getattr(head, "prior_generator", None)
    stated = [max(stride) if isinstance(stride, Sequence) else stride for stride in getattr(generator, "strides", [])]
    if stated and stated != list(strides):
        raise UsageError(
            f"{name} is made for strides {stated}, the neck gives {list(strides)}; leave the strides out of its "
            "config, or give the neck as many maps"
        )
