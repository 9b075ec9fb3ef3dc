"""Detectors as files that other runtimes run, and those runtimes behind one call."""

from yolo_plugins.export.exportable import Exportable
from yolo_plugins.export.files import FORMATS, open_exported, write_exported
from yolo_plugins.export.formats.base import ExportedNetwork, Format
from yolo_plugins.export.metadata import Metadata, Selection
from yolo_plugins.export.select import select

__all__ = [
    "FORMATS",
    "Exportable",
    "ExportedNetwork",
    "Format",
    "Metadata",
    "Selection",
    "open_exported",
    "select",
    "write_exported",
]
