"""Building blocks shared by backbones and necks."""

from yolo_plugins.models.layers.conv import SILU, YOLO_NORM, ConvBNAct, concat
from yolo_plugins.models.layers.csp import C3, Bottleneck
from yolo_plugins.models.layers.scaling import scale_channels, scale_depth
from yolo_plugins.models.layers.spp import SPPF

__all__ = ["C3", "SILU", "SPPF", "YOLO_NORM", "Bottleneck", "ConvBNAct", "concat", "scale_channels", "scale_depth"]
