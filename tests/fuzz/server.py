"""Runs tools in children of one process that has imported the heavy packages: a run costs a fork, not twenty seconds.

As a program it reads a request a line (JSON) and answers each by a line; `Server` starts it and asks. A child leads a
process group of its own, which is killed at its limit and cleaned up after its end. Linux only.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import resource
import runpy
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

REPO = Path(__file__).resolve().parents[2]
_MEMORY_BYTES = 12 << 30  # of address space: an absurd size is refused by the allocator, not by the kernel's killer
_HEAVY = (
    *("torch", "torchvision", "cv2", "PIL.Image", "mmengine.runner", "mmdet.models", "mmdet.datasets", "mmpretrain"),
    *("timm", "pandas", "scipy.stats", "matplotlib.pyplot", "submitit", "thop", "tqdm"),
)
_HEAVY_ROOMS = ("engine", "inference", "datasets", "models", "costs.complexity", "study.plan", "study.frontier")


class Server:
    """The parent of all children, in a process of its own."""

    def __init__(self, log: Path) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "CUDA_VISIBLE_DEVICES": ""}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPO), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            env=environment,
            text=True,
        )

    def run(
        self,
        command: Sequence[str],
        folder: Path,
        seconds: float,
        environment: Mapping[str, str] | None = None,
        prelude: str = "",
    ) -> dict[str, Any]:
        """Runs a command in a folder, which gets its output as `stdout` and `stderr`.

        Args:
            command: A Python file and its arguments; `bash` first for a shell script.
            folder: Where it runs.
            seconds: After which it is killed.
            environment: Changes to the environment.
            prelude: Name of a function in `preludes` that is called first.

        Returns:
            `status` (exit status, or the negative signal), `timed_out`, `seconds`, `cpu_seconds`.
        """
        request = dict(command=command, folder=str(folder), seconds=seconds, environment=environment, prelude=prelude)
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the packages say when they are imported is no answer
    import torch

    torch.set_num_threads(1)
    for name in (*_HEAVY, *(f"yolo_plugins.{room}" for room in _HEAVY_ROOMS)):
        try:
            importlib.import_module(name)
        except ImportError as error:  # an extra that is not installed, or a room of another name
            print(f"not loaded: {name} ({error})", file=sys.stderr)
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page
    while line := sys.stdin.readline():
        request = json.loads(line)
        start = time.monotonic()
        child = os.fork()
        if child == 0:
            _become(request)
        answer = _wait(child, request["seconds"]) | {"seconds": round(time.monotonic() - start, 3)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _wait(child: int, seconds: float) -> dict[str, Any]:
    watched = os.pidfd_open(child)
    ended, _, _ = select.select([watched], [], [], seconds)
    os.close(watched)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # the child, or what it left behind
    _, status, used = os.wait4(child, 0)
    cpu_seconds = round(used.ru_utime + used.ru_stime, 3)
    return dict(status=os.waitstatus_to_exitcode(status), timed_out=not ended, cpu_seconds=cpu_seconds)


def _become(request: Mapping[str, Any]) -> NoReturn:
    """Turns a fork of the server into the process of a command.

    It ends as Python does, except that the modules are left as they are: taking down those that were inherited costs a
    second.
    """
    os.setsid()
    os.chdir(request["folder"])
    for number, name, flags in ((0, os.devnull, os.O_RDONLY), (1, "stdout", None), (2, "stderr", None)):
        opened = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC if flags is None else flags, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.update(request["environment"] or {})
    command = request["command"]
    if command[0] == "bash":
        os.execvp("bash", command)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.argv[:] = command
    sys.path[0] = str(Path(command[0]).parent)
    sys.path.append(str(REPO / "tests"))
    if request["prelude"]:
        getattr(importlib.import_module("fuzz.preludes"), request["prelude"])()
    try:
        runpy.run_path(command[0], run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    _serve()
