"""The checks: each loads what it looks at, so that a broken package is a fault of its own line alone."""

import io
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from importlib import import_module
from importlib.metadata import requires
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from yolo_plugins import __version__
from yolo_plugins.costs.machine import cpu_model, device_name
from yolo_plugins.doctor.lines import Check, Line
from yolo_plugins.faults import first_line
from yolo_plugins.files import cache_folder
from yolo_plugins.masking import mask_values
from yolo_plugins.versions import NO_TELEMETRY, describe_git, describe_installation, find_conflicts, find_installed

PYTHONS = ("3.11", "3.12", "3.13")  # tested
_GIB = 2**30
_LITTLE_GIB = 1
_EXTRAS = ("backbones", "analysis", "export", "tensorrt")  # for users
# Modules that others have compiled, and that break; the distribution that brings each.
_MODULES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "mmengine": "onedl-mmengine",
    "mmcv": "onedl-mmcv",
    "mmdet": "onedl-mmdetection",
    "mmpretrain": "onedl-mmpretrain",
    "timm": "timm",
    "scipy": "scipy",
    "pandas": "pandas",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "nncf": "nncf",
    "tensorrt": "tensorrt",
}
# Beginnings of the environment variables that change what a command does.
_VARIABLES = (
    *("CUBLAS_", "CUDA_", "CUDNN_", "HF_", "HIP_", "KMP_", "LD_", "MKL_", "MPL", "NCCL_", "OMP_", "OPENBLAS_"),
    *("OPENCV_", "PYTHON", "PYTORCH_", "TORCH", "YOLO_PLUGINS_"),
    *("LOCAL_RANK", "OMPI_COMM_WORLD_RANK", "RANK", "SLURM_PROCID", "WORLD_SIZE"),
)
_TOGETHER = "install torch and torchvision together, of one release, both with CUDA or both without it"


def all_checks(data: Path | None = None) -> list[Check]:
    """The checks in the order of the report.

    Args:
        data: Own pictures to verify too.
    """
    again = "pip install --force-reinstall --no-deps"
    checks = [
        Check("yolo_plugins", _package, "install it anew"),
        Check("command", _command, "install yolo_plugins anew"),
        Check("Python", _python, "install another one"),
        Check("machine", _machine, f"{again} psutil"),
        Check("disk", _disks, "work in a folder that is there"),
        Check("environment", _environment, "unset what is wrong"),
        Check("packages", _packages, "install yolo_plugins anew"),
        *(Check(module, partial(_import, module), f"{again} {name}") for module, name in _MODULES.items()),
        Check("torch", _devices, f"{again} torch"),
        Check("torchvision", _torchvision, _TOGETHER),
        Check("mmcv", _mmcv, f"{again} onedl-mmcv, or in a checkout make setup OPS=1 (compiled) or OPS=0 (not)"),
        Check("plugins", _plugins, "pip uninstall what does not load"),
        Check("detector", _detector, "mend what is at fault above, or report it with this page"),
        Check("JPEG", _jpeg, f"{again} pillow"),
        Check("matplotlib", _matplotlib, "set MPLBACKEND=Agg"),
    ]
    return [*checks, Check("data", partial(_data, data), "see docs/data.md", seconds=None)] if data else checks


def _package() -> Iterator[Line]:
    git = describe_git()
    commit = f", commit {git['commit'][:10]}{' with changes' if git['dirty'] else ''}" if git else ""
    yield Line("ok", "yolo_plugins", f"{__version__}{commit}, {Path(__file__).parents[1]}")


def _command() -> Iterator[Line]:
    script = shutil.which("yolo-plugins")
    if script is None:
        yield Line("note", "command", "not on PATH; activate its environment, or use python -m yolo_plugins")
        return
    run = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=30, check=False)
    said = (run.stdout or run.stderr).strip().rpartition("\n")[2]
    if said == describe_installation():
        yield Line("ok", "command", f"{script} runs this package")
    else:
        text = f"{script} runs another installation ({said}); pip uninstall the one that you do not want"
        yield Line("note", "command", text)


def _python() -> Iterator[Line]:
    is_tested = platform.python_version().rpartition(".")[0] in PYTHONS
    text = f"{platform.python_version()} ({platform.python_implementation()}), {sys.executable}"
    yield Line("ok", "Python", text) if is_tested else Line("note", "Python", f"{text}; tested: {', '.join(PYTHONS)}")
    system = platform.platform()
    linux = sys.platform == "linux"
    yield Line("ok", "system", system) if linux else Line("note", "system", f"{system}; tested on Linux only")


