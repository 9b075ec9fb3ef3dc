"""What a detector found on one picture."""

from collections import Counter
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from PIL import Image

from yolo_plugins.datasets.drawing import draw_boxes
from yolo_plugins.errors import UsageError
from yolo_plugins.files import write_atomically

if TYPE_CHECKING:
    from pandas import DataFrame


class Boxes(NamedTuple):
    """Boxes on a picture, by falling score.

    Attributes:
        xyxy: (k, 4) float32, in pixels of the picture.
        scores: (k,) float32, 0..1.
        labels: (k,) int64, the class as its place in `Result.names`.
        names: (k,) the class by its name.
    """

    xyxy: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    names: list[str]


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """A picture and the boxes on it; a notebook shows them drawn.

    Attributes:
        image: The picture, (H, W, 3) uint8 BGR.
        boxes: What was found.
        names: All classes of the detector.
        path: Of the picture's file or video, its address, or `camera 0`; empty for an array.
        name: Where the source is a folder or a pattern, the path below it; otherwise the file's name.
        frame: Number of the picture in a video or of a camera, from 0 on; None for other pictures.
        seconds: The time of that frame since the start.
    """

    image: np.ndarray
    boxes: Boxes
    names: tuple[str, ...]
    path: str = ""
    name: str = ""
    frame: int | None = None
    seconds: float | None = None

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the picture in pixels."""
        height, width = self.image.shape[:2]
        return width, height

    def to_dict(self) -> dict[str, Any]:
        """All but the pixels, as plain values: a box is `dict(label, score, bbox_xyxy)`, `label` being the name."""
        width, height = self.size_wh
        columns = (self.boxes.names, self.boxes.scores.tolist(), self.boxes.xyxy.tolist())
        boxes = [dict(label=name, score=score, bbox_xyxy=bbox) for name, score, bbox in zip(*columns, strict=True)]
        frame = {} if self.frame is None else {"frame": self.frame, "seconds": self.seconds}
        return {"path": self.path, **frame, "width": width, "height": height, "boxes": boxes}

    def to_frame(self) -> "DataFrame":
        """A table with a row a box: `path`, `frame`, `seconds`, `name`, `label` (number), `score`, `x1` to `y2`."""
        import pandas as pd

        place = {"path": self.path, "frame": self.frame, "seconds": self.seconds}
        found = {"name": self.boxes.names, "label": self.boxes.labels, "score": self.boxes.scores}
        corners = dict(zip(("x1", "y1", "x2", "y2"), self.boxes.xyxy.T, strict=True))
        return pd.DataFrame(place | found | corners, index=range(len(self.boxes.names)))

    def draw(self) -> Image.Image:
        """The picture, RGB, with a box, class and score for each detection; a copy."""
        drawn = Image.fromarray(np.ascontiguousarray(self.image[..., ::-1]))
        texts = [f"{name} {score:.2f}" for name, score in zip(self.boxes.names, self.boxes.scores, strict=True)]
        draw_boxes(drawn, self.boxes.xyxy.tolist(), self.boxes.labels.tolist(), texts)
        return drawn

    def save(self, path: str | Path) -> None:
        """Writes the drawn picture, in the format that the suffix names.

        Raises:
            UsageError: OpenCV writes no such format.
        """
        content = self.encoded(Path(path).suffix)
        if content is None:
            raise UsageError(f"{path}: cannot be written in this format; give a name that ends with .png or .jpg")
        write_atomically(path, content)

    def encoded(self, suffix: str) -> bytes | None:
        """The drawn picture as the content of a file; None where OpenCV writes no such file, or none of that size."""
        try:
            done, data = cv2.imencode(suffix, np.asarray(self.draw())[..., ::-1])
        except cv2.error:
            return None
        return data.tobytes() if done else None

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.draw().save(buffer, "PNG")
        return buffer.getvalue()

    def __repr__(self) -> str:
        width, height = self.size_wh
        found = ", ".join(f"{count} {name}" for name, count in Counter(self.boxes.names).items()) or "nothing"
        frame = "" if self.frame is None else f", frame {self.frame}"
        return f"Result({self.path or 'array'}{frame}, {width} x {height}: {found})"
