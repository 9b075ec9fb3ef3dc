"""Weights as data, ours and the official releases'. Importing it makes MMEngine's loaders read them no other way."""

from yolo_plugins.checkpoints import loaders

__all__ = ["loaders"]
