"""Building blocks shared by backbones and necks."""

from yolo_plugins.models.layers.conv import DARKNET_NORM, LEAKY_RELU, MISH, SILU, YOLO_NORM, ConvBNAct, NormAct, concat
from yolo_plugins.models.layers.csp import C3, CSP2, Bottleneck, BottleneckCSP
from yolo_plugins.models.layers.freezing import Freezable, freeze_stages
from yolo_plugins.models.layers.osa import CSPOSA
from yolo_plugins.models.layers.scaling import scale_channels, scale_depth
from yolo_plugins.models.layers.spp import SPPCSP, SPPF

__all__ = [
    "C3",
    "CSP2",
    "CSPOSA",
    "DARKNET_NORM",
    "LEAKY_RELU",
    "MISH",
    "SILU",
    "SPPCSP",
    "SPPF",
    "YOLO_NORM",
    "Bottleneck",
    "BottleneckCSP",
    "ConvBNAct",
    "Freezable",
    "NormAct",
    "concat",
    "freeze_stages",
    "scale_channels",
    "scale_depth",
]
