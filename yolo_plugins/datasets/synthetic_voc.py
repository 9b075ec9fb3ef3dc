"""A VOCdevkit folder of geometric shapes, made on the spot: for the demo and the tests, where no real data is at hand.

Every class is one shape in one colour family on grey textured grounds, so that a small detector learns it in minutes.
Boxes are those of the visible pixels, as VOC defines them. Each picture depends on (seed, split, index) alone.
"""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from yolo_plugins.datasets.voc import VOC_CLASSES, annotation_path, split_path
from yolo_plugins.errors import UsageError
from yolo_plugins.files import json_text

_MARKER = "SYNTHETIC.json"
_FORMAT = "yolo_plugins.datasets.synthetic_voc"
_FIRST_TEST_NUMBER = 500_001  # VOC2007 holds train and test in one folder: their numbers must not meet
_JPEG_QUALITY = 90
_SOLID = 127  # mask values above it count as the object's own pixels; the anti-aliased rim below does not

_SIZE_RANGE = (0.22, 0.60)  # side of an object over the short side of its picture
_TINY_RANGE = (0.06, 0.09)
_FAINT_OPACITY = 0.3
_MAX_COVERED = 0.25  # share of an object that a later one may hide
_DIFFICULT_BELOW = 0.4  # an object with less of it visible is difficult
_TRUNCATED_EVERY = 3  # every third picture has an object that leaves it
_DIFFICULT_EVERY = 4  # every fourth picture has an object that is tiny, faint or hidden, in turn
_MAX_EXTRA_OBJECTS = 3
_PLACEMENT_TRIES = 20


@dataclass(frozen=True)
class _Object:
    label: int
    full_area: int  # pixels of the whole shape, those out of the picture included
    truncated: bool
    difficult: bool


