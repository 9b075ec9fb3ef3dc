"""A detector written in several formats, and whether the files say what it says, how fast, and how well."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel

import yolo_plugins
from yolo_plugins.cli import say, take_weights
from yolo_plugins.config import input_hw, load_config
from yolo_plugins.costs.latency import Latency, measure_latency, watch_machine
from yolo_plugins.datasets.layouts import use_data
from yolo_plugins.engine import YOLORunner
from yolo_plugins.errors import UsageError
from yolo_plugins.export import FORMATS, Exportable, ExportedNetwork, Metadata, open_exported, write_exported
from yolo_plugins.export.detections import Detections
from yolo_plugins.export.heads import selection_of
from yolo_plugins.export.pictures import letterboxed
from yolo_plugins.export.report import Row
from yolo_plugins.inference import ExportedDetector, class_names, load_detector
from yolo_plugins.inference.model import load_named_detector
from yolo_plugins.masking import mask_values
from yolo_plugins.models.deploy.compare import difference

COMPARED, CALIBRATED = 8, 300  # pictures
_HOOKS = {"class_check": {"type": "ClassCheckHook"}, "console": {"type": "ConsoleHook"}}
Call = Callable[[np.ndarray], tuple[np.ndarray, ...]]


@dataclass(frozen=True)
class Wanted:
    """What is to be exported, and how.

    Attributes:
        checkpoint: File of weights.
        config: By name or path; None for the one that the weights state.
        by_name: Whether the classes of the weights are found by their names, as `--weights` has it.
        options: Changes to the config.
        data: Own pictures, as for `use_data`.
        classes: As for `use_data`.
        formats: By name.
        folder: For the files.
        nms: Whether final detections are the outputs.
        dynamic: Whether batch and size may vary.
        precision: `f32`, `bf16` or `int8`.
        threads: Of all runtimes; None for torch's choice.
        tested: Whether average precision is measured.
    """

    checkpoint: Path
    config: str | None
    by_name: bool
    options: tuple[str, ...]
    data: Path | None
    classes: list[str] | None
    formats: tuple[str, ...]
    folder: Path
    nms: bool
    dynamic: bool
    precision: str
    threads: int | None
    tested: bool

    @property
    def stem(self) -> str:
        """Name of the files, before the suffix."""
        parts = (self.precision if self.precision != "f32" else "", "nms" * self.nms, "dynamic" * self.dynamic)
        return "_".join((self.checkpoint.stem, *filter(None, parts)))


def export(wanted: Wanted) -> tuple[list[Row], list[str]]:
    """Writes the files and compares each with the detector in torch.

    Returns:
        A row for the detector and one for each file; why a format could not be written, a sentence each.

    Raises:
        UsageError: The detector cannot be exported, or not in any of the formats.
    """
    if wanted.nms and wanted.dynamic:
        raise UsageError("--nms --dynamic: final detections are of one picture of one size; give one of the two")
    config, detector, names = _load(wanted)
    size = input_hw(config)
    whole = Exportable(detector, size)
    metadata = _metadata(wanted, config, whole, names)
    network = Detections(whole, metadata.selection, size) if wanted.nms else whole
    calibration = letterboxed(config, _calibration_loader(config), CALIBRATED) if wanted.precision == "int8" else None
    formats: dict[Path, str] = {}
    sizes: dict[Path, int] = {}
    faults: list[str] = []
    for name in wanted.formats:
        path = wanted.folder / f"{wanted.stem}{FORMATS[name].suffix}"
        try:
            sizes[path] = write_exported(network, metadata, FORMATS[name], path, calibration)
            formats[path] = name
        except UsageError as fault:
            faults.append(str(fault))
    if not sizes:
        raise UsageError("; ".join(faults))
    try:
        pictures, tested = letterboxed(config, "test_dataloader", COMPARED), wanted.tested
    except UsageError as fault:
        say(f"no average precision, and the difference is that of noise: {fault}")
        pictures, tested = _noise(metadata.input_hw), False
    threads = wanted.threads or torch.get_num_threads()
    files = {path: open_exported(path, threads) for path in sizes}
    watch = watch_machine()
    differences, times = measure(network, files, pictures, threads)
    state = watch()
    if not state.is_idle:
        say(f"the machine was busy, so do not go by the milliseconds: {state}")
    scores: dict[Path | None, dict[str, float]] = {}
    if tested:
        scores[None] = average_precision(config, detector)
        for path in files:
            model = ExportedDetector(str(path), test_cfg=config.model.get("test_cfg"))
            scores[path] = average_precision(config, model)
    rows = [
        Row(
            format=formats[path] if path else "torch",
            file=str(path or wanted.checkpoint),
            bytes=sizes[path] if path else wanted.checkpoint.stat().st_size,
            precision=wanted.precision if path else "f32",
            difference=differences[path],
            median_ms=times[path].median_ms,
            q1_ms=times[path].q1_ms,
            q3_ms=times[path].q3_ms,
            threads=threads,
            runtime=files[path].runtime if path else f"torch {torch.__version__}",
            **scores.get(path, {}),
        )
        for path in (None, *files)
    ]
    return rows, faults


def _load(wanted: Wanted) -> tuple[Config, Any, Sequence[str]]:
    """Config, detector in deploy form, classes."""

    def take_data(config: Config) -> None:
        say(use_data(config, wanted.data, wanted.classes))

    if not wanted.by_name:
        return load_named_detector(wanted.checkpoint, wanted.config, wanted.options, "cpu", take_data)
    config = load_config(str(wanted.config), wanted.options)
    take_data(config)
    take_weights(config, str(wanted.checkpoint))
    return config, load_detector(config, wanted.checkpoint), class_names(config)


def _metadata(wanted: Wanted, config: Config, network: Exportable, names: Sequence[str]) -> Metadata:
    versions: dict[str, str | None] = {"yolo_plugins": yolo_plugins.__version__, "torch": torch.__version__}
    return Metadata(
        names=tuple(names),
        input_hw=input_hw(config),
        dynamic=wanted.dynamic,
        nms=wanted.nms,
        precision=wanted.precision,
        levels=network.levels,
        selection=selection_of(network.detector.bbox_head),
        config=Config(mask_values(config.to_dict())).pretty_text,
        versions=versions,
    )


def _calibration_loader(config: Config) -> str:
    if config.get("train_dataloader") is None:
        raise UsageError(
            "--precision int8 is calibrated on training pictures, of which a checkpoint's own config tells nothing: "
            "give the config before the checkpoint"
        )
    return "train_dataloader"


def _noise(input_hw: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (1, 3, *input_hw), dtype=np.uint8)


def measure(
    network: torch.nn.Module, files: Mapping[Path, ExportedNetwork], pictures: np.ndarray, threads: int
) -> tuple[dict[Path | None, float], dict[Path | None, Latency]]:
    """How files differ from the network that they were made of, and how long they take beside it.

    Args:
        network: As it was written.
        files: By path, opened with as many threads.
        pictures: (n, 3, H, W) uint8; the first of them is timed.
        threads: Of torch.

    Returns:
        For each file, and under None for the network, `Row.difference`; and for each the latency.
    """
    torch.set_num_threads(threads)
    calls: dict[Path | None, Call] = {None: _in_torch(network)}
    for path, file in files.items():
        calls[path] = file
    outputs = {path: [_compared(call(picture[None])) for picture in pictures] for path, call in calls.items()}
    differences = {path: max(map(difference, found, outputs[None])) for path, found in outputs.items()}
    times = measure_latency({str(path): partial(call, pictures[:1]) for path, call in calls.items()})
    return differences, {path: times[str(path)] for path in calls}


def _in_torch(network: torch.nn.Module) -> Call:
    """A network, called as exported ones are."""

    @torch.inference_mode()
    def run(images: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(output.numpy() for output in network(torch.from_numpy(images)))

    return run


def _compared(outputs: tuple[np.ndarray, ...]) -> tuple[torch.Tensor, ...]:
    """All boxes and scores; of detections the scores alone, as those of nearly one score may change places."""
    return tuple(map(torch.from_numpy, outputs[1:2] if len(outputs) > 2 else outputs))


def average_precision(config: Config, model: BaseModel) -> dict[str, float]:
    """`ap50` and `ap50_95` of a model on a config's test set, as `test` finds them."""
    with tempfile.TemporaryDirectory() as folder:
        run = {"work_dir": folder, "load_from": None, "launcher": "none", "default_hooks": _HOOKS}
        runner = YOLORunner.from_cfg(Config(config.to_dict() | run))
        runner.model = model
        metrics = runner.test()
    return {name: metrics[name] for name in ("ap50", "ap50_95")}
