"""The same annotated pictures, written in VOC's, COCO's and YOLO's layout."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("cat", "dog", "owl")


@dataclass
class Drawn:
    """A picture with whole-pixel boxes.

    Attributes:
        name: Of its file.
        size_wh: In pixels.
        boxes: Class index and xyxy in pixels of each object.
    """

    name: str
    size_wh: tuple[int, int]
    boxes: list[tuple[int, tuple[int, int, int, int]]]


def draw(folder: Path, seed: int = 0, train: int = 6, val: int = 4) -> dict[str, list[Drawn]]:
    """Writes pictures of odd sizes and makes up their objects; every other training picture has none of class 2."""
    rng = np.random.default_rng(seed)
    splits: dict[str, list[Drawn]] = {"train": [], "val": []}
    for split, count in (("train", train), ("val", val)):
        for number in rng.permutation(count):
            width, height = (int(side) for side in rng.integers(61, 140, 2))
            pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            name = f"{split}_{number:03d}.png"
            Image.fromarray(pixels).save(folder / name)
            boxes = []
            for label in rng.integers(0, len(CLASSES), int(rng.integers(1, 5))).tolist():
                x1, y1 = (int(rng.integers(0, side - 20)) for side in (width, height))
                x2, y2 = (int(rng.integers(low + 8, side + 1)) for low, side in ((x1, width), (y1, height)))
                boxes.append((label, (x1, y1, x2, y2)))
            splits[split].append(Drawn(name, (width, height), boxes))
    return splits


def _copy(pictures: list[Drawn], source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        shutil.copy(source / picture.name, target)


def write_voc(root: Path, source: Path, splits: dict[str, list[Drawn]]) -> Path:
    """A VOCdevkit folder."""
    year = root / "VOC2007"
    (year / "Annotations").mkdir(parents=True)
    (year / "ImageSets" / "Main").mkdir(parents=True)
    for split, pictures in splits.items():
        _copy(pictures, source, year / "JPEGImages")
        stems = [Path(picture.name).stem for picture in pictures]
        (year / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(stems))
        for stem, picture in zip(stems, pictures, strict=True):
            (year / "Annotations" / f"{stem}.xml").write_text(as_xml(picture))
    return root


def as_xml(picture: Drawn) -> str:
    """An annotation, with 1-based inclusive corners."""
    objects = "".join(
        f"<object><name>{CLASSES[label]}</name><bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin><xmax>{x2}</xmax>"
        f"<ymax>{y2}</ymax></bndbox></object>"
        for label, (x1, y1, x2, y2) in picture.boxes
    )
    width, height = picture.size_wh
    return f"<annotation><size><width>{width}</width><height>{height}</height></size>{objects}</annotation>"


def as_coco(pictures: list[Drawn]) -> dict:
    """The content of an instances file; ids with gaps, objects in no order of pictures."""
    images = [
        {"id": 100 - 3 * k, "file_name": p.name, "width": p.size_wh[0], "height": p.size_wh[1]}
        for k, p in enumerate(pictures)
    ]
    objects = [
        {"image_id": image["id"], "category_id": 7 + 2 * label, "bbox": [x1, y1, x2 - x1, y2 - y1], "iscrowd": 0}
        for image, picture in zip(images, pictures, strict=True)
        for label, (x1, y1, x2, y2) in picture.boxes
    ]
    categories = [{"id": 7 + 2 * label, "name": name} for label, name in reversed(list(enumerate(CLASSES)))]
    numbered = [dict(entry, id=k) for k, entry in enumerate(objects)]
    numbered.sort(key=lambda entry: -entry["image_id"] % 7)
    return {"images": images, "annotations": numbered, "categories": categories}


def write_coco(root: Path, source: Path, splits: dict[str, list[Drawn]]) -> Path:
    """A COCO folder of the standard form."""
    (root / "annotations").mkdir(parents=True)
    for split, pictures in splits.items():
        _copy(pictures, source, root / f"{split}2017")
        (root / "annotations" / f"instances_{split}2017.json").write_text(json.dumps(as_coco(pictures)))
    return root


def as_text(picture: Drawn) -> str:
    """A label file, with all digits of its fractions."""
    width, height = picture.size_wh
    rows = [
        (label, (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
        for label, (x1, y1, x2, y2) in picture.boxes
    ]
    return "".join(" ".join(map(repr, row)) + "\n" for row in rows)


def write_yolo(root: Path, source: Path, splits: dict[str, list[Drawn]]) -> Path:
    """A folder with a data.yaml, images/SPLIT and labels/SPLIT."""
    for split, pictures in splits.items():
        _copy(pictures, source, root / "images" / split)
        labels = root / "labels" / split
        labels.mkdir(parents=True)
        for picture in pictures:
            (labels / picture.name).with_suffix(".txt").write_text(as_text(picture))
    names = "".join(f"  {k}: {name}\n" for k, name in enumerate(CLASSES))
    lines = "".join(f"{split}: images/{split}\n" for split in splits)
    (root / "data.yaml").write_text(f"{lines}names:\n{names}")
    return root


WRITERS = {"voc": write_voc, "coco": write_coco, "yolo": write_yolo}


def write_all(root: Path, seed: int = 0) -> dict[str, Path]:
    """The same pictures in each layout, by the layout's name."""
    drawn = root / "drawn"
    os.makedirs(drawn)
    splits = draw(drawn, seed)
    return {name: write(root / name, drawn, splits) for name, write in WRITERS.items()}
