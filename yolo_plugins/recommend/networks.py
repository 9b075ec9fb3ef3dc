"""A network that may be recommended, and how it is made to run."""

import contextlib
import math
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn

from yolo_plugins import __version__
from yolo_plugins.costs.machine import device_name
from yolo_plugins.errors import UsageError
from yolo_plugins.export import FORMATS, Exportable, Metadata, Selection, open_exported, write_exported
from yolo_plugins.export.formats.base import imported
from yolo_plugins.faults import explain
from yolo_plugins.models.deploy import to_deploy
from yolo_plugins.protocol import sha256_of
from yolo_plugins.registry import MODELS
from yolo_plugins.study.model_choice import Candidate

RUNTIMES = {"torch": "", "onnxruntime": "onnx", "openvino": "openvino"}  # by the format of the file that each runs
PRECISIONS = ("f32", "bf16")
_TRIES = 3  # calls of a network that seems far too slow
_PACKAGES = ("torch", "timm", "mmdet", "onedl-mmdetection", "mmpretrain", "onedl-mmpretrain")
# Parts of a model's config on which its time does not depend.
_TIMELESS = re.compile(
    "loss.*|assigner|init_cfg|pretrained|train_cfg|test_cfg|data_preprocessor|freeze|norm_eval|_scope_"
)
_NO_SELECTION = Selection(score_thr=0, iou_threshold=1, multi_label=False, nms_pre=1, max_per_img=1)


@dataclass(frozen=True)
class Network:
    """A detector that may be recommended.

    Attributes:
        name: In the study, where it is measured there; else of its config, or of its backbone.
        model: Config of the detector.
        candidate: What the study's law goes by.
        command: What trains it.
        file: Where the config goes that trains it, of a network that was searched; None of one that has a config.
        predicted_ms: What was expected of its time before it was measured.
    """

    name: str
    model: dict[str, Any]
    candidate: Candidate
    command: str
    file: Path | None = None
    predicted_ms: float | None = None

    @property
    def input_hw(self) -> tuple[int, int]:
        """Height and width of its input in pixels."""
        return self.candidate.row["input_h"], self.candidate.row["input_w"]

    @property
    def sha256(self) -> str:
        """Equal for networks that take the same time, at one input size."""
        return sha256_of(_timed(self.model))


@dataclass(frozen=True)
class Setting:
    """How networks are run.

    Attributes:
        runtime: One of `RUNTIMES`.
        precision: One of `PRECISIONS`.
        device: Of torch.
        threads: Of the CPU.

    Raises:
        UsageError: The runtime does not know the precision or the device, or is not installed.
    """

    runtime: str
    precision: str
    device: str
    threads: int

    def __post_init__(self) -> None:
        """Refuses what cannot be run."""
        if self.runtime == "onnxruntime" and self.precision != "f32":
            raise UsageError(
                f"--precision {self.precision}: ONNX Runtime has f32 here; give --runtime openvino or torch"
            )
        if self.runtime == "openvino" and self.device != "cpu":
            raise UsageError(
                f"--device {self.device}: OpenVINO runs on the CPU here; give --runtime onnxruntime or torch"
            )
        if RUNTIMES[self.runtime]:
            FORMATS[RUNTIMES[self.runtime]].require()

    def key(self, network: Network) -> dict[str, Any]:
        """All that the time of a network depends on."""
        return {
            **{"machine": self.machine, "cores": psutil.cpu_count(), "threads": self.threads, "device": self.device},
            **{"runtime": self.runtime, "precision": self.precision, "input_hw": list(network.input_hw)},
            **{"network": network.sha256, "versions": library_versions() | {self.runtime: self.version}},
        }

    @property
    def machine(self) -> str:
        """Name of the CPU or the GPU."""
        return device_name(torch.device(self.device))

    @property
    def version(self) -> str:
        """Of the runtime, whose distribution may have another name, as onnxruntime-gpu."""
        return str(imported(self.runtime).__version__)

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''} of "
        where = f"{threads if self.device == 'cpu' else ''}{self.machine} ({psutil.cpu_count()} cores)"
        return f"{where}, {self.runtime} {self.version}, {self.precision}, one picture at a time"


def try_network(network: Network, setting: Setting, limit_ms: float) -> tuple[Exportable, float]:
    """Builds a network with random weights as it is trained, and runs it a few times.

    Args:
        network: What is built.
        setting: Of its device.
        limit_ms: A call below that is enough.

    Returns:
        The network, and the time of the best call in milliseconds.

    Raises:
        UsageError: It cannot be built, exported or run.
    """
    return _explained(network, lambda: _try(network, setting, limit_ms))


def ready_network(exportable: Exportable, network: Network, setting: Setting) -> tuple[Callable[[], object], int]:
    """A call that runs one picture by the runtime, and the bytes of what it loads.

    Raises:
        UsageError: It cannot be converted.
    """
    return _explained(network, lambda: _ready(exportable, network, setting))


def _try(network: Network, setting: Setting, limit_ms: float) -> tuple[Exportable, float]:
    exportable = Exportable(MODELS.build(network.model).eval(), network.input_hw).to(setting.device)
    run, best = _torch_call(exportable, network.input_hw), math.inf
    for _ in range(_TRIES):
        begin = time.perf_counter()
        run()
        if setting.device != "cpu":
            torch.cuda.synchronize()
        best = min(best, 1e3 * (time.perf_counter() - begin))
        if best <= limit_ms:
            break
    return exportable, best


def _ready(exportable: Exportable, network: Network, setting: Setting) -> tuple[Callable[[], object], int]:
    input_hw = network.input_hw
    deployed = Exportable(to_deploy(exportable.detector, input_hw), input_hw)
    if not RUNTIMES[setting.runtime]:
        deployed = deployed.bfloat16() if setting.precision == "bf16" else deployed
        return _torch_call(deployed, input_hw), weights_bytes(deployed)
    known = FORMATS[RUNTIMES[setting.runtime]]
    metadata = Metadata((), input_hw, False, False, setting.precision, deployed.levels, _NO_SELECTION, "", {})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"network{known.suffix}")
        size = write_exported(deployed.cpu(), metadata, known, path)
        opened = open_exported(path, setting.threads, setting.device)
    picture = torch.zeros(1, 3, *input_hw, dtype=torch.uint8).numpy()
    return lambda: opened(picture), size


def _torch_call(network: nn.Module, input_hw: tuple[int, int]) -> Callable[[], object]:
    picture = torch.zeros(1, 3, *input_hw, dtype=torch.uint8, device=next(network.parameters()).device)

    @torch.inference_mode()
    def run() -> object:
        return network(picture)

    return run


def weights_bytes(network: nn.Module) -> int:
    """Bytes of parameters and buffers."""
    return sum(value.numel() * value.element_size() for value in network.state_dict().values())


def _explained(network: Network, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        raise UsageError(f"{network.name}: {sentence}") from error


def _timed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _timed(item) for key, item in value.items() if not _TIMELESS.fullmatch(str(key))}
    return [_timed(item) for item in value] if isinstance(value, list | tuple) else value


def library_versions() -> dict[str, str]:
    """Versions of the packages that networks come from, and of this one."""
    found = {"yolo_plugins": __version__}
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
