"""Seconds from the command that trains to its first iteration."""

import copy
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from yolo_plugins.datasets.synthetic_voc import make_synthetic_voc
from yolo_plugins.errors import UsageError
from yolo_plugins.files import json_text
from yolo_plugins.registry import HOOKS

_imported = time.time()  # by the training process, as the last thing that its config imports


@HOOKS.register_module()
class StartClockHook(Hook):
    """Writes the seconds from the start of the command to each stage of a training, the first iteration last.

    Args:
        begin: When the command was given, seconds since the epoch.
        out: JSON file to write.
    """

    def __init__(self, begin: float, out: str) -> None:
        self._begin, self._out = begin, Path(out)
        self._times = [begin, _imported, time.time()]

    def before_train(self, runner: Runner) -> None:
        """The loaders are there."""
        self._times.append(time.time())

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Writes the file after the first iteration."""
        if runner.iter == 0:
            self._times.append(time.time())
            names = ("import_s", "build_s", "data_s", "first_iteration_s")
            parts = {name: self._times[k + 1] - self._times[k] for k, name in enumerate(names)}
            self._out.write_text(json_text({"start_s": self._times[-1] - self._begin, **parts}))


def benchmark_start(config: Config) -> dict[str, float]:
    """Seconds from the command `yolo-plugins train` to its first iteration, and of what: import, build, data, it.

    Raises:
        UsageError: The training breaks off.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name), Path(name) / "start.json"
        config = copy.deepcopy(config)
        root = make_synthetic_voc(folder / "VOCdevkit", train=64, test=8)
        for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
            config[loader].dataset.update(data_root=str(root), cache_dir=str(folder / "cache"))
        config.train_cfg.max_epochs = 1
        named, hooks = (config.get("custom_imports") or {}).get("imports") or [], config.get("custom_hooks") or []
        config.custom_imports = dict(imports=[*([named] if isinstance(named, str) else named), __name__])
        config.custom_hooks = [*hooks, dict(type="StartClockHook", begin=0.0, out=str(out))]
        config.dump(folder / "start.py")
        begin = f"custom_hooks.{len(hooks)}.begin={time.time()}"
        command: list[str | Path] = ["train", folder / "start.py", "--work-dir", folder / "run", "--cfg-options", begin]
        ended = subprocess.run(
            [sys.executable, "-m", "yolo_plugins", *command], capture_output=True, text=True, check=False
        )
        if not out.is_file():
            raise UsageError(f"the training broke off: {(ended.stderr.strip().splitlines() or ['no word'])[-1]}")
        return json.loads(out.read_text())
