"""Exported files in the place of a detector: the same pictures in, the same boxes out."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor

from yolo_plugins.checkpoints.classes import check_class_names
from yolo_plugins.checkpoints.transfer import match_classes
from yolo_plugins.config import input_hw
from yolo_plugins.errors import UsageError
from yolo_plugins.export.files import is_exported, open_exported
from yolo_plugins.export.formats.base import ExportedNetwork
from yolo_plugins.export.metadata import NO_LIMIT, Metadata, Selection
from yolo_plugins.export.select import rows_per_level, select
from yolo_plugins.faults import some
from yolo_plugins.models.detectors import to_original
from yolo_plugins.registry import MODELS


@MODELS.register_module()
class ExportedDetector(BaseModel):
    """A network in an exported file, as a detector that predicts.

    Args:
        file: Its path, or opened.
        device: As of `open_exported`, for a path.
        classes: Names of the classes wanted; those that the file does not know are never found. By default its own.
        test_cfg: How detections are selected, as a config has it; by default as the file says.

    Attributes:
        metadata: What the file says of itself.
        runtime: What runs it, and where.
        device: Where it runs.
        undoes_padding: As of `YOLODetector`.

    Raises:
        UsageError: As `open_exported`, or the file knows none of the classes.
    """

    undoes_padding = True

    def __init__(
        self,
        file: str | ExportedNetwork,
        device: str | None = None,
        classes: Sequence[str] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._network = open_exported(file, device=device) if isinstance(file, str) else file
        self._file = str(self._network.path)
        self.metadata: Metadata = self._network.metadata
        self.runtime = f"{self._network.runtime}, {self._network.device}"
        self.device = self._network.device
        self._selection = _selection(self.metadata.selection, test_cfg or {})
        names = self.metadata.names
        self._places = range(len(names)) if classes is None else _places(names, classes, self._file)
        if self.metadata.nms:
            self._tell_what_is_fixed()

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "predict") -> Any:
        """Detections of one batch.

        Args:
            inputs: (N, 3, H, W) uint8 BGR, letterboxed, or a list of (3, H, W).
            data_samples: Samples whose metainfo says what the letterbox did.
            mode: "predict".

        Returns:
            The samples with `pred_instances`, as of `YOLODetector.predict`.

        Raises:
            UsageError: Another mode, or the file does not run on such pictures.
        """
        if mode != "predict":
            raise UsageError(f"{self._file}: an exported file predicts, and is not trained; give its checkpoint")
        for sample, picture, outputs in zip(data_samples, inputs, self._outputs(inputs), strict=True):
            if self.metadata.nms:
                found = self._filtered(*outputs)
            else:
                height, width = sample.img_shape[:2]
                found = self._selected(outputs, (picture.shape[1], picture.shape[2]), (height, width))
            found.bboxes = to_original(found.bboxes, sample, self._selection.stays_inside)
            sample.pred_instances = found
        return list(data_samples)

    def _outputs(self, inputs: Any) -> Iterator[tuple[Tensor, ...]]:
        """What the network says of each picture; a file of one size takes one picture at a time."""
        together = self.metadata.dynamic and torch.is_tensor(inputs)
        for batch in [inputs] if together else [picture[None] for picture in inputs]:
            yield from zip(*self._run(batch), strict=True)

    def _run(self, batch: Tensor) -> tuple[Tensor, ...]:
        hw, metadata = (batch.shape[2], batch.shape[3]), self.metadata
        if not metadata.dynamic and hw != metadata.input_hw:
            height, width = metadata.input_hw
            raise UsageError(
                f"{self._file}: takes pictures of {height}x{width} (height x width), not {hw[0]}x{hw[1]}; set "
                f"img_size=({height}, {width}), or export it by --dynamic"
            )
        arrays = self._network(np.ascontiguousarray(batch.cpu().numpy()))
        self._check_shapes([array.shape for array in arrays], len(batch), hw)
        return tuple(torch.from_numpy(np.array(array)) for array in arrays)

    def _check_shapes(self, shapes: Sequence[tuple[int, ...]], count: int, hw: tuple[int, int]) -> None:
        """Refuses outputs that are not what the file says of itself."""
        if self.metadata.nms:
            fits = len(shapes) == 3 and shapes[0] == (*shapes[1], 4) and shapes[1] == shapes[2]
        else:
            rows = sum(rows_per_level(self.metadata.levels, hw))
            fits = list(shapes) == [(count, rows, 4), (count, rows, len(self.metadata.names))]
        if not fits:
            raise UsageError(
                f"{self._file}: gives outputs of shapes {list(shapes)}, which do not go with its "
                f"{len(self.metadata.names)} classes; export it again"
            )

    def _selected(
        self, outputs: tuple[Tensor, ...], input_hw: tuple[int, int], picture_hw: tuple[int, int]
    ) -> InstanceData:
        bboxes, scores = outputs
        wanted = [scores.new_zeros(len(scores)) if place is None else scores[:, place] for place in self._places]
        rows = rows_per_level(self.metadata.levels, input_hw)
        return select(bboxes, torch.stack(wanted, 1), self._selection, rows, picture_hw)

    def _filtered(self, bboxes: Tensor, scores: Tensor, labels: Tensor) -> InstanceData:
        """What of the detections that the file has chosen is wanted; it fills up with scores of 0."""
        number = torch.full((len(self.metadata.names),), -1)
        for label, place in enumerate(self._places):
            if place is not None:
                number[place] = label
        labels = number[labels.long()]
        kept = ((scores > max(self._selection.score_thr, 0)) & (labels >= 0)).nonzero().flatten()
        kept = kept[: self._selection.max_per_img]
        return InstanceData(bboxes=bboxes[kept], scores=scores[kept], labels=labels[kept])

    def _tell_what_is_fixed(self) -> None:
        own, asked = self.metadata.selection, asdict(self._selection)
        fixed = {
            key: value
            for key, value in asked.items()
            if value != getattr(own, key)
            and not (key == "score_thr" and value > own.score_thr)
            and not (key == "max_per_img" and value < own.max_per_img)
        }
        if fixed:
            told = ", ".join(f"{key}={getattr(own, key)}, not {value}" for key, value in fixed.items())
            _tell(f"{self._file}: suppression is in the file, with {told}; export it without --nms to choose")


def as_checkpoint(metadata: Metadata) -> dict[str, Any]:
    """What an exported file says of itself, as a checkpoint says it."""
    return {"meta": {"cfg": metadata.config, "dataset_meta": {"classes": metadata.names}}}


def exported_network(
    file: str, options: Sequence[str] = (), device: str | None = None, refused: Mapping[str, bool] = {}
) -> ExportedNetwork | None:
    """Opens an exported file that takes the place of a checkpoint; None for any other file.

    Args:
        file: Its path.
        options: Changes to its config.
        device: Where it is to run.
        refused: Options of a command that need a network of torch, and whether they are given.

    Raises:
        UsageError: As `open_exported`; or such an option is given, or one that changes the network.
    """
    if not is_exported(file):
        return None
    for name in (name for name, given in refused.items() if given):
        raise UsageError(f"{file}: {name} is for checkpoints; leave it out with an exported file")
    for option in options:
        key = f"{option.partition('=')[0].strip()}."
        if key.startswith("model.") and not key.startswith("model.test_cfg."):
            raise UsageError(f"{file}: {option!r} would change its network; leave it out, or give its checkpoint")
    return open_exported(file, device=device)


def use_exported(config: Config, network: ExportedNetwork, classes: Sequence[str], by_name: bool = False) -> None:
    """Puts an exported file in the place of a config's model, and its size in the place of the test set's.

    The config names the file by its path, as configs are text: who builds from it opens the file once more.

    Args:
        config: Changed in place.
        network: Of the file.
        classes: Those of the test set.
        by_name: Whether they may be others than the file's, and are found by their names.

    Raises:
        UsageError: The classes are others, or the test set states no size.
    """
    file, metadata = str(network.path), network.metadata
    if not by_name:
        check_class_names(as_checkpoint(metadata), classes, file)
    if not metadata.dynamic:
        _take_size(config, file, metadata.input_hw)
    config.model = dict(
        type="yolo_plugins.ExportedDetector",
        file=file,
        device=network.device,
        classes=tuple(classes),
        test_cfg=config.model.get("test_cfg"),
    )
    config.load_from = None


def _take_size(config: Config, file: str, hw: tuple[int, int]) -> None:
    dataset, stated = config.test_dataloader.dataset, input_hw(config)
    rectangles = dataset.pop("rect_batch_size", None)
    for part in (dataset, *(dataset.get("pipeline") or [])):
        if part.get("img_size") is not None:
            part["img_size"] = hw
    if stated != hw or rectangles:
        asked = "rectangles" if rectangles else f"{stated[0]}x{stated[1]}"
        _tell(
            f"{file}: takes {hw[0]}x{hw[1]} (height x width) alone, to which pictures are brought in place of {asked}"
        )


def _selection(own: Selection, test_cfg: Mapping[str, Any]) -> Selection:
    """As the file says, but for what a config states."""
    stated = {**test_cfg, **(test_cfg.get("nms") or {})}
    keys = ["score_thr", "iou_threshold"]
    if own.max_per_img < NO_LIMIT:  # else a head that keeps whatever is left, whatever its config states
        keys += ["nms_pre", "max_per_img"]
    changes = {key: stated[key] for key in keys if stated.get(key) is not None and stated[key] >= 0}
    return replace(own, **changes, multi_label=own.multi_label and stated.get("multi_label", True))


def _places(names: Sequence[str], classes: Sequence[str], file: str) -> Sequence[int | None]:
    if tuple(names) == tuple(classes):
        return range(len(names))
    places = match_classes(names, classes, file)
    missing = [label for label, place in zip(classes, places, strict=True) if place is None]
    if len(missing) == len(classes):
        raise UsageError(
            f"{file}: its classes are {some(names)}, none of the config's ({some(classes)}); give another file"
        )
    unknown = f"; it knows no {some(missing)}" if missing else ""
    _tell(f"{file}: {len(classes) - len(missing)} of its {len(names)} classes taken by name{unknown}")
    return places


def _tell(sentence: str) -> None:
    print_log(sentence, "current", logging.WARNING)
