"""Systems without fcntl, fork and half of the signals: Windows, as far as its lacks can be imitated here."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from yolo_plugins.config import load_config
from yolo_plugins.engine import YOLORunner

PACKAGE = Path(__file__).parents[1] / "yolo_plugins"
WITHOUT = """
import os, signal, sys
if "torch" in sys.argv:  # which know the system that they were built for
    import psutil, torch
sys.modules.update(dict.fromkeys(["fcntl", "resource", "termios"]))
del os.fork, os.register_at_fork, signal.SIGHUP, signal.SIGCHLD, signal.pthread_sigmask
"""
LOCKER = """
import sys
from pathlib import Path
from yolo_plugins import files
from yolo_plugins.errors import UsageError
folder = Path(sys.argv[1])
assert files.fcntl is None
if files.is_locked(folder):
    try:
        files.folder_lock(folder, wait=False)
    except UsageError as error:
        sys.exit(f"refused: {error}")
lock = files.folder_lock(folder, wait=False)
assert not lock.descriptors and files.is_locked(folder)
print("locked", flush=True)
sys.stdin.read()
"""


def start(code: str, *arguments: Path | str) -> subprocess.Popen:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT + code, *map(str, arguments)]
    return subprocess.Popen(command, text=True, **pipes)


def modules() -> list[str]:
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in PACKAGE.rglob("*.py")]
    return [name.removesuffix(".__init__") for name in sorted(names) if not name.endswith("__main__")]


def test_all_of_the_package_is_imported_where_posix_is_not():
    run = start("import importlib\nfor name in sys.argv[1:]:\n    importlib.import_module(name)", "torch", *modules())
    assert run.communicate()[1] == ""
    assert run.returncode == 0


def test_a_folder_is_locked_without_fcntl(tmp_path):
    first = start(LOCKER, tmp_path)
    assert first.stdout.readline() == "locked\n"
    assert start(LOCKER, tmp_path).communicate()[1].startswith(f"refused: {tmp_path}: another training is at work")
    first.communicate()
    second = start(LOCKER, tmp_path)
    assert second.stdout.readline() == "locked\n"
    second.communicate()


def batches(loader: dict, **context: object) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """(pictures, boxes) of an epoch, as two workers make them."""
    built = YOLORunner.build_dataloader(copy.deepcopy(loader) | context | {"num_workers": 2}, seed=3)
    return [(batch["inputs"], batch["data_samples"].rows) for batch in built]


@pytest.mark.parametrize("cache_images", [True, False])
def test_workers_that_are_spawned_give_the_batches_of_forked_ones(synthetic_voc, cache_images):
    options = [f"data_root={synthetic_voc}", "img_size=64", f"train_dataloader.dataset.cache_images={cache_images}"]
    loader = load_config("yolov5_n_voc", options).train_dataloader
    loader.batch_size = 12
    with DefaultScope.overwrite_default_scope("yolo_plugins"):
        forked, spawned = (batches(loader, multiprocessing_context=how) for how in ("fork", "spawn"))
    assert len(forked) == len(spawned) > 1
    for one, other in zip(forked, spawned, strict=True):
        assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("platform", "stated", "how"),
    [("linux", {}, "fork"), ("darwin", {}, "spawn"), ("win32", {}, "spawn"), ("darwin", "fork", "fork")],
)
def test_workers_are_forked_on_linux_only_unless_the_config_says_so(monkeypatch, platform, stated, how):
    given = []
    monkeypatch.setattr(Runner, "setup_env", lambda self, env_cfg: given.append(env_cfg["mp_cfg"]))
    monkeypatch.setattr(sys, "platform", platform)
    runner = object.__new__(YOLORunner)
    runner._launcher = "none"
    runner.setup_env({"mp_cfg": {"opencv_num_threads": 1} | ({"mp_start_method": stated} if stated else {})})
    assert given == [{"mp_start_method": how, "opencv_num_threads": 1}]
