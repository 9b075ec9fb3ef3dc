"""Makes `.venv` with the versions of constraints.txt, or does nothing where that is done. Standard library only.

`make setup`, `make test` and `make demo` call it. A step may be interrupted at any point: the stamp is written last and
pip skips what is there, so the next run continues. Old Pythons can read this file, to be refused with the remedy.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
VENV = ROOT / ".venv"
STAMP = VENV / "setup.stamp"
LOG = ROOT / ".venv.log"
PYTHONS = ((3, 11), (3, 12))  # the pinned versions have wheels for these; 3.10 lacks matplotlib, pandas, pillow ...
GIB = 2**30
# Measured for torch 2.11 with its CUDA libraries: installed; wheels waiting to be unpacked; pip's cache of them.
VENV_GIB, DOWNLOAD_GIB, CACHE_GIB = 6.5, 3.0, 3.0
CONTINUE_GIB = 1.5  # mmcv's build and the small packages, once torch is installed
BUILD_CORE_MINUTES = 13  # mmcv 2.3.6 without CUDA operators
IMPORTS = "import cv2, torch, torchvision, mmcv.ops, mmdet.apis, mmpretrain, timm, yolo_plugins"


class SetupError(Exception):
    """One line: what is wrong, and the remedy."""


class Step(NamedTuple):
    """One line of the progress report and the commands behind it."""

    title: str
    commands: list[list[str]]


def fingerprint() -> str:
    """Hash of all that decides what is installed: the requirement files, setup.py, this file, and where they lie."""
    digest = hashlib.sha256(str(ROOT).encode())
    for path in [*sorted(REQUIREMENTS.glob("*.txt")), ROOT / "setup.py", Path(__file__)]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def is_up_to_date() -> bool:
    """Whether a set-up of these very requirements ran to its end."""
    return STAMP.is_file() and STAMP.read_text() == fingerprint()


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> None:
    """Raises `SetupError` unless this interpreter can make the environment and build mmcv in it."""
    if version not in PYTHONS:
        names = ["python{}.{}".format(*wanted) for wanted in PYTHONS]
        found = next(filter(_starts, names), None)
        install = "" if found else f"apt-get install {names[0]} {names[0]}-venv {names[0]}-dev (or pyenv), then "
        raise SetupError(
            f"Python {version[0]}.{version[1]} ({sys.executable}) will not do, {' or '.join(names)} will: "
            f"{install}make setup PYTHON={found or names[0]}"
        )
    import sysconfig
    from importlib.util import find_spec

    package = "python{}.{}".format(*version)
    if find_spec("ensurepip") is None:
        raise SetupError(f"{sys.executable} has no ensurepip, so it cannot make .venv: apt-get install {package}-venv")
    if not Path(sysconfig.get_paths()["include"], "Python.h").is_file():
        raise SetupError(f"{sys.executable} has no Python.h, which mmcv's build needs: apt-get install {package}-dev")


def check_compiler() -> None:
    """Raises `SetupError` where mmcv's operators could not be compiled."""
    compiler = os.environ.get("CXX", "c++").split()[0]
    if shutil.which(compiler) is None:
        raise SetupError(f"no C++ compiler ({compiler}), which mmcv's build needs: apt-get install build-essential")


def check_disk() -> None:
    """Raises `SetupError` where a disk would fill up half-way; .venv, TMPDIR and pip's cache may share one."""
    import tempfile

    needs = [(VENV, CONTINUE_GIB)]
    if not any(VENV.glob("lib/python*/site-packages/torch-*.dist-info")):
        cache_home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        cache = os.environ.get("PIP_CACHE_DIR") or os.path.join(cache_home, "pip")
        needs = [(VENV, VENV_GIB), (Path(tempfile.gettempdir()), DOWNLOAD_GIB), (Path(cache), CACHE_GIB)]
    disks: dict[int, tuple[Path, float]] = {}
    for path, gib in needs:
        folder = next(parent for parent in [path, *path.parents] if parent.is_dir())
        disk = folder.stat().st_dev
        first, so_far = disks.get(disk, (folder, 0.0))
        disks[disk] = (first, so_far + gib)
    for folder, gib in disks.values():
        free = shutil.disk_usage(folder).free / GIB
        if free < gib:
            raise SetupError(
                f"{free:.1f} GiB free on the disk of {folder}, the set-up needs {gib:.1f}: make room there, "
                "or point TMPDIR and PIP_CACHE_DIR (3 GiB each) at another disk"
            )


# What a failed command printed -> what to tell. The first that matches wins.
_EXPLANATIONS = (
    (r"No space left on device|Disk quota exceeded", "the disk is full: make room (`pip cache purge` frees some)"),
    (
        # Without an index pip first warns of broken connections and then reports a conflict or a missing version.
        r"(?ms)connection broken by.*^ERROR: (Cannot install|Could not find)|^ERROR: [^\n]*(ConnectionPool|timed out)",
        "no package index answers: check the network, HTTPS_PROXY, PIP_INDEX_URL",
    ),
    (
        r"Killed signal|[Oo]ut of memory|std::bad_alloc|MemoryError",
        "not enough memory to compile mmcv: MAX_JOBS=1 make setup",
    ),
    (
        r"ImportError: (?:\S*/)?(lib[\w+.-]+?\.so[\d.]*)",
        "{} is missing or broken (cv2 and torch load such libraries): apt-get install libgl1 libglib2.0-0 libgomp1",
    ),
)


def explain(output: str) -> str:
    """The remedy for the fault that a failed command's output shows, or else the output's last error line."""
    for pattern, remedy in _EXPLANATIONS:
        match = re.search(pattern, output)
        if match:
            return remedy.format(*match.groups())
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(ERROR|error|\w+Error)\b", line)]
    return re.sub(r"^(ERROR|error): ", "", (errors or lines or ["no output"])[-1])


