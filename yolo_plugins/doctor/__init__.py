"""What a bug report needs to know of an installation and its machine, and which of it is at fault."""

from yolo_plugins.doctor.checks import all_checks
from yolo_plugins.doctor.lines import Check, Line, run_checks

__all__ = ["Check", "Line", "all_checks", "run_checks"]
