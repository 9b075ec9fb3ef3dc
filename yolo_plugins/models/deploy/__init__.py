"""The deploy form of a trained network: the same function in fewer and larger operations."""

from yolo_plugins.models.deploy.convert import DeployReport, to_deploy
from yolo_plugins.models.deploy.folding import LAYERS

__all__ = ["LAYERS", "DeployReport", "to_deploy"]
