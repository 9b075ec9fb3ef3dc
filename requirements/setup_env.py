"""Makes `.venv` with the versions of constraints.txt, or does nothing where that is done. Standard library only.

`make setup`, `make test` and `make demo` call it. A step may be interrupted at any point: the stamp is written last and
pip skips what is there, so the next run continues. Old Pythons can read this file, to be refused with the remedy.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

try:
    import fcntl
except ImportError:  # Windows: there two set-ups at once go unnoticed
    fcntl = None  # type: ignore[assignment]

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
VENV = ROOT / ".venv"
STAMP = VENV / "setup.stamp"
LOG = ROOT / ".venv.log"
PYTHON, PACKAGES = (
    ("Scripts/python.exe", "Lib/site-packages") if os.name == "nt" else ("bin/python", "lib/python*/site-packages")
)
# The pinned versions have wheels for these; 3.10 lacks matplotlib, pandas, pillow ...
PYTHONS = ((3, 11), (3, 12), (3, 13))
GIB = 2**30
# Measured for torch 2.11 with its CUDA libraries: installed; wheels waiting to be unpacked; pip's cache of them.
VENV_GIB, DOWNLOAD_GIB, CACHE_GIB = 6.0, 3.0, 3.0
CONTINUE_GIB = 1.5  # the small packages, once torch is installed
BUILD_CORE_MINUTES = 13  # mmcv 2.3.6 without CUDA operators
# pip would compile on one core; and where PYTHONDONTWRITEBYTECODE is set, nothing would be compiled later on.
COMPILE = "import compileall, sysconfig; compileall.compile_dir(sysconfig.get_path('purelib'), quiet=2, workers=0)"
LOOK = "a look whether all of it imports: about 10 s"
IMPORTS = "import cv2, torch, torchvision, mmcv.ops, mmdet.apis, mmpretrain, timm, yolo_plugins"
# What each start of .venv's Python runs: MMDetection's own tools, too, then find what stands in for mmcv's operators.
HOOK = (
    "import sys, types; sys.meta_path.append(types.SimpleNamespace(find_spec=lambda name, *_: "
    '__import__("yolo_plugins.mmcv_hook").mmcv_hook.find_spec(name) if name == "mmcv._ext" else None))\n'
)


class SetupError(Exception):
    """One line: what is wrong, and the remedy."""


class Step(NamedTuple):
    """One line of the progress report and the command behind it."""

    title: str
    command: list[str]


def fingerprint() -> str:
    """Hash of all that decides what is installed: the requirement files, setup.py, this file, and where they lie."""
    digest = hashlib.sha256(str(ROOT).encode())
    for path in [*sorted(REQUIREMENTS.glob("*.txt")), ROOT / "setup.py", Path(__file__)]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def has_operators() -> bool:
    """Whether mmcv's operators are compiled in `.venv`."""
    return any(VENV.glob(f"{PACKAGES}/mmcv/_ext.*"))


def wants_operators() -> bool:
    """What `OPS` says: 1 or 0; without it all stays as it is. Raises `SetupError` where it says anything else."""
    choice = os.environ.get("OPS", "")
    if choice not in ("", "0", "1"):
        raise SetupError(f"OPS={choice}: make setup OPS=1 compiles mmcv's operators, OPS=0 leaves them out again")
    return has_operators() if choice == "" else choice == "1"


def is_up_to_date(operators: bool) -> bool:
    """Whether a set-up of these very requirements ran to its end, and mmcv is as wanted."""
    return STAMP.is_file() and STAMP.read_text() == fingerprint() and operators == has_operators()


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> None:
    """Raises `SetupError` unless this interpreter can make the environment."""
    if version not in PYTHONS:
        names = ["python{}.{}".format(*wanted) for wanted in PYTHONS]
        found = next(filter(_starts, names), None)
        install = "" if found else f"apt-get install {names[0]} {names[0]}-venv (or pyenv), then "
        raise SetupError(
            f"Python {version[0]}.{version[1]} ({sys.executable}) will not do, {' or '.join(names)} will: "
            f"{install}make setup PYTHON={found or names[0]}"
        )
    from importlib.util import find_spec

    if find_spec("ensurepip") is None:
        package = "python{}.{}-venv".format(*version)
        raise SetupError(f"{sys.executable} has no ensurepip, so it cannot make .venv: apt-get install {package}")