def _starts(python: str) -> bool:
    """Whether `python` is a command that starts (a pyenv shim may exist and not start)."""
    return shutil.which(python) is not None and subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


def _venv_run(code: str) -> list[str]:
    return [str(VENV / "bin" / "python"), "-c", code]


def _venv_works() -> bool:
    """Whether `.venv` holds a Python that starts and a whole pip (its RECORD is written last)."""
    whole_pip = "import importlib.metadata, pip._internal.cli.main; assert importlib.metadata.files('pip')"
    try:
        return subprocess.run(_venv_run(whole_pip), capture_output=True).returncode == 0
    except OSError:
        return False


def _pip_install(*arguments: str) -> list[str]:
    install = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    return [*install, "--no-build-isolation", "-c", str(REQUIREMENTS / "constraints.txt"), *arguments]


def _jobs() -> int:
    """Compilers at a time: MAX_JOBS, or one a core as far as 2 GiB of memory each allow."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    return int(os.environ.get("MAX_JOBS") or max(1, min(cores, int(memory_gib // 2))))


def steps(venv_works: bool) -> list[Step]:
    """The commands in their order; a working environment is completed, anything else in its place is made anew."""
    make_venv = [] if venv_works else [[sys.executable, "-m", "venv", "--clear", str(VENV)]]
    jobs = _jobs()
    minutes = max(1, round(BUILD_CORE_MINUTES / jobs))
    files = [str(REQUIREMENTS / f"{name}.txt") for name in ("runtime", "backbones", "analysis", "dev", "docs")]
    return [
        Step("virtual environment and pip: about 5 s", [*make_venv, _pip_install("pip")]),
        Step(
            "torch and build tools, 2.6 GB to download: 1 to 10 minutes",
            [_pip_install("-r", str(REQUIREMENTS / "build.txt"))],
        ),
        Step(
            # mmcv and imaug each ask for another OpenCV distribution; both own the same files, so the last one stays.
            "OpenCV in the form that needs no libGL: about 10 s",
            [_pip_install("opencv-python"), _pip_install("--no-deps", "--force-reinstall", "opencv-python-headless")],
        ),
        Step(
            f"mmcv, compiled here: about {minutes} min with {jobs} job(s) at a time, seconds where pip has it cached",
            [_pip_install("onedl-mmcv")],
        ),
        Step(
            "mmdetection, mmpretrain, timm, tools for tests and docs: about 1 minute",
            [_pip_install(*[argument for file in files for argument in ("-r", file)])],
        ),
        Step("yolo_plugins itself, editable: about 3 s", [_pip_install("--no-deps", "-e", str(ROOT))]),
        Step("a look whether all of it imports: about 15 s", [_venv_run(IMPORTS)]),
    ]


def _execute(command: list[str]) -> None:
    """Runs one command into the log; raises `SetupError` with the reason where it fails, stops it on Ctrl-C."""
    environment = dict(os.environ, CUDA_VISIBLE_DEVICES="", FORCE_CUDA="0", MAX_JOBS=str(_jobs()), PYTHONUNBUFFERED="1")
    begin = time.monotonic()
    with LOG.open("ab") as log:
        start_of_output = log.tell()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        try:
            while process.poll() is None:
                try:
                    process.wait(timeout=60)
                except subprocess.TimeoutExpired:
                    print(f"      ... {(time.monotonic() - begin) / 60:.0f} min", flush=True)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if process.returncode != 0:
        output = LOG.read_bytes()[start_of_output:].decode(errors="replace")
        raise SetupError(f"{explain(output)} (whole output: {LOG}; if it stays, delete {VENV} and run again)")


def _rebuild_mmcv_if_stale() -> None:
    """Compiles mmcv again where pip served a wheel that it had cached for another torch."""
    load = _venv_run("import mmcv.ops")
    result = subprocess.run(load, capture_output=True, text=True)
    if result.returncode != 0 and re.search(r"_ext\S*\.so: undefined symbol", result.stderr):
        print("      pip's cached mmcv belongs to another torch: compiling it again", flush=True)
        _execute(_pip_install("--no-deps", "--force-reinstall", "--no-cache-dir", "onedl-mmcv"))


def _take(plan: list[Step]) -> None:
    """Runs the steps, each with one line before and one after it."""
    for number, step in enumerate(plan, 1):
        print(f"[{number}/{len(plan)}] {step.title}", flush=True)
        begin = time.monotonic()
        for command in step.commands:
            _execute(command)
        if step.commands[-1][-1] == "onedl-mmcv":
            _rebuild_mmcv_if_stale()
        print(f"      done in {time.monotonic() - begin:.0f} s", flush=True)


def install() -> None:
    """Checks the machine, then takes every step; raises `SetupError` at the first fault and leaves no stamp then."""
    venv_works = _venv_works()
    if not venv_works:
        check_python()
    check_compiler()
    check_disk()
    with LOG.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SetupError(f"another set-up is at work in {ROOT}: wait for it (its log: {LOG})") from error
        lock.truncate(0)
        if STAMP.exists():
            STAMP.unlink()
        print(f"Setting up {VENV}, once; most of the time goes into compiling mmcv. Log: {LOG}", flush=True)
        begin = time.monotonic()
        _take(steps(venv_works))
        STAMP.write_text(fingerprint())
    print(f"Set-up done in {(time.monotonic() - begin) / 60:.1f} min", flush=True)


def main() -> int:
    """Exit status: 0 ready, 1 a fault (one line on stderr), 130 interrupted."""
    if is_up_to_date():
        print("set-up is up to date")
        return 0
    try:
        install()
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the next run continues from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
