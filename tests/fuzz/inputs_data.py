"""Data sets: annotations of VOC and COCO, pictures, splits; by hand, and by seeded damage to sound files."""

import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from fuzz.cases import CLASSES, Input

_XML = "VOCdevkit/VOC2007/Annotations/000001.xml"
_PICTURE = "VOCdevkit/VOC2007/JPEGImages/000001.jpg"
_SPLIT = "VOCdevkit/VOC2007/ImageSets/Main/train.txt"
_JSON = "coco/annotations/instances_train.json"
VERIFY = ("--config", "own.py")
_BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
_SOUND = _BOX.format(2, 2, 30, 30)
_NAME = f"<name>{CLASSES[0]}</name>"


def _xml(*objects: str, size: str = "", extra: str = "") -> str:
    """An annotation with these objects; `{size}` is that of the picture unless given."""
    size = size or "<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation>{extra}{size}{''.join(f'<object>{inner}</object>' for inner in objects)}</annotation>"


# What training and the check have to refuse.
XMLS: dict[str, str | bytes] = {
    "empty": "",
    "text": "no xml",
    "another root": "<html></html>",
    "no end": "<annotation><object>",
    "entities": '<!DOCTYPE a [<!ENTITY b "{{x}}">]><annotation>&c;</annotation>',
    "encoding of nothing": "<?xml version='1.0' encoding='utf-99'?><annotation/>",
    "null bytes": b"<annotation>\x00</annotation>",
    "no size": _xml(_NAME + _SOUND, size="<size/>"),
    "size of nothing": _xml(_NAME + _SOUND, size="<size><width>0</width><height>0</height></size>"),
    "size nan": _xml(_NAME + _SOUND, size="<size><width>nan</width><height>nan</height></size>"),
    "size infinite": _xml(_NAME + _SOUND, size="<size><width>inf</width><height>inf</height></size>"),
    "size 1e30": _xml(_NAME + _SOUND, size="<size><width>1e30</width><height>1e30</height></size>"),
    "size negative": _xml(_NAME + _SOUND, size="<size><width>-5</width><height>-5</height></size>"),
    "size of another picture": _xml(_NAME + _SOUND, size="<size><width>31</width><height>33</height></size>"),
    "unknown class": _xml("<name>nothing</name>" + _SOUND),
    "no name": _xml(_SOUND),
    "empty name": _xml("<name/>" + _SOUND),
    "class in capitals": _xml(f"<name>{CLASSES[0].upper()}</name>" + _SOUND),
    "no box": _xml(_NAME),
    "empty box": _xml(_NAME + "<bndbox/>"),
    "half a box": _xml(_NAME + "<bndbox><xmin>1</xmin><ymin>2</ymin></bndbox>"),
    "box of texts": _xml(_NAME + _BOX.format("a", "b", "c", "d")),
    "box nan": _xml(_NAME + _BOX.format("nan", 2, 30, 30)),
    "box infinite": _xml(_NAME + _BOX.format(2, 2, "inf", 30)),
    "box inverted": _xml(_NAME + _BOX.format(30, 30, 2, 2)),
    "box outside": _xml(_NAME + _BOX.format(5000, 5000, 6000, 6000)),
    "box over the border": _xml(_NAME + _BOX.format(2, 2, 5000, 5000)),
    "box negative": _xml(_NAME + _BOX.format(-50, -50, 30, 30)),
    "two boxes": _xml(_NAME + _SOUND + _BOX.format(5, 5, 40, 40)),
    "two names": _xml(_NAME + f"<name>{CLASSES[1]}</name>" + _SOUND),
    "two xmin": _xml(_NAME + _SOUND.replace("<xmin>2</xmin>", "<xmin>2</xmin><xmin>9</xmin>")),
    "difficult maybe": _xml(_NAME + "<difficult>maybe</difficult>" + _SOUND),
    "difficult 2": _xml(_NAME + "<difficult>2</difficult>" + _SOUND),
    "objects one level deeper": "<annotation><size><width>{width}</width><height>{height}</height></size>"
    + "<objects><object>"
    + _NAME
    + _SOUND
    + "</object></objects></annotation>",
    "decimal comma": _xml(_NAME + _BOX.format("2,5", 2, 30, 30)),
}
# What has to be read.
XMLS_SOUND: dict[str, str] = {
    "no object": _xml(),
    "byte order mark": "\ufeff" + _xml(_NAME + _SOUND),
    "blank lines first": "\n\n<?xml version='1.0'?>" + _xml(_NAME + _SOUND),
    "fractions": _xml(_NAME + _BOX.format("2.5", "3.5", "30.25", "31.5")),
    "white space": _xml("<name>\n " + CLASSES[0] + "\t</name>" + _SOUND),
    "parts with boxes of their own": _xml(_NAME + _SOUND + f"<part><name>head</name>{_SOUND}</part>"),
    "another file name": _xml(_NAME + _SOUND, extra="<filename>x.png</filename>"),
    "no area": _xml(_NAME + _BOX.format(0, 10, 0, 30)),
    "0-based corner": _xml(_NAME + _BOX.format(0, 0, 30, 30)),
    "a comment": "<!-- x -->" + _xml(_NAME + _SOUND),
}