def _machine() -> Iterator[Line]:
    import psutil

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count()
    cores = f"{psutil.cpu_count(logical=False)} cores, {psutil.cpu_count()} threads, {usable} for this process"
    yield Line("ok", "CPU", f"{cpu_model()}, {cores}")
    memory = psutil.virtual_memory()
    yield Line("ok", "memory", f"{memory.available / _GIB:.1f} of {memory.total / _GIB:.1f} GiB free")


def _disks() -> Iterator[Line]:
    for name, folder, other in (
        ("work folder", Path.cwd(), "work in another folder"),
        ("cache folder", cache_folder(), "set YOLO_PLUGINS_CACHE to another folder"),
    ):
        there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
        free = shutil.disk_usage(there).free / _GIB
        if not os.access(there, os.W_OK):
            yield Line("fault", name, f"{folder} may not be written; {other}")
        else:
            text = f"{folder}, {free:.1f} GiB free"
            yield Line("ok", name, text) if free > _LITTLE_GIB else Line("note", name, f"{text}; make room, or {other}")


def _environment() -> Iterator[Line]:
    found = {name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)}
    text = ", ".join(f"{name}={value}" for name, value in mask_values(found).items())
    yield Line("ok", "environment", text or "no variable that changes what a command does")


def _packages() -> Iterator[Line]:
    """What of the requirements is installed, and whether it goes together."""
    for sentence in find_conflicts():
        yield Line("fault", "packages", sentence)
    for extra, requirements in _declared().items():
        name, found, missing = f"[{extra}]" if extra else "packages", [], []
        for requirement in requirements:
            own = requirement.name, str(requirement.specifier)
            brings, version = find_installed(requirement.name)
            if version is None:
                missing.append(requirement.name)
            elif brings == requirement.name and not requirement.specifier.contains(version, prereleases=True):
                yield Line("fault", brings, f"{version} does not do, {own[1]} does; pip install '{''.join(own)}'")
            else:
                found.append(f"{brings} {version}")
        if found:
            yield Line("ok", name, ", ".join(found))
        if missing:
            wanted = f"yolo_plugins[{extra}]" if extra else " ".join(missing)
            text = f"not installed: {', '.join(missing)}; pip install '{wanted}'"
            yield Line("note" if extra else "fault", name, text)


def _declared() -> dict[str, list[Requirement]]:
    """What the package needs, under "", and each of its extras: of the checkout, or else as it was installed."""
    files = Path(__file__).parents[2] / "requirements"
    if (files / "runtime.txt").is_file():
        texts = {extra: (files / f"{extra or 'runtime'}.txt").read_text().splitlines() for extra in ("", *_EXTRAS)}
        lines = {extra: [line.partition("#")[0].strip() for line in text] for extra, text in texts.items()}
        return {extra: [Requirement(line) for line in texts if line] for extra, texts in lines.items()}
    declared = [Requirement(text) for text in requires("yolo_plugins") or []]
    return {
        extra: [one for one in declared if (one.marker.evaluate({"extra": extra}) if one.marker else not extra)]
        for extra in ("", *_EXTRAS)
    }


def _import(module: str) -> Iterator[Line]:
    """Nothing to tell, or a fault; that a module is missing is told where the packages are."""
    if find_spec(module):
        os.environ.update(NO_TELEMETRY)  # of the process of the checks alone
        import_module(module)
    yield from ()


def _devices() -> Iterator[Line]:
    import torch
    from torch.utils.collect_env import get_nvidia_driver_version, run

    toolkit = f"ROCm {torch.version.hip}" if torch.version.hip else f"CUDA {torch.version.cuda}"
    has_toolkit = bool(torch.version.cuda or torch.version.hip)
    driver, cudnn = get_nvidia_driver_version(run), torch.backends.cudnn.version()
    built = f"built for {toolkit}, cuDNN {cudnn}" if has_toolkit else "built for the CPU alone"
    yield Line("ok", "torch", f"{torch.__version__}, {built}, CPU threads: {torch.get_num_threads()}")
    if driver:
        yield Line("ok", "NVIDIA driver", driver)
    try:
        torch.cuda.init()
    except (AssertionError, RuntimeError) as error:
        is_fault = driver and has_toolkit and "CUDA_VISIBLE_DEVICES" not in os.environ
        remedy = f"; for a GPU {'mend the driver, or ' if has_toolkit else ''}{_TOGETHER}" if driver else ""
        yield Line("fault" if is_fault else "note", "GPU", f"none that torch can use: {first_line(error)}{remedy}")
    else:
        yield from map(_gpu, range(torch.cuda.device_count()))
    if torch.backends.mps.is_available():
        yield Line("note", "MPS", "torch could use it; the commands use cpu and cuda")