def check_compiler() -> None:
    """Raises `SetupError` where mmcv's operators could not be compiled."""
    import sysconfig

    compiler = os.environ.get("CXX", "c++").split()[0]
    if shutil.which(compiler) is None:
        raise SetupError(f"no C++ compiler ({compiler}), which OPS=1 needs: apt-get install build-essential")
    if not Path(sysconfig.get_paths()["include"], "Python.h").is_file():
        package = "python{}.{}-dev".format(*sys.version_info)
        raise SetupError(f"{sys.executable} has no Python.h, which OPS=1 needs: apt-get install {package}")


def check_disk() -> None:
    """Raises `SetupError` where a disk would fill up half-way; .venv, TMPDIR and pip's cache may share one."""
    import tempfile

    needs = [(VENV, CONTINUE_GIB)]
    if not any(VENV.glob(f"{PACKAGES}/torch-*.dist-info")):
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
        "not enough memory to compile mmcv: make setup OPS=1 MAX_JOBS=1",
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
    return [str(VENV / PYTHON), "-c", code]


def _venv_works() -> bool:
    """Whether `.venv` holds a Python that starts and a whole pip (its RECORD is written last)."""
    whole_pip = "import importlib.metadata, pip._internal.cli.main; assert importlib.metadata.files('pip')"
    try:
        return subprocess.run(_venv_run(whole_pip), capture_output=True).returncode == 0
    except OSError:
        return False


def _operators_load() -> bool:
    """Whether mmcv's operators are compiled in `.venv`, and for the torch that is there."""
    code = "import torch, mmcv._ext; assert not mmcv._ext.__file__.endswith('.py')"
    return subprocess.run(_venv_run(code), capture_output=True).returncode == 0