_OBJECT = dict(id=9, image_id=1, category_id=1, bbox=[1, 2, 30, 20], area=600, iscrowd=0)


def _with(part: str, **changes: object) -> Callable[[dict], object]:
    return lambda content: content[part][0].update(changes)


def _lacks(part: str, key: str) -> Callable[[dict], object]:
    return lambda content: content[part][0].pop(key)


JSONS: dict[str, Callable[[dict], object]] = {
    "no images": lambda content: content.pop("images"),
    "no categories": lambda content: content.pop("categories"),
    "no annotations": lambda content: content.pop("annotations"),
    "images is a dict": lambda content: content.update(images={}),
    "annotations is null": lambda content: content.update(annotations=None),
    "no picture": lambda content: content.update(images=[]),
    "a picture is a number": lambda content: content["images"].append(3),
    "an object is null": lambda content: content["annotations"].append(None),
    "two pictures of one id": lambda content: content["images"].append(content["images"][0]),
    "two categories of one id": lambda content: content["categories"].append(dict(id=1, name="x")),
    **{f"picture without {key}": _lacks("images", key) for key in ("id", "file_name", "width", "height")},
    **{f"object without {key}": _lacks("annotations", key) for key in ("image_id", "category_id", "bbox")},
    **{f"category without {key}": _lacks("categories", key) for key in ("id", "name")},
    **{f"width {value!r}": _with("images", width=value) for value in (0, -5, "x", None, 1e30, True, [3])},
    **{f"file name {value!r}": _with("images", file_name=value) for value in (3, None, "", "nowhere.jpg", "a" * 300)},
    **{f"bbox {value!r}": _with("annotations", bbox=value) for value in ([], [1, 2, 3], "x", None, [1, 2, "3", 4], {})},
    **{f"bbox of {value!r}": _with("annotations", bbox=[1, 2, value, 4]) for value in (1e999, -1e999, None, [1])},
    **{f"image id {value!r}": _with("annotations", image_id=value) for value in (99, "1", None, [1], 1.5)},
    **{f"category id {value!r}": _with("annotations", category_id=value) for value in (99, "x", None, {}, [1])},
    **{f"name {value!r}": _with("categories", name=value) for value in (3, None, [], "nothing", "")},
    **{f"iscrowd {value!r}": _with("annotations", iscrowd=value) for value in ("maybe", [], "x")},
    **{f"id {value!r}": _with("images", id=value) for value in ([1], {}, 1.5, None)},
}
JSONS_SOUND: dict[str, Callable[[dict], object]] = {
    "no iscrowd": _lacks("annotations", "iscrowd"),
    "iscrowd '0'": _with("annotations", iscrowd="0"),
    "iscrowd false": _with("annotations", iscrowd=False),
    "no area": _lacks("annotations", "area"),
    "box without area": _with("annotations", bbox=[5, 5, 0, 10]),
    "box over the border": _with("annotations", bbox=[5, 5, 9000, 9000]),
    "further keys": lambda content: content.update(info=3, licenses=None),
    "an outline": _with("annotations", segmentation=[[1, 2, 3]]),
}