def _gpu(index: int) -> Line:
    import torch

    properties = torch.cuda.get_device_properties(index)
    text = f"{device_name(torch.device('cuda', index))}, {properties.total_memory / _GIB:.1f} GiB"
    text += f", compute capability {properties.major}.{properties.minor}"
    try:
        torch.ones(2, device=f"cuda:{index}").sum().item()
    except RuntimeError as error:
        return Line("fault", f"GPU {index}", f"{text}: {first_line(error)}; install a torch that is built for it")
    return Line("ok", f"GPU {index}", text)


def _torchvision() -> Iterator[Line]:
    import torch
    from torchvision.ops import nms

    boxes = torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 7], [20, 20, 28, 28]])
    for device in _kinds():
        kept = nms(boxes.to(device), torch.tensor([0.9, 0.8, 0.7], device=device), 0.5).tolist()
        right = kept == [0, 2]
        text = "its operators run" if right else f"NMS keeps the boxes {kept}, not [0, 2]; {_TOGETHER}"
        yield Line("ok" if right else "fault", "torchvision", f"{device}: {text}")


def _mmcv() -> Iterator[Line]:
    import_module("mmcv.ops")
    is_ours = str(sys.modules["mmcv._ext"].__file__).endswith("mmcv_ops.py")
    yield Line("ok", "mmcv", f"its operators are {'those of torchvision' if is_ours else 'compiled'}")


def _plugins() -> Iterator[Line]:
    from yolo_plugins.plugins import LOADED

    names = (f"{plugin.name} ({plugin.distribution} {plugin.version})" for plugin in LOADED)
    yield Line("ok", "plugins", ", ".join(names) or "none installed")


def _detector() -> Iterator[Line]:
    """The way of every prediction: config, registries, network, NMS."""
    import numpy as np

    from yolo_plugins.config import load_config
    from yolo_plugins.inference import detect, test_pipeline
    from yolo_plugins.registry import MODELS

    config = load_config("yolov5_n_voc", ["img_size=64"])
    pipeline = test_pipeline(config)
    detector = MODELS.build(config.model).eval()
    for device in _kinds():
        detect(detector.to(device), [np.full((48, 64, 3), 114, np.uint8)], pipeline)
        yield Line("ok", "detector", f"{device}: yolov5_n_voc predicts")


def _kinds() -> list[str]:
    import torch

    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def _jpeg() -> Iterator[Line]:
    from PIL import Image

    from yolo_plugins.datasets.images import read_image

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "red.jpg")
        Image.new("RGB", (16, 8), (255, 0, 0)).save(path)
        image = read_image(path)
    right = image.shape == (8, 16, 3) and abs(image.astype(int) - (0, 0, 255)).max() < 9
    yield (
        Line("ok", "JPEG", "is read")
        if right
        else Line("fault", "JPEG", f"red is read as {image[0, 0].tolist()} (BGR)")
    )


def _matplotlib() -> Iterator[Line]:
    if find_spec("matplotlib"):
        import matplotlib
        from matplotlib import pyplot

        figure = pyplot.figure(figsize=(1, 1))
        figure.savefig(io.BytesIO())
        pyplot.close(figure)
        yield Line("ok", "matplotlib", f"draws with {matplotlib.get_backend()}")


def _data(data: Path) -> Iterator[Line]:
    from yolo_plugins.datasets.from_config import find_datasets
    from yolo_plugins.datasets.verify import verify

    report = verify(find_datasets(None, data=data))
    for split, counts in report.counts.items():
        found = (f"{count:,} {name.replace('_', ' ')}" for name, count in asdict(counts).items())
        yield Line("ok", "data", f"{split}: {', '.join(found)}")
    if report.warnings:
        yield Line("note", "data", f"{len(report.warnings)} warning(s), the first: {report.warnings[0]}")
    if report.faults:
        text = f"{len(report.faults)} fault(s), the first: {report.faults[0]}; `verify --data` lists them all"
        yield Line("fault", "data", text)