def _pip_install(*arguments: str) -> list[str]:
    install = [str(VENV / PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-compile"]
    return [*install, "-c", str(REQUIREMENTS / "constraints.txt"), *arguments]


def _jobs() -> int:
    """Compilers at a time: MAX_JOBS, or one a core as far as 2 GiB of memory each allow."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB if hasattr(os, "sysconf") else 2
    return int(os.environ.get("MAX_JOBS") or max(1, min(cores, int(memory_gib // 2))))


def make_venv() -> list[Step]:
    """A new `.venv`, whatever lies in its place."""
    return [
        Step("virtual environment: about 5 s", [sys.executable, "-m", "venv", "--clear", str(VENV)]),
        Step("pip: about 3 s", _pip_install("pip")),
    ]


def install_packages() -> list[Step]:
    """All packages; what is there in the right version stays."""
    proven = ["--build-constraint", str(REQUIREMENTS / "constraints.txt")]
    # pip builds mmcv where no torch is, so without operators; its cache could hold one with them, for another torch.
    plain_mmcv = ["--no-deps", "--no-cache-dir", *proven, "onedl-mmcv"]
    return [
        Step("mmcv without compiled operators: about 5 s", _pip_install(*plain_mmcv)),
        Step(
            "torch and all the rest, 2.7 GB to download: about 1 minute after that",
            _pip_install(*proven, "-e", f"{ROOT}[backbones,analysis,export,dev,docs]"),
        ),
        # mmcv and imaug each ask for another OpenCV distribution; both own the same files, so the last one stays.
        Step(
            "OpenCV in the form that needs no libGL: about 5 s",
            _pip_install("--no-deps", "--force-reinstall", "opencv-python-headless"),
        ),
    ]


def change_operators(operators: bool) -> list[Step]:
    """Compiles mmcv's operators, or takes them out again."""
    again = ["--no-deps", "--no-cache-dir", "--force-reinstall", "onedl-mmcv"]
    if not operators:
        return [Step("mmcv without compiled operators: about 5 s", _pip_install(*again))]
    minutes = max(1, round(BUILD_CORE_MINUTES / _jobs()))
    return [
        Step("build tools: about 5 s", _pip_install("-r", str(REQUIREMENTS / "build.txt"))),
        Step(
            f"mmcv's operators, compiled here: about {minutes} min with {_jobs()} job(s) at a time",
            _pip_install("--no-build-isolation", *again),
        ),
    ]


def _execute(command: list[str]) -> float:
    """Runs one command into the log; stops it on Ctrl-C.

    Returns:
        Seconds that pip spent on downloads.

    Raises:
        SetupError: It fails; with the reason.
    """
    defaults = {"FORCE_CUDA": "0", "MAX_JOBS": str(_jobs())}
    environment = {**defaults, **os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONUNBUFFERED": "1"}
    begin = told = last = time.monotonic()
    downloading, output = 0.0, [""]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    )
    try:
        with LOG.open("ab", buffering=0) as log:
            for line in process.stdout:
                log.write(line)
                before, last = last, time.monotonic()
                if output[-1].startswith("  Downloading"):  # pip's next line comes when the file is there
                    downloading += last - before
                output.append(line.decode(errors="replace"))
                if last - told > 60:
                    told = last
                    print(f"      ... {(told - begin) / 60:.0f} min", flush=True)
        process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if process.returncode != 0:
        reason = explain("".join(output))
        raise SetupError(f"{reason} (whole output: {LOG}; if it stays, delete {VENV} and run again)")
    return downloading


def _take(steps: list[Step]) -> float:
    """Runs the steps, each with one line before and one after it; returns the seconds that went into downloads."""
    total = 0.0
    for step in steps:
        print(f"- {step.title}", flush=True)
        begin = time.monotonic()
        downloading = _execute(step.command)
        total += downloading
        note = f" and {downloading:.0f} s for downloads" if downloading >= 0.5 else ""
        print(f"      done in {time.monotonic() - begin - downloading:.0f} s{note}", flush=True)
    return total


def install(operators: bool) -> None:
    """Checks the machine, then takes every step; raises `SetupError` at the first fault and leaves no stamp then."""
    venv_works = _venv_works()
    if not venv_works:
        check_python()
    if operators:
        check_compiler()
    check_disk()
    with LOG.open("ab") as lock:
        try:
            if fcntl:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SetupError(f"another set-up is at work in {ROOT}: wait for it (its log: {LOG})") from error
        lock.truncate(0)
        if STAMP.exists():
            STAMP.unlink()
        print(f"Setting up {VENV}, once. Log: {LOG}", flush=True)
        begin = time.monotonic()
        downloading = _take([*([] if venv_works else make_venv()), *install_packages()])
        next(VENV.glob(PACKAGES)).joinpath("mmcv_hook.pth").write_text(HOOK)
        if not _operators_load() if operators else has_operators():
            downloading += _take(change_operators(operators))
        _take([Step("bytecode, on all cores: about 15 s", _venv_run(COMPILE)), Step(LOOK, _venv_run(IMPORTS))])
        STAMP.write_text(fingerprint())
    seconds = time.monotonic() - begin
    print(f"Set-up done in {seconds - downloading:.0f} s and {downloading:.0f} s for downloads", flush=True)


def main() -> int:
    """Exit status: 0 ready, 1 a fault (one line on stderr), 130 interrupted."""
    try:
        operators = wants_operators()
        if is_up_to_date(operators):
            print("set-up is up to date")
        else:
            install(operators)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the next run continues from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
