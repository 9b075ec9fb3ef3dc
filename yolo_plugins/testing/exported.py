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
from yolo_plugins.export import FORMATS, Exportable, Metadata, open_exported, write_exported
from yolo_plugins.export.detections import Detections
from yolo_plugins.export.files import is_exported
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
        formats: By name.
        folder: For the files.
        config: By name or path; None for the one that the weights state.
        by_name: Whether the classes of the weights are found by their names, as `--weights` has it.
        options: Changes to the config.
        data: Own pictures, as for `use_data`.
        classes: As for `use_data`.
        nms: Whether final detections are the outputs.
        dynamic: Whether batch and size may vary.
        precision: `f32`, `bf16` or `int8`.
        threads: Of all runtimes; None for torch's choice.
        tested: Whether average precision is measured.
        seconds: After which nothing is timed any more.
    """

    checkpoint: Path
    formats: tuple[str, ...]
    folder: Path
    config: str | None = None
    by_name: bool = False
    options: tuple[str, ...] = ()
    data: Path | None = None
    classes: list[str] | None = None
    nms: bool = False
    dynamic: bool = False
    precision: str = "f32"
    threads: int | None = None
    tested: bool = True
    seconds: float = 60.0

    @property
    def stem(self) -> str:
        """Name of the files, before the suffix."""
        parts = (self.precision if self.precision != "f32" else "", "nms" * self.nms, "dynamic" * self.dynamic)
        return "_".join((self.checkpoint.stem, *filter(None, parts)))


@dataclass(frozen=True)
class _Form:
    """The detector in torch, or in a file.

    Attributes:
        said: Columns of its `Row` that need no other form.
        call: Gives boxes and scores of a batch.
        model: Takes the test.
    """

    said: dict[str, Any]
    call: Call
    model: BaseModel


def export(wanted: Wanted) -> tuple[list[Row], list[str]]:
    """Writes the files and compares each with the detector in torch.

    Returns:
        A row for the detector and one for each file; why a format could not be written or run, a sentence each.

    Raises:
        UsageError: The detector cannot be exported, or not in any of the formats.
    """
    if is_exported(wanted.checkpoint):
        raise UsageError(f"{wanted.checkpoint}: is exported already; give the checkpoint that it was made of")
    if wanted.nms and wanted.dynamic:
        raise UsageError("--nms --dynamic: final detections are of one picture of one size; give one of the two")
    config, detector, names = _load(wanted)
    size = input_hw(config)
    whole = Exportable(detector, size)
    metadata = _metadata(wanted, config, whole, names)
    network = Detections(whole, metadata.selection, size) if wanted.nms else whole
    calibration = letterboxed(config, _calibration_loader(config), CALIBRATED) if wanted.precision == "int8" else None
    try:
        pictures, tested = letterboxed(config, "test_dataloader", COMPARED), wanted.tested
    except UsageError as fault:
        say(f"no average precision, and the difference is that of noise: {fault}")
        pictures, tested = _noise(size), False
    threads = wanted.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    in_torch = _in_torch(network)
    batches = _batches(pictures, whole.multiple if wanted.dynamic else 0)
    expected = [_compared(in_torch(batch)) for batch in batches]
    said = _said("torch", wanted.checkpoint, wanted.checkpoint.stat().st_size, "f32", 0.0, f"torch {torch.__version__}")
    forms = {wanted.checkpoint: _Form(said, in_torch, detector)}
    faults: list[str] = []
    for name in dict.fromkeys(wanted.formats):
        path = wanted.folder / f"{wanted.stem}{FORMATS[name].suffix}"
        try:
            written = write_exported(network, metadata, FORMATS[name], path, calibration)
            file = open_exported(path, threads)
            share = _difference(file, batches, expected)
        except UsageError as fault:
            faults.append(str(fault))
            continue
        model = ExportedDetector(file, test_cfg=config.model.get("test_cfg"))
        forms[path] = _Form(_said(name, path, written, wanted.precision, share, file.runtime), file, model)
    if faults and len(forms) == 1:
        raise UsageError("; ".join(faults))
    times = _times(forms, pictures[:1], wanted.seconds)
    scores: dict[Path, Any] = {}
    if tested:
        scores = {path: average_precision(config, form.model) for path, form in forms.items()}
    rows = [
        Row(**form.said, **_quartiles(times[path]), **scores.get(path, {}), threads=threads)
        for path, form in forms.items()
    ]
    return rows, faults


def _said(name: str, path: Path, size: int, precision: str, share: float, runtime: str) -> dict[str, Any]:
    return dict(format=name, file=str(path), bytes=size, precision=precision, difference=share, runtime=runtime)


def _quartiles(latency: Latency) -> dict[str, Any]:
    return {name: getattr(latency, name) for name in ("median_ms", "q1_ms", "q3_ms")}


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
        selection=selection_of(network.detector),
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


def _batches(pictures: np.ndarray, multiple: int) -> list[np.ndarray]:
    """What is compared: (1, 3, H, W) uint8 of each picture; where the size may vary, two larger ones together as well.

    Args:
        pictures: (n, 3, H, W) uint8.
        multiple: Of which, in pixels, sides may be multiples; 0 where they may not vary.
    """
    one_by_one = [picture[None] for picture in pictures]
    if not multiple:
        return one_by_one
    larger = np.pad(pictures[[0, -1]], ((0, 0), (0, 0), (0, multiple), (0, 2 * multiple)))
    return [*one_by_one, larger]


def _in_torch(network: torch.nn.Module) -> Call:
    """A network, called as exported ones are."""

    @torch.inference_mode()
    def run(images: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(output.numpy() for output in network(torch.from_numpy(images)))

    return run


def _compared(outputs: tuple[np.ndarray, ...]) -> tuple[torch.Tensor, ...]:
    """All boxes and scores; of detections the scores alone, as those of nearly one score may change places."""
    return tuple(map(torch.from_numpy, outputs[1:2] if len(outputs) > 2 else outputs))


def _difference(file: Call, batches: Sequence[np.ndarray], expected: Sequence[tuple[torch.Tensor, ...]]) -> float:
    shares = [difference(_compared(file(batch)), said) for batch, said in zip(batches, expected, strict=True)]
    return float(np.max(shares))  # nan where one is


def _times(forms: Mapping[Path, _Form], picture: np.ndarray, seconds: float) -> dict[Path, Latency]:
    """How long each takes beside the others for one picture; tells where the machine was busy."""
    watch = watch_machine()
    calls = {str(path): partial(form.call, picture) for path, form in forms.items()}
    found = measure_latency(calls, seconds=(min(1.0, seconds), seconds))
    state = watch()
    if not state.is_idle:
        say(f"the machine was busy, so do not go by the milliseconds: {state}")
    return {path: found[str(path)] for path in forms}


def average_precision(config: Config, model: BaseModel) -> dict[str, float]:
    """`ap50` and `ap50_95` of a model on a config's test set, as `test` finds them."""
    with tempfile.TemporaryDirectory() as folder:
        run: dict[str, Any] = {
            "work_dir": folder,
            "experiment_name": Path(folder).name,
            "launcher": "none",
            "default_hooks": _HOOKS,
        }
        run |= {"load_from": None, "model": torch.nn.Identity()}  # the config's own would be built once more
        runner = YOLORunner.from_cfg(Config(config.to_dict() | run))
        runner.model = model
        metrics = runner.test()
    return {name: metrics[name] for name in ("ap50", "ap50_95")}
