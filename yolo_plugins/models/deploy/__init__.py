"""The deploy form of a trained network: the same function in fewer and larger operations."""

from yolo_plugins.models.deploy.convert import DeployReport, to_deploy
from yolo_plugins.models.deploy.merging import LAYERS
from yolo_plugins.models.deploy.packed_conv import CONV_ACT

__all__ = ["CONV_ACT", "LAYERS", "DeployReport", "to_deploy"]