SPLITS: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "blank": b"\n \n",
    "latin-1": "\u00e4\n".encode("latin-1"),
    "null bytes": b"000001\x00\n",
    "a missing picture": b"000001\nnowhere\n",
    "a name twice": b"000001\n000001\n",
    "a path": b"../../../own\n",
    "an absolute path": b"/etc/passwd\n",
    "a suffix": b"000001.jpg\n",
    "a long name": b"a" * 5000,
    "a picture": bytes(range(256)),
}


def inputs() -> Iterator[Input]:
    """All inputs of this area."""
    for name, text in XMLS.items():
        yield _verify(f"xml: {name}", _annotation(text))
    for name in (
        "text",
        "box nan",
        "box outside",
        "two boxes",
        "objects one level deeper",
        "size 1e30",
        "unknown class",
    ):
        yield Input(
            "train.py", f"xml: {name}", ("own.py", "--work-dir", "out"), prepare=_annotation(XMLS[name]), needs=_VOC
        )
    anchors = ("--config", "own.py")
    for name in ("text", "box nan", "box outside", "unknown class", "size nan"):
        yield Input(
            "analysis/optimize_anchors.py", f"xml: {name}", anchors, prepare=_annotation(XMLS[name]), needs=_VOC
        )
    for name, text in XMLS_SOUND.items():
        yield _verify(f"sound xml: {name}", _annotation(text), "accepted")
    yield from _splits()
    yield from _coco()
    yield from _damage()


_VOC = ("VOCdevkit",)


def _verify(name: str, prepare: Callable[[Path], object], expect: str = "refused") -> Input:
    return Input("verify.py", name, VERIFY, expect, prepare, needs=_VOC)


def _annotation(text: str | bytes) -> Callable[[Path], None]:
    """Writes the annotation of the first picture."""

    def write(folder: Path) -> None:
        from PIL import Image

        with Image.open(folder / _PICTURE) as picture:
            width, height = picture.size
        content = (
            text
            if isinstance(text, bytes)
            else text.replace("{width}", f"{width}").replace("{height}", f"{height}").encode()
        )
        (folder / _XML).write_bytes(content)

    return write


def _splits() -> Iterator[Input]:
    for name, content in SPLITS.items():
        yield _verify(f"split: {name}", _list(content))
        if name in ("missing", "empty", "latin-1", "a missing picture", "a path"):
            arguments = ("own.py", "--work-dir", "out")
            yield Input("train.py", f"split: {name}", arguments, prepare=_list(content), needs=_VOC)
    for sets in (
        "",
        "VOC2007",
        "VOC2007/",
        "/train",
        "VOC2007/none",
        "none/train",
        "VOC2007:train:x",
        "a/b/c",
        "../x/y",
    ):
        options = ("--cfg-options", f"train_dataloader.dataset.splits=['{sets}']")
        yield Input("verify.py", f"splits {sets}", (*VERIFY, *options), needs=_VOC)
        yield Input("analysis/optimize_anchors.py", f"splits {sets}", (*VERIFY, *options), needs=_VOC)
    sound = {
        "no marks at the end": b"000001",
        "byte order mark": b"\xef\xbb\xbf000001\n",
        "blank lines": b"\n000001\r\n\r\n",
    }
    for name, content in sound.items():
        yield _verify(f"split: {name}", _list(content), "accepted")
    yield Input("verify.py", "own classes", ("--data", "VOCdevkit", "--classes", *CLASSES), "accepted", needs=_VOC)
    yield Input(
        "verify.py", "a class too few", ("--data", "VOCdevkit", "--classes", CLASSES[0]), "accepted", needs=_VOC
    )
    yield Input("verify.py", "no class of it", ("--data", "VOCdevkit", "--classes", "nothing"), needs=_VOC)
    yield Input("verify.py", "no folder", ("--data", "nowhere"))
    yield Input("doctor.py", "no folder", ("--data", "nowhere"))
    yield Input("doctor.py", "a file", ("--data", "own.py", "--json"))
    yield Input("doctor.py", "sound pictures", ("--data", "VOCdevkit"), "accepted", needs=_VOC)
    yield Input("verify.py", "a file", ("--data", "own.py"))
    yield Input("verify.py", "--official", ("--data", "VOCdevkit", "--official"), needs=_VOC)
    yield Input("verify.py", "--classes of nothing", ("--data", "VOCdevkit", "--classes"), needs=_VOC)


