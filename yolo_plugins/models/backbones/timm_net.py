"""Networks of timm as `net` of a PyramidBackbone: `dict(type="timm", model_name="ghostnet_100")`.

Source: Wightman, "PyTorch Image Models" (doi:10.5281/zenodo.4414861), of the extra `backbones`.
"""

import difflib
import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Literal

from torch import Tensor, nn

from yolo_plugins.checkpoints.loaders import unreachable
from yolo_plugins.errors import UsageError
from yolo_plugins.models.backbones.build import describe
from yolo_plugins.registry import MODELS


@MODELS.register_module(name="timm")
class TimmNet(nn.Module):
    """A timm network in the form that returns its feature maps.

    Args:
        model_name: As timm lists it, with the tag of its weights where that matters (`resnet18.tv_in1k`).
        kwargs: Arguments of `timm.create_model`; without `out_indices`, all maps are returned.

    Attributes:
        mean: Mean of each colour, of RGB in 0..1, that its published weights expect.
        std: The same for the standard deviation.

    Raises:
        UsageError: timm is not installed, knows no such network, or cannot return its maps.
    """

    def __init__(self, model_name: str, **kwargs: Any) -> None:
        super().__init__()
        timm = _import_timm()
        if not timm.is_model(model_name):
            near = difflib.get_close_matches(model_name, timm.list_models(), n=3, cutoff=0.3)
            raise UsageError(f"timm knows no model_name={model_name!r}; nearest: {', '.join(near)}")
        try:
            self.model = timm.create_model(model_name, features_only=True, **kwargs)
        except (AttributeError, RuntimeError, AssertionError) as error:
            if "weights_only=True" in str(error):
                found = re.search(r"Unsupported globals: (.+?)\. No", str(error))
                program = found[1] if found else "code"
                raise UsageError(
                    f"its weights would run {program}, which is refused; give a file of tensors"
                ) from error
            raise UsageError(
                f"timm's {model_name} cannot return feature maps ({error}); take another network"
            ) from error
        self.mean, self.std = self.model.pretrained_cfg["mean"], self.model.pretrained_cfg["std"]
        self._channels_last = str(getattr(self.model, "output_fmt", "")).endswith("NHWC")

    def forward(self, x: Tensor) -> list[Tensor]:
        """Normalised (N, 3, H, W) -> maps (N, C_i, H_i, W_i), fine to coarse."""
        maps = self.model(x)
        return [level.permute(0, 3, 1, 2) for level in maps] if self._channels_last else maps

    @classmethod
    def read_pretrained(cls, cfg: dict, source: Literal[True] | str) -> Mapping[str, Tensor]:
        """timm's weights (True) or a file in one of timm's formats, under the keys of this class.

        Raises:
            UsageError: They cannot be fetched or read.
        """
        arguments = {key: value for key, value in cfg.items() if key != "type"}
        overlay: dict[str, Any] = {} if source is True else {"pretrained_cfg_overlay": {"file": source}}
        try:
            return cls(**arguments, pretrained=True, **overlay).state_dict()
        except UsageError as error:
            raise UsageError(f"pretrained={source!r} of {describe(cfg)}: {error}") from error
        except Exception as error:
            raise unreachable(f"pretrained={source!r} of timm's {cfg['model_name']}", error) from error

    @staticmethod
    def weights_name(cfg: dict) -> str:
        """Name of the weights that `read_pretrained` takes of timm, with their tag: `resnet18.a1_in1k`."""
        known = _import_timm().models.get_pretrained_cfg(cfg["model_name"])
        return f"{known.architecture}.{known.tag}" if known else ""


def timm_names() -> list[str]:
    """Names of all networks of timm; none where it is not installed."""
    try:
        return _import_timm().list_models()
    except UsageError:
        return []


def _import_timm() -> ModuleType:
    try:
        import timm
    except ImportError as error:
        raise UsageError("type='timm' needs timm: pip install 'yolo_plugins[backbones]'") from error
    return timm
