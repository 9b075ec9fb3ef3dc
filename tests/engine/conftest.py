"""The real Runner on a toy model."""

from collections.abc import Callable
from pathlib import Path

import mmengine.runner.runner
import pytest
from toy_training import toy_config

import yolo_plugins.engine
from yolo_plugins.engine import YOLORunner


@pytest.fixture
def make_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., YOLORunner]:
    """Builds a Runner of `toy_config`; the complexity of the model is a stub."""
    monkeypatch.setattr(mmengine.runner.runner, "collect_env", dict)
    monkeypatch.setattr(yolo_plugins.engine.run_record_hook, "_complexity", lambda model, input_hw: {"params": 1})

    def make(work_dir: str | Path = "run", **changes) -> YOLORunner:
        return YOLORunner.from_cfg(toy_config(tmp_path / work_dir, **changes))

    return make