def _list(content: bytes | None) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / _SPLIT).unlink()
        if content is not None:
            (folder / _SPLIT).write_bytes(content)

    return write


def _coco() -> Iterator[Input]:
    for name, change in JSONS.items():
        yield _browse(f"coco: {name}", _changed(change))
    for name, change in JSONS_SOUND.items():
        yield _browse(f"sound coco: {name}", _changed(change), "accepted")
    texts = {
        "empty": b"",
        "text": b"x",
        "a list": b"[]",
        "a number": b"3",
        "utf-16": "{}".encode("utf-16"),
        "half": b'{"images": [',
    }
    texts["deep"] = b"[" * 100_000
    for name, content in texts.items():
        yield _browse(f"coco file: {name}", lambda folder, content=content: (folder / _JSON).write_bytes(content))
    yield _browse("coco file: missing", lambda folder: (folder / _JSON).unlink())
    yield _browse(
        "coco file: byte order mark",
        lambda folder: (folder / _JSON).write_bytes(b"\xef\xbb\xbf" + (folder / _JSON).read_bytes()),
        "accepted",
    )


def _browse(name: str, prepare: Callable[[Path], object], expect: str = "refused") -> Input:
    arguments = ("coco.py", "--out", "out.png", "--num", "2")
    return Input("browse_dataset.py", name, arguments, expect, prepare, needs=("coco",))


def _changed(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        content = json.loads((folder / _JSON).read_text())
        change(content)
        (folder / _JSON).write_text(json.dumps(content))

    return write


def damage(content: bytes, seed: int) -> bytes:
    """A file with a few bytes replaced, removed or repeated, or cut off; a function of the seed."""
    rng = random.Random(seed)
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(max(len(changed), 1))
        match rng.randrange(5):
            case 0:
                changed[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                del changed[place : place + rng.randint(1, 30)]
            case 2:
                changed[place:place] = changed[place : place + rng.randint(1, 30)]
            case 3:
                changed[place:place] = rng.choice(
                    [b"-", b"9", b"nan", b'"', b"<", b">", b",", b"\n", b"]", b"{", b"\xff", b"1e999"]
                )
            case 4 if rng.random() < 0.3:
                del changed[place:]
    return bytes(changed)


def damaged(name: str, seed: int) -> Callable[[Path], None]:
    """Damages a file of an input's folder."""
    return lambda folder: (folder / name).write_bytes(damage((folder / name).read_bytes(), seed))


def _damage() -> Iterator[Input]:
    for seed in range(30):
        yield _verify(f"damaged xml {seed}", damaged(_XML, seed), "either")
    for seed in range(20):
        yield _verify(f"damaged jpeg {seed}", damaged(_PICTURE, seed), "either")
    for seed in range(30):
        yield _browse(f"damaged coco {seed}", damaged(_JSON, seed), "either")
    for seed in range(8):
        yield _verify(f"damaged split {seed}", damaged(_SPLIT, seed), "either")


def encoded(image: object, kind: str, **options: object) -> bytes:
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
