"""`Detector`: a file of weights that takes pictures from anywhere and gives named boxes."""

import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from tqdm.auto import tqdm

from yolo_plugins.errors import UsageError
from yolo_plugins.export.files import is_exported
from yolo_plugins.faults import suggest
from yolo_plugins.inference.model import detect, load_named_detector, set_thresholds, test_pipeline
from yolo_plugins.inference.result import Boxes, Result
from yolo_plugins.inference.sources import Picture, Source, open_source


class UnreadablePicture(UserWarning):
    """One of several pictures could not be read; the others are given all the same."""


class Detector:
    """A detector with its weights.

    ```python
    for result in Detector("epoch_200.pth")("pictures/"):
        print(result.path, result.boxes.names)
    ```

    Args:
        weights: A checkpoint or an exported file, which hold their config, or an official file of YOLOv5 or
            Scaled-YOLOv4.
        config: The model and its test set, by name, by path or as it was read; by default what the weights say.
        score_thr: Least score of a box.
        iou_threshold: Overlap, 0..1, with a box of its class and a higher score, from which on a box is left out.
        classes: Names of those that are wanted; all by default.
        device: `cpu`, `cuda`, `cuda:1` ...; `auto` takes a GPU where torch finds one, and for an
            exported file what its runtime is for: the CPU, but for `.engine`.
        batch_size: How many pictures go through the network together; more than one pays on a GPU.
        options: Changes to the config, `key=value`.

    Attributes:
        names: The classes, by the numbers that the detector gives them: those in the file, or else of the config.
        config: In use.
        device: In use.

    Raises:
        UsageError: The weights are unreadable, do not fit the config, or say nothing of their model and no config is
            given; or an argument is out of its range.
    """

    def __init__(
        self,
        weights: str | Path,
        config: str | Path | Config | None = None,
        *,
        score_thr: float = 0.25,
        iou_threshold: float = 0.45,
        classes: Sequence[str] | None = None,
        device: str | torch.device = "auto",
        batch_size: int = 1,
        options: Sequence[str] = (),
    ) -> None:
        for name, value in (("score_thr", score_thr), ("iou_threshold", iou_threshold)):
            if not 0 <= value <= 1:
                raise UsageError(f"{name}={value}: give a number from 0 to 1")
        if batch_size < 1:
            raise UsageError(f"batch_size={batch_size}: give a whole number, 1 or more")
        self.batch_size = batch_size
        given = None if device == "auto" and is_exported(weights) else _device(device)  # None: the runtime's choice
        self.config, self._model, self.names = load_named_detector(
            weights, config, options, given, lambda config: set_thresholds(config, score_thr, iou_threshold)
        )
        self.device = given or torch.device(self._model.device)
        self._pipeline = test_pipeline(self.config)
        self._labels = None if classes is None else [_label(name, self.names) for name in classes]

    def __call__(self, source: Any, progress: bool = True) -> "Results":
        """Finds the pictures of a source; each is read and searched when its turn comes.

        Args:
            source: A path, a folder with its sub-folders, a pattern (`a/*.jpg`), an http address; an array (H, W, 3)
                uint8, blue first as `cv2.imread` returns it; a Pillow picture; a video, the number of a camera; a list,
                tuple or iterator of these.
            progress: Whether a bar shows how far it is, in a terminal or notebook, where there are several pictures.

        Returns:
            An iterator over a `Result` for each picture.

        Raises:
            UsageError: The source is none of these, leads nowhere or holds no picture; or, once the iterator gets
                there, its only picture cannot be read.
        """
        return Results(self, open_source(source), progress)

    def detect(self, pictures: Sequence[Picture]) -> list[Result]:
        """What is on some pictures, which go through the network together."""
        found = detect(self._model, [picture.image for picture in pictures], self._pipeline)
        return [
            Result(
                picture.image,
                self._boxes(instances),
                self.names,
                picture.path,
                picture.name,
                picture.frame,
                picture.seconds,
            )
            for picture, instances in zip(pictures, found, strict=True)
        ]

    def _boxes(self, found: InstanceData) -> Boxes:
        xyxy, scores, labels = (part.numpy() for part in (found.bboxes, found.scores, found.labels))
        if self._labels is not None:
            kept = np.isin(labels, self._labels)
            xyxy, scores, labels = xyxy[kept], scores[kept], labels[kept]
        names = [self.names[label] for label in labels]
        return Boxes(xyxy.astype(np.float32), scores.astype(np.float32), labels.astype(np.int64), names)


class Results(Iterator[Result]):
    """The results of a source, one after the other; no more than a batch of pictures is held.

    Attributes:
        source: What they are of.
        faults: What could not be read so far, a sentence each. Each is a warning, too.
    """

    def __init__(self, detector: Detector, source: Source, progress: bool) -> None:
        self.faults: list[str] = []
        self.source = source
        self._detector = detector
        self._given = 0
        self._results = self._run(progress and (source.length or 0) > 1 and _is_watched())

    def __next__(self) -> Result:
        """The next one.

        Raises:
            UsageError: The only picture cannot be read.
        """
        result = next(self._results)
        self._given += 1
        return result

    def _run(self, progress: bool) -> Iterator[Result]:
        with tqdm(total=self.source.length, unit="picture", disable=not progress) as bar:
            batch: list[Picture] = []
            for item in self.source:
                if isinstance(item, UsageError):
                    self._note(item)
                    bar.update()
                    continue
                batch.append(item)
                if len(batch) == self._detector.batch_size:
                    yield from self._detector.detect(batch)
                    bar.update(len(batch))
                    batch = []
            if batch:
                yield from self._detector.detect(batch)
                bar.update(len(batch))

    def _note(self, fault: UsageError) -> None:
        if self.source.is_alone and not self._given:
            raise fault
        self.faults.append(str(fault))
        warnings.warn(str(fault), UnreadablePicture, stacklevel=4)


def _is_watched() -> bool:
    """Whether somebody looks on, at a terminal or in a notebook."""
    return sys.stderr.isatty() or "ipykernel.zmqshell" in sys.modules


def _device(device: str | torch.device) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # an AssertionError where torch has no CUDA
        raise UsageError(f"device={str(device)!r} cannot be used here; give auto, cpu or cuda:0") from error


def _label(name: str, names: Sequence[str]) -> int:
    if name not in names:
        raise UsageError(f"classes: the detector knows no {name!r}; {suggest(name, names, 'its names are .names')}")
    return names.index(name)
