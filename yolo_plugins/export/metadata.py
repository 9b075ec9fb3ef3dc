"""What an exported file says of itself: as JSON, within the file, so that no other file has to travel with it."""

import json
from typing import Annotated, Any

from pydantic import ConfigDict, Field, FiniteFloat, PositiveInt
from pydantic.dataclasses import dataclass

from yolo_plugins.config_check import LARGEST_SIDE
from yolo_plugins.errors import UsageError
from yolo_plugins.files import json_text

KEY = "yolo_plugins"  # under which a format holds it
NO_LIMIT = 2**31 - 1  # of a detector that keeps whatever is left after suppression
_DATA = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=False)
_Share = Annotated[float, Field(ge=0, le=1)]
_Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]


@dataclass(frozen=True, config=_DATA)
class Selection:
    """How detections are chosen among the decoded boxes.

    Attributes:
        score_thr: A score must exceed this.
        iou_threshold: A box is dropped when it overlaps a better one of its class by more than this.
        multi_label: Whether a box may carry every class above the threshold, or only its best.
        nms_pre: Highest-scoring candidates that enter suppression; of each level where `by_level`.
        max_per_img: Detections kept.
        by_level: Whether `nms_pre` is of each level, as MMDetection's heads have it.
        clips: Whether boxes are clipped to the picture before suppression, as MMDetection's heads do.
        min_side: Both sides of a box must then exceed this, in pixels; below 0 any box stays.
        stays_inside: Whether what is left is clipped to the picture before the letterbox, which whole detectors of
            MMDetection leave out.
    """

    score_thr: FiniteFloat
    iou_threshold: _Share
    multi_label: bool
    nms_pre: PositiveInt
    max_per_img: PositiveInt
    by_level: bool = False
    clips: bool = False
    min_side: FiniteFloat = -1.0
    stays_inside: bool = True


@dataclass(frozen=True, config=_DATA)
class Metadata:
    """Attributes of an exported file.

    Attributes:
        names: The classes, by the numbers that the network gives them.
        input_hw: Height and width in pixels of the input: the only one, or the one that it was tried with.
        dynamic: Whether batch and size may vary; otherwise the batch is 1 and the size `input_hw`.
        nms: Whether the outputs are final detections.
        precision: `f32`, `bf16` or `int8`.
        levels: (stride in pixels, boxes a cell) of each level of the boxes, fine to coarse.
        selection: Of the config; where `nms`, what is within the graph.
        config: Text of the config, of which the test pipeline and the test set are read.
        versions: Of the packages that wrote the file.
    """

    names: tuple[str, ...]
    input_hw: tuple[_Side, _Side]
    dynamic: bool
    nms: bool
    precision: str
    levels: tuple[tuple[PositiveInt, PositiveInt], ...]
    selection: Selection
    config: str
    versions: dict[str, str | None]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return ("boxes", "scores", "labels") if self.nms else ("boxes", "scores")

    def to_json(self) -> str:
        """As JSON text."""
        from pydantic import TypeAdapter

        return json_text(TypeAdapter(Metadata).dump_python(self))


def read_metadata(text: str | None, path: object) -> Metadata:
    """Reads what a file says of itself.

    Args:
        text: JSON; None where the file holds none.
        path: Of the file, for messages.

    Raises:
        UsageError: There is none, or it is damaged.
    """
    from pydantic import TypeAdapter

    remedy = "export it by yolo-plugins export"
    if not text:
        raise UsageError(f"{path}: says nothing of its classes and input; {remedy}")
    try:
        content: Any = json.loads(text)
        return TypeAdapter(Metadata).validate_json(json.dumps(content))
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{path}: what it says of itself is damaged ({reason}); {remedy}") from error
