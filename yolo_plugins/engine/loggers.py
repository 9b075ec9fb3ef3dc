"""Where the scalars of a run go besides its record and its log file: MMEngine's visualization backends."""

from collections.abc import Mapping
from typing import Any

from mmengine.dist import is_main_process
from mmengine.visualization import BaseVisBackend

from yolo_plugins.errors import UsageError
from yolo_plugins.registry import VISBACKENDS


def visualizer_config(backends: Any, visualizer: Mapping[str, Any] | None, log_dir: str) -> dict[str, Any]:
    """MMEngine's config of a visualizer with the backends that a config names, started; none by default.

    Args:
        backends: `vis_backends` of the run's config: a list of configs, or of types.
        visualizer: The config's entry; its own `vis_backends` come first, what both name counts once.
        log_dir: Folder of the run's log, in whose `vis_data` the backends write.

    Raises:
        UsageError: The package of a backend is not installed.
    """
    entry: dict[str, Any] = {"type": "Visualizer", **(visualizer or {})}
    entry.pop("name", None)  # MMEngine keeps one visualizer a name: each run is to have its own, and names it itself
    named = [*_as_list(entry.get("vis_backends")), *_as_list(backends)]
    configs = [{"type": item} if isinstance(item, str) else dict(item) for item in named]
    unique = [item for place, item in enumerate(configs) if item not in configs[:place]]
    folder = f"{entry.get('save_dir', log_dir)}/vis_data"
    return entry | {"vis_backends": [_start({"save_dir": folder, **item}) for item in unique]}


def _as_list(named: Any) -> list[Any]:
    return [named] if isinstance(named, str | Mapping) else list(named or [])


def _start(config: dict[str, Any]) -> BaseVisBackend:
    """A backend, on the process that writes already at work: MMEngine imports its package at first use."""
    backend = VISBACKENDS.build(config)
    try:
        if is_main_process():
            _ = backend.experiment
    except ImportError as error:
        missing = getattr(error.__context__, "name", None)
        remedy = f"pip install {missing}" if missing else str(error)
        raise UsageError(f"vis_backends: {config['type']} needs a package that is not installed: {remedy}") from error
    return backend
