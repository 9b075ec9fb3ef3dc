"""A finder for `mmcv._ext` where mmcv came without its compiled operators: `mmcv_ops` then answers in their place.

It stands last among Python's finders (`sys.meta_path`), so compiled operators are found before it, and it loads nothing
until mmcv asks. The set-up puts it into every Python of `.venv`, for MMDetection's own tools.
"""

import os.path
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location


def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
    """What Python's import asks of a finder."""
    if name != "mmcv._ext":
        return None
    return spec_from_file_location(name, os.path.join(os.path.dirname(__file__), "mmcv_ops.py"))