@dataclass(frozen=True)
class _Shape:
    """A drawn shape: mask (h, w) uint8 opacity, and the (x, y) pixel of its top left corner in the picture."""

    mask: np.ndarray
    corner: tuple[int, int]

    def windows(self, height: int, width: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """The part of a (height, width) picture that the shape meets, and the same part of the mask."""
        (x, y), (h, w) = self.corner, self.mask.shape
        top, left, bottom, right = max(y, 0), max(x, 0), max(min(y + h, height), 0), max(min(x + w, width), 0)
        inside = (slice(top, bottom), slice(left, right))
        return inside, (slice(top - y, max(bottom - y, 0)), slice(left - x, max(right - x, 0)))


def make_synthetic_voc(
    root: str | Path,
    train: int = 320,
    test: int = 80,
    num_classes: int = 6,
    long_side_range: tuple[int, int] = (200, 280),
    seed: int = 0,
) -> Path:
    """Writes a synthetic VOCdevkit: VOC2007 train and test, VOC2012 train; replaces an earlier synthetic one.

    The folder appears whole or not at all. A larger number of pictures leaves the first ones unchanged.

    Args:
        root: The VOCdevkit folder to write.
        train: Training pictures, at least 2; half go to VOC2007 (rounded down), the rest to VOC2012.
        test: Pictures of VOC2007 test, at least 1.
        num_classes: Classes that occur, 1 to 20: the first ones of `VOC_CLASSES`.
        long_side_range: Least and greatest long side in pixels, at least 64.
        seed: Seed of everything.

    Returns:
        `root`.

    Raises:
        UsageError: A number is out of its range, or `root` holds something that is not a synthetic data set.
    """
    root = Path(root)
    _check_arguments(train, test, num_classes, long_side_range)
    _check_replaceable(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        draft.chmod(0o755)  # mkdtemp makes it private
        splits = (("VOC2007", "train", train // 2), ("VOC2012", "train", train - train // 2), ("VOC2007", "test", test))
        for split_index, (sub, split, count) in enumerate(splits):
            names = [_picture_name(sub, split, index) for index in range(count)]
            for index, name in enumerate(names):
                rng = np.random.default_rng((seed, split_index, index))
                _write_picture(draft, sub, name, *_draw_picture(rng, index, num_classes, long_side_range))
            _write_text(split_path(draft, sub, split), "".join(f"{name}\n" for name in names))
        marker = {"format": _FORMAT, "train": train, "test": test, "num_classes": num_classes, "seed": seed}
        _write_text(draft / _MARKER, json_text(marker | {"long_side_range": long_side_range}) + "\n")
        _swap(draft, root)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return root


def _check_arguments(train: int, test: int, num_classes: int, long_side_range: tuple[int, int]) -> None:
    if train < 2 or test < 1:
        raise UsageError(f"train={train}, test={test}: give at least 2 training pictures and 1 test picture")
    if not 1 <= num_classes <= len(VOC_CLASSES):
        raise UsageError(f"num_classes={num_classes}: give a number from 1 to {len(VOC_CLASSES)}")
    if not 64 <= long_side_range[0] <= long_side_range[1]:
        raise UsageError(f"long_side_range={long_side_range}: give the least side first, both at least 64 pixels")


def _check_replaceable(root: Path) -> None:
    """Refuses any path but a free one, an empty folder and an earlier synthetic data set."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return
    try:
        synthetic = json.loads((root / _MARKER).read_text(encoding="utf-8"))["format"] == _FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        synthetic = False
    if not synthetic:
        raise UsageError(f"{root}: holds something other than a synthetic data set; give another folder")


def _swap(draft: Path, root: Path) -> None:
    """Puts `draft` in the place of `root`."""
    if root.exists():
        retired = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
        root.replace(retired)
        draft.replace(root)
        shutil.rmtree(retired)
    else:
        draft.replace(root)


def _picture_name(sub: str, split: str, index: int) -> str:
    if sub == "VOC2012":
        return f"2012_{index + 1:06d}"
    return f"{index + (_FIRST_TEST_NUMBER if split == 'test' else 1):06d}"


def _draw_picture(
    rng: np.random.Generator, index: int, num_classes: int, long_side_range: tuple[int, int]
) -> tuple[np.ndarray, list[_Object], np.ndarray]:
    """One picture.

    Returns:
        (H, W, 3) uint8 BGR picture; its objects; (H, W) int16 map of the object (number from 1) that owns each pixel.
    """
    long_side = int(rng.integers(long_side_range[0], long_side_range[1] + 1))
    short_side = int(long_side * rng.uniform(0.6, 0.95))
    height, width = (short_side, long_side) if rng.random() < 0.6 else (long_side, short_side)
    img = _draw_ground(rng, height, width)
    owner = np.zeros((height, width), np.int16)
    objects: list[_Object] = []
    # Every picture opens with a plain object, the classes in turn: a small set has all of them.
    _add_object(rng, img, owner, objects, index % num_classes)
    if index % _TRUNCATED_EVERY == _TRUNCATED_EVERY - 1:
        _add_object(rng, img, owner, objects, int(rng.integers(num_classes)), truncated=True)
    for _ in range(int(rng.integers(_MAX_EXTRA_OBJECTS + 1))):
        _add_object(rng, img, owner, objects, int(rng.integers(num_classes)))
    if index % _DIFFICULT_EVERY == _DIFFICULT_EVERY - 1:
        kind = ("tiny", "faint", "hidden")[index // _DIFFICULT_EVERY % 3]
        _add_object(rng, img, owner, objects, int(rng.integers(num_classes)), difficulty=kind)
    return img, objects, owner


def _add_object(
    rng: np.random.Generator,
    img: np.ndarray,
    owner: np.ndarray,
    objects: list[_Object],
    label: int,
    truncated: bool = False,
    difficulty: str = "",
) -> None:
    """Draws one object where it hides little of the others; draws none when no such place is found."""
    height, width = owner.shape
    for _ in range(_PLACEMENT_TRIES):
        side = rng.uniform(*(_TINY_RANGE if difficulty == "tiny" else _SIZE_RANGE)) * min(height, width)
        shape = _draw_shape(rng, label, side, _draw_centre(rng, height, width, side, truncated))
        inside, of_mask = shape.windows(height, width)
        solid = shape.mask > _SOLID
        is_cut = int(solid[of_mask].sum()) < int(solid.sum())
        if is_cut == truncated and not _hides_too_much(owner, inside, solid[of_mask], objects):
            break
    else:
        return
    strength = _FAINT_OPACITY if difficulty == "faint" else 1.0
    _paint(img[inside], _class_colour(rng, label), shape.mask[of_mask], strength)
    objects.append(_Object(label, int(solid.sum()), truncated, bool(difficulty)))
    owner[inside][solid[of_mask]] = len(objects)
    if difficulty == "hidden":
        _hide_part(rng, img, owner, len(objects))


def _draw_centre(
    rng: np.random.Generator, height: int, width: int, side: float, truncated: bool
) -> tuple[float, float]:
    """Centre (x, y) of an object: well inside, or so near one border that it is cut."""
    half = 0.6 * side  # a turned shape reaches out further than half its side
    x, y = (rng.uniform(half, length - half) if length > 2 * half else length / 2 for length in (width, height))
    if truncated:
        depth = rng.uniform(0.0, 0.25) * side  # of the centre below the border
        x, y = [(depth, y), (width - depth, y), (x, depth), (x, height - depth)][rng.integers(4)]
    return x, y


def _hides_too_much(owner: np.ndarray, inside: tuple[slice, slice], solid: np.ndarray, objects: list[_Object]) -> bool:
    """Whether a shape would hide more than the allowed share of any object drawn before."""
    covered = np.bincount(owner[inside][solid], minlength=len(objects) + 1)[1:]
    return any(count > _MAX_COVERED * item.full_area for count, item in zip(covered, objects, strict=True))


def _hide_part(rng: np.random.Generator, img: np.ndarray, owner: np.ndarray, number: int) -> None:
    """Covers about two thirds of an object with a grey board, which hides nothing else."""
    x1, y1, x2, y2 = _visible_box(owner, number)
    share = rng.uniform(0.62, 0.7)
    if rng.random() < 0.5:
        board = (slice(y1, y2), slice(x1, x1 + round((x2 - x1) * share)))
    else:
        board = (slice(y1 + round((y2 - y1) * (1 - share)), y2), slice(x1, x2))
    covered = (owner[board] == number) | (owner[board] == 0)
    img[board][covered] = rng.integers(60, 190)
    owner[board][covered] = 0


def _visible_box(owner: np.ndarray, number: int) -> tuple[int, int, int, int]:
    """Box (xyxy) of an object's visible pixels, 0-based, the far sides exclusive; zeros when nothing is visible."""
    rows, columns = np.nonzero(owner == number)
    if not len(rows):
        return 0, 0, 0, 0
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def _regular(corners: int, radii: tuple[float, ...] = (1.0,), turn: float = -90.0) -> np.ndarray:
    """(corners, 2) polygon about the origin whose radii repeat."""
    angles = np.deg2rad(turn + np.arange(corners) * 360 / corners)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.resize(radii, corners)[:, None]


def _polygon(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, dtype=float)


# Contours in [-1, 1] x [-1, 1]; a contour within another is a hole.
_SHAPES: tuple[tuple[np.ndarray, ...], ...] = (
    (_regular(40),),  # disc
    (_polygon((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),),  # square
    (_polygon((0, -1), (1, 0.9), (-1, 0.9)),),  # triangle
    (_regular(10, (1.0, 0.42)),),  # star
    (
        _polygon(
            (-0.35, -1),
            (0.35, -1),
            (0.35, -0.35),
            (1, -0.35),
            (1, 0.35),
            (0.35, 0.35),
            (0.35, 1),
            (-0.35, 1),
            (-0.35, 0.35),
            (-1, 0.35),
            (-1, -0.35),
            (-0.35, -0.35),
        ),
    ),  # plus
    (_regular(40), _regular(40) * 0.55),  # ring
    (_polygon((-1, -1), (1, -1), (-1, 1), (1, 1)),),  # hourglass
    (_polygon((0, -1), (1, 0), (0.4, 0), (0.4, 1), (-0.4, 1), (-0.4, 0), (-1, 0)),),  # arrow
    (_polygon((-1, -1), (-0.3, -1), (-0.3, 0.3), (1, 0.3), (1, 1), (-1, 1)),),  # L
    (  # frame
        _polygon((-1, -1), (1, -1), (1, 1), (-1, 1)),
        _polygon((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)),
    ),
)


def _class_hue(label: int) -> int:
    """Hue of a class in OpenCV's 0..179. Neighbours are far apart; the two classes of one shape are opposite."""
    return 18 * ((3 * label + 5 * (label // len(_SHAPES))) % 10)


def _class_colour(rng: np.random.Generator, label: int) -> np.ndarray:
    """(3,) BGR colour of one object: strong, of its class's hue."""
    hue = (_class_hue(label) + int(rng.integers(-4, 5))) % 180
    hsv = np.array([[[hue, rng.integers(180, 256), rng.integers(160, 256)]]], dtype=np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0].astype(float)


def _draw_shape(rng: np.random.Generator, label: int, side: float, centre: tuple[float, float]) -> _Shape:
    """Draws the shape of a class, about `side` pixels wide, a little turned and stretched, about `centre` (x, y)."""
    angle, stretch = np.deg2rad(rng.uniform(-20, 20)), np.sqrt(rng.uniform(0.75, 1.33))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    scale = side / 2 * np.array([stretch, 1 / stretch])
    contours = [contour * scale @ turn + centre for contour in _SHAPES[label % len(_SHAPES)]]
    points = np.concatenate(contours)
    corner = np.floor(points.min(axis=0)).astype(int) - 1
    width, height = np.ceil(points.max(axis=0)).astype(int) + 2 - corner
    mask = np.zeros((height, width), np.uint8)
    fixed = [np.round((contour - corner) * 16).astype(np.int32) for contour in contours]  # shift=4: sixteenths
    cv2.fillPoly(mask, fixed, 255, lineType=cv2.LINE_AA, shift=4)
    return _Shape(mask, (int(corner[0]), int(corner[1])))


def _paint(region: np.ndarray, colour: np.ndarray, mask: np.ndarray, strength: float) -> None:
    """Lays a colour, darker towards the bottom and at the rim, over a (h, w, 3) picture in place."""
    shade = np.linspace(1.0, 0.75, region.shape[0])[:, None] * np.full(mask.shape, 1.0)
    shade[cv2.erode(mask, np.ones((3, 3), np.uint8)) <= _SOLID] *= 0.5  # a rim parts two objects of one class
    weight = mask[..., None] / 255 * strength
    region[:] = np.round(region * (1 - weight) + colour * shade[..., None] * weight).astype(np.uint8)


def _draw_ground(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """(height, width, 3) uint8 BGR ground: noise, gradient or stripes between two greyish colours."""
    pattern = _GROUNDS[rng.integers(len(_GROUNDS))](rng, height, width)[..., None]
    level = rng.uniform(60, 200)
    first, second = (level + rng.uniform(-40, 40) + rng.uniform(-14, 14, 3) for _ in range(2))
    grain = rng.normal(0, 4, (height, width, 1))
    return np.clip(first * pattern + second * (1 - pattern) + grain, 0, 255).astype(np.uint8)


def _noise(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    cells = int(rng.integers(4, 24))
    coarse = rng.random((cells, cells)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def _gradient(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:height, :width]
    return 0.5 + 0.5 * (np.cos(angle) * (columns / width - 0.5) + np.sin(angle) * (rows / height - 0.5))


def _stripes(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    angle, period = rng.uniform(0, np.pi), rng.uniform(6, 40)
    rows, columns = np.mgrid[:height, :width]
    return 0.5 + 0.5 * np.sin((np.cos(angle) * columns + np.sin(angle) * rows) * 2 * np.pi / period)


# Each gives a (height, width) pattern in 0..1.
_GROUNDS: tuple[Callable[[np.random.Generator, int, int], np.ndarray], ...] = (_noise, _gradient, _stripes)


def _write_picture(root: Path, sub: str, name: str, img: np.ndarray, objects: list[_Object], owner: np.ndarray) -> None:
    """Writes one JPEG and its XML."""
    path = root / sub / "JPEGImages" / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".jpg", img, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes())
    nodes = "".join(_object_xml(item, owner, number) for number, item in enumerate(objects, start=1))
    height, width = owner.shape
    _write_text(
        annotation_path(root, sub, name),
        f"<annotation>\n\t<folder>{sub}</folder>\n\t<filename>{path.name}</filename>\n"
        "\t<source>\n\t\t<database>Synthetic shapes</database>\n\t\t<annotation>exact</annotation>\n"
        "\t\t<image>drawn</image>\n\t</source>\n"
        f"\t<size>\n\t\t<width>{width}</width>\n\t\t<height>{height}</height>\n\t\t<depth>3</depth>\n\t</size>\n"
        f"\t<segmented>0</segmented>\n{nodes}</annotation>\n",
    )


def _object_xml(item: _Object, owner: np.ndarray, number: int) -> str:
    """The <object> element of one object, its box 1-based and inclusive; empty when none of it is visible."""
    x1, y1, x2, y2 = _visible_box(owner, number)
    if x2 == x1:
        return ""
    visible = np.count_nonzero(owner[y1:y2, x1:x2] == number)
    difficult = item.difficult or visible < _DIFFICULT_BELOW * item.full_area
    return (
        f"\t<object>\n\t\t<name>{VOC_CLASSES[item.label]}</name>\n\t\t<pose>Unspecified</pose>\n"
        f"\t\t<truncated>{item.truncated:d}</truncated>\n\t\t<difficult>{difficult:d}</difficult>\n"
        f"\t\t<bndbox>\n\t\t\t<xmin>{x1 + 1}</xmin>\n\t\t\t<ymin>{y1 + 1}</ymin>\n"
        f"\t\t\t<xmax>{x2}</xmax>\n\t\t\t<ymax>{y2}</ymax>\n\t\t</bndbox>\n\t</object>\n"
    )


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
