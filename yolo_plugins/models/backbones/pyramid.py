"""Any network of mmdet, mmpretrain, timm or a plugin as the backbone of a detector.

Nothing about the network is typed: it runs once on a small image, its maps are taken by their measured strides, and
what no returned map needs is cut off.
"""

import contextlib
from collections.abc import Sequence
from functools import cached_property

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from yolo_plugins.checkpoints.read import weights_sha256
from yolo_plugins.errors import UsageError
from yolo_plugins.models.backbones.build import build_net, describe, trial_sizes
from yolo_plugins.models.backbones.levels import Level, choose_levels, needed_parameters, prune, trace_levels
from yolo_plugins.models.backbones.pretrained import Published, describe_pretrained, read_pretrained
from yolo_plugins.models.layers import Freezable
from yolo_plugins.registry import MODELS

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of RGB in 0..1


@MODELS.register_module()
class PyramidBackbone(Freezable, BaseModule):
    """Wraps a network so that it returns the maps of the asked strides and nothing else.

    Images are normalised as the network's published weights expect, whether such weights are loaded or not, so that
    a checkpoint means the same with either setting. Norm layers keep the network's own settings.

    Args:
        net: Config of the network: a type of mmdet or mmpretrain with its scope (`mmpretrain.RepVGG`),
            `dict(type="timm", model_name=...)`, or a type that a plugin registered. `out_indices` in it are not
            needed; if given, they must yield the asked strides.
        out_strides: Strides of the returned maps in input pixels, fine to coarse.
        pretrained: Which published weights `init_weights` loads: none, the library's own choice (True, timm only), a
            file, or, of other libraries than timm, an https address or the name of a model of mmpretrain's zoo.
        frozen_stages: Weights that stay as they are: k freezes all that the map of stride 2 ** (k + 1) depends on,
            which is the stem and k stages of a ResNet; -1 freezes nothing.
        norm_eval: Whether batch norms keep their running statistics in training.
        init_cfg: MMEngine initialisation config of the whole module.

    Attributes:
        out_channels: Channels of the returned maps.
        out_strides: Their strides in input pixels.
        initial_weights: Checksum of the published weights that were loaded; None without any.

    Raises:
        UsageError: The network cannot be built or run, or gives no map of an asked stride.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        net: dict,
        out_strides: Sequence[int] = (8, 16, 32),
        pretrained: bool | str = False,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.net = build_net(net)
        levels, input_hw = _trace(self.net, net)
        chosen = choose_levels(levels, out_strides, describe(net))
        frozen = _frozen_parameters(levels, frozen_stages, describe(net))
        prune(self.net, chosen, describe(net), input_hw)
        self._indices = [level.index for level in chosen]
        self.out_channels = [level.channels for level in chosen]
        self.out_strides = [level.stride for level in chosen]
        self.norm_eval = norm_eval
        self._net_cfg, self._pretrained = dict(net), pretrained
        self.initial_weights: str | None = None
        for parameter in frozen:
            parameter.requires_grad_(False)
        for name, default in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            values = torch.tensor(getattr(self.net, name, default), dtype=torch.float32)
            self.register_buffer(name, values.view(-1, 1, 1), persistent=False)

    @cached_property
    def published(self) -> Published | None:
        """What is known of the published weights that it begins with; None without any.

        Raises:
            UsageError: They are not known by this name.
        """
        return describe_pretrained(self._net_cfg, self._pretrained) if self._pretrained else None

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) in 0..1 -> maps (N, C_i, H / stride_i, W / stride_i), fine to coarse."""
        maps = self.net((x - self.mean) / self.std)
        return tuple(maps[index] for index in self._indices)

    def init_weights(self) -> None:
        """The network's own initialisation, then the published weights that the config asks for.

        Raises:
            UsageError: They cannot be fetched or read, or belong to another network.
        """
        super().init_weights()
        if self._pretrained:
            weights = read_pretrained(self._net_cfg, self._pretrained)
            own = self.net.state_dict()
            missing = [key for key, value in own.items() if key not in weights or weights[key].shape != value.shape]
            if missing:
                raise UsageError(
                    f"pretrained={self._pretrained!r}: {len(missing)} of {len(own)} entries of "
                    f"{describe(self._net_cfg)} are missing or have another shape ({', '.join(missing[:3])} ...); give "
                    "the weights of this very network"
                )
            self.net.load_state_dict({key: weights[key] for key in own})
            self.initial_weights = weights_sha256(self.net.state_dict())


def _trace(net: nn.Module, cfg: dict) -> tuple[list[Level], tuple[int, int]]:
    """(all maps, size of the image) of the first trial size on which the network runs."""
    *smaller, largest = trial_sizes(cfg)
    for input_hw in smaller:
        with contextlib.suppress(UsageError):
            return trace_levels(net, describe(cfg), input_hw), input_hw
    return trace_levels(net, describe(cfg), largest), largest


def _frozen_parameters(levels: Sequence[Level], frozen_stages: int, name: str) -> list[nn.Parameter]:
    if frozen_stages < 0:
        return []
    last = [level for level in levels if level.stride == 2 ** (frozen_stages + 1)]
    if not last:
        known = sorted({level.stride.bit_length() - 2 for level in levels if level.stride and level.stride > 1})
        raise UsageError(f"frozen_stages={frozen_stages}: {name} has no such stage; use -1 or one of {known}")
    return needed_parameters(last)
