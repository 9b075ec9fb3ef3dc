"""Families of models and the groups that laws are fitted to: what each is made of, called and drawn like.

A group is a value of the column that divides the models, normally a family, or one of the two unions `all` and
`not_yolov5`. The files have its name, everything that is read has its title. A new family is a new row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ALL, NOT_YOLOV5, OTHER = "all", "not_yolov5", "other"
_YOLOV5 = "yolov5"
GREEN, ORANGE = "#009E73", "#D55E00"  # of Okabe and Ito (2008)


@dataclass(frozen=True)
class Style:
    """Colour, line style and marker of a model's curve or of a group of models; names are matplotlib's."""

    color: str
    linestyle: Any
    marker: str


@dataclass(frozen=True)
class Group:
    """A family, or a union of families.

    Attributes:
        name: In the tables.
        title: Everywhere else.
        style: Of its line and its points; None for the next free one.
        networks: What models of the family are made of, type by part as in a record; none for what is no family or
            only stands in tables of published figures.
    """

    name: str
    title: str
    style: Style | None = None
    networks: tuple[Mapping[str, str], ...] = ()


def _network(backbone: str, neck: str) -> dict[str, str]:
    return {"backbone": backbone, "neck": neck, "bbox_head": "YOLOAnchorHead"}


_OUTSIDE = Style(GREEN, "--", "s")
_ROWS = (
    Group(ALL, "all models", Style("#000000", ":", "x")),
    Group(NOT_YOLOV5, "models outside YOLOv5", _OUTSIDE),
    Group(_YOLOV5, "YOLOv5", Style(ORANGE, "-", "o"), (_network("YOLOv5CSP", "YOLOv5PAFPN"),)),
    Group("yolov5_p6", "YOLOv5-P6"),
    Group("yolov5_flexible", "flexible YOLOv5"),
    Group("flexible_other", "other backbones in flexible YOLOv5"),
    Group(
        "scaled_yolov4",
        "Scaled-YOLOv4",
        networks=(_network("YOLOv4CSP", "YOLOv4CSPPAN"), _network("YOLOv4Tiny", "YOLOv4TinyFPN")),
    ),
    *(
        Group(name, title)
        for name, title in (
            *(("yolox", "YOLOX"), ("yolox_darknet", "YOLOX-Darknet"), ("yolov6", "YOLOv6"), ("yolov6_p6", "YOLOv6-P6")),
            *(("yolov8", "YOLOv8"), ("yolov9", "YOLOv9"), ("yolov10", "YOLOv10"), ("yolo11", "YOLO11")),
            *(("rtmdet", "RTMDet"), ("ppyoloe", "PP-YOLOE"), ("efficientdet", "EfficientDet")),
        )
    ),
    Group(OTHER, "other models", _OUTSIDE),
)
GROUPS = {row.name: row for row in _ROWS}


def family_of(modules: Mapping[str, str]) -> str:
    """Family of a detector by the types of its parts; a family's backbone on another neck or head is of none.

    Args:
        modules: Type by part, as in a record, where a part may be missing: `{"backbone": "YOLOv5CSP", "neck": ...}`.
    """
    types = {part: name.removeprefix("yolo_plugins.") for part, name in modules.items()}
    families = (row.name for row in GROUPS.values() if any(own.items() <= types.items() for own in row.networks))
    return next(families, OTHER)


def group_title(group: str) -> str:
    """What a group is called wherever it is read; by its own name where the table has none."""
    return GROUPS[group].title if group in GROUPS else group


def is_yolov5(group: object) -> bool:
    """Whether a group is YOLOv5, or a release of it followed by a word, as `yolov5_p6`."""
    return f"{group}_".startswith(f"{_YOLOV5}_")


def drawn_groups(groups: Sequence[str]) -> tuple[str, ...]:
    """The groups whose laws are drawn and told first: as few as answer the study's question, none sharing a model.

    The question is how YOLOv5 compares with the models outside it, so the latter have one line together, and YOLOv5 has
    that of its own release: other releases differ in recipe or input size, and stay in the tables. Where a column
    divides the models in another way, each of its groups has a line.

    Args:
        groups: Those with a law.

    Returns:
        YOLOv5's, then those outside it; `ALL` only where no other group has a law.
    """
    narrow = [group for group in groups if group != ALL]
    yolov5 = [_YOLOV5] if _YOLOV5 in narrow else [group for group in narrow if is_yolov5(group)]
    outside = [NOT_YOLOV5] if NOT_YOLOV5 in narrow else [group for group in narrow if not is_yolov5(group)]
    return (*yolov5, *outside) or tuple(groups)


def reference_group(groups: Sequence[str]) -> str:
    """The group that single models are compared with: the drawn one outside YOLOv5, `ALL` where none or several are."""
    outside = [group for group in drawn_groups(groups) if not is_yolov5(group)]
    return outside[0] if len(outside) == 1 else ALL


def compared_groups(groups: Sequence[str]) -> dict[str, str]:
    """Which group's line is tested against which other's: each release of YOLOv5 against the models outside YOLOv5.

    Both lines are as they are drawn: other releases, which are the same networks, count on neither side. Where a column
    divides the models in two in another way, the first group is tested against the second.

    Args:
        groups: Those with a law.
    """
    drawn, outside = drawn_groups(groups), reference_group(groups)
    if outside != ALL:
        return {group: outside for group in groups if is_yolov5(group)}
    return {drawn[0]: drawn[1]} if len(drawn) == 2 else {}
