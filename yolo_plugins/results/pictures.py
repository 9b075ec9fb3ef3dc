"""Pictures of a test with what they hold and what was found, small enough to be part of a page."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from yolo_plugins.datasets.drawing import draw_boxes
from yolo_plugins.datasets.images import read_image
from yolo_plugins.errors import UsageError
from yolo_plugins.evaluation.errors_by_kind import RIGHT, Verdicts
from yolo_plugins.evaluation.matching import Floats, Ints
from yolo_plugins.pages.render import data_uri
from yolo_plugins.results.collect import Tested

_SIDE = 560  # long side at most, pixels
_QUALITY = 80  # of JPEG


@dataclass(frozen=True)
class Panel:
    """One drawn copy of a picture."""

    caption: str
    uri: str


@dataclass(frozen=True)
class Shown:
    """A picture on the page: its name, a line on it, and its drawn copies, none where its file cannot be read."""

    name: str
    line: str
    panels: tuple[Panel, ...]


class Gallery:
    """Draws pictures of one or more models that were tested on them.

    Args:
        models: (what was found, what is right of it) of each; the pictures and their objects are the same.
    """

    def __init__(self, models: Sequence[tuple[Tested, Verdicts]]) -> None:
        self._models = models
        self._found = [_by_picture(verdicts.found.group, tested) for tested, verdicts in models]

    def show(self, index: int, line: str, captions: Sequence[str]) -> Shown:
        """One picture: its objects, and then what each of the models found, dashed where it is wrong.

        Args:
            index: Number of the picture.
            line: What is said of it.
            captions: Of the models.
        """
        tested = self._models[0][0]
        picture = tested.pictures[index]
        try:
            image = Image.fromarray(np.ascontiguousarray(read_image(picture.path)[..., ::-1]))
        except UsageError as error:
            return Shown(str(picture.img_id), f"{line}; cannot be shown: {error}", ())
        factor = min(1.0, _SIDE / max(image.size))
        image = image.resize([max(1, round(side * factor)) for side in image.size])
        panels = [Panel("objects", self._draw_objects(image.copy(), index, factor))]
        panels += [
            Panel(caption, self._draw_found(image.copy(), model, index, factor))
            for model, caption in enumerate(captions)
        ]
        return Shown(str(picture.img_id), line, tuple(panels))

    def _draw_objects(self, image: Image.Image, index: int, factor: float) -> str:
        tested = self._models[0][0]
        bboxes, labels, difficult, *_ = tested.images[index]
        names = [tested.classes[label] for label in labels]
        return _drawn(image, bboxes * factor, labels, names, difficult.tolist())

    def _draw_found(self, image: Image.Image, model: int, index: int, factor: float) -> str:
        tested, verdicts = self._models[model]
        rows = self._found[model].get(index, np.zeros(0, np.int64))
        rows = rows[np.argsort(verdicts.found.values[rows], kind="stable")]  # the surest on top
        found, kinds = verdicts.found.take(rows), verdicts.kind[rows].tolist()
        names = [
            f"{tested.classes[label]} {score:.2f}" + ("" if kind == RIGHT else f" {kind}")
            for label, score, kind in zip(found.labels, found.values, kinds, strict=True)
        ]
        return _drawn(image, found.bboxes * factor, found.labels, names, [kind != RIGHT for kind in kinds])


def _by_picture(group: Ints, tested: Tested) -> dict[int, Ints]:
    """Places of the boxes of each picture that has some."""
    pictures = tested.matches.images[group // len(tested.classes)]
    order = np.argsort(pictures, kind="stable")
    numbers, starts = np.unique(pictures[order], return_index=True)
    return dict(zip(numbers.tolist(), np.split(order, starts[1:]), strict=False))  # split makes one part of nothing


def _drawn(image: Image.Image, bboxes: Floats, labels: Ints, names: list[str], dashed: list[bool]) -> str:
    draw_boxes(image, bboxes.tolist(), labels.tolist(), names, dashed)
    data = io.BytesIO()
    image.save(data, "jpeg", quality=_QUALITY)
    return data_uri(data.getvalue(), "image/jpeg")
