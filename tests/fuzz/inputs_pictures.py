"""Pictures of every mode, suffix and damage, by infer.py and by the readers of data sets; arguments of infer.py."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from fuzz.cases import Input
from fuzz.inputs_data import VERIFY, damaged, encoded

_PICTURES = "VOCdevkit/VOC2007/JPEGImages"
_INFER = ("pics", "--config", "own.py", "--weights", "best.pth", "--out", "out", "--score-thr", "0.999")
_NEEDS = ("VOCdevkit", "best.pth")
_SIZE = (48, 40)
_GREY = 128  # the mean that every picture of `MODES` is read with, in steps of 255


def _image(mode: str):
    """A picture of one mode, half as bright as it can be."""
    import numpy as np
    from PIL import Image

    grey = np.full(_SIZE[::-1], _GREY, np.uint8)
    match mode:
        case "I;16":
            return Image.fromarray(grey.astype(np.uint16) * 257)
        case "I":
            return Image.fromarray(grey.astype(np.int32))
        case "F":
            return Image.fromarray(grey.astype(np.float32))
        case "PA":
            return Image.fromarray(grey).convert("P").convert("PA")
        case "1":
            return Image.fromarray(np.indices(_SIZE[::-1]).sum(0) % 2 == 1)
    return Image.fromarray(grey).convert(mode)


# (mode, format, suffix): whatever Pillow writes. All are read as half grey, or refused by name.
MODES = (
    *(("1", "PNG", ".png"), ("L", "PNG", ".png"), ("LA", "PNG", ".png"), ("P", "PNG", ".png"), ("RGB", "PNG", ".png")),
    *(("RGBA", "PNG", ".png"), ("I;16", "PNG", ".png"), ("L", "JPEG", ".jpg"), ("CMYK", "JPEG", ".jpg")),
    *(("YCbCr", "JPEG", ".jpeg"), ("P", "BMP", ".bmp"), ("1", "BMP", ".bmp"), ("RGB", "WEBP", ".webp")),
    *(("RGBA", "WEBP", ".webp"), ("F", "TIFF", ".png"), ("I", "TIFF", ".png"), ("I;16", "TIFF", ".png")),
    *(
        ("CMYK", "TIFF", ".png"),
        ("LAB", "TIFF", ".png"),
        ("P", "GIF", ".png"),
        ("I;16", "PNG", ".jpg"),
        ("1", "TIFF", ".png"),
    ),
)
# A folder with one bad file: the others are done, it is named, the exit status is 1.
BAD = (
    "empty",
    "text",
    "truncated jpeg",
    "truncated png",
    "a folder",
    "a broken link",
    "a bomb",
    "header alone",
    "svg",
    "json",
)


def inputs() -> Iterator[Input]:
    """All inputs of this area."""
    for mode, kind, suffix in MODES:
        yield Input(
            "infer.py",
            f"mode {mode} in {kind} as {suffix}",
            _INFER,
            "either",
            _one(mode, kind, suffix),
            _is_half_grey(),
            needs=_NEEDS,
        )
    for name in BAD:
        yield Input(
            "infer.py",
            f"one bad picture: {name}",
            _INFER,
            "accepted" if name == "a folder" else "refused",  # it is a sub-folder without pictures
            _bad(name),
            _three_are_done if name == "a folder" else _others_are_done,
            says="" if name == "a folder" else "bad.",
            needs=_NEEDS,
        )
        yield Input(
            "infer.py", f"a bad picture alone: {name}", ("bad/bad.jpg", *_INFER[1:]), prepare=_bad(name), needs=_NEEDS
        )
    yield from _sources()
    yield from _options()
    yield from _suffixes()
    for seed in range(16):
        yield Input("infer.py", f"damaged picture {seed}", _INFER, "either", _damaged(seed), needs=_NEEDS)


def _one(mode: str, kind: str, suffix: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "pics").mkdir()
        (folder / f"pics/a{suffix}").write_bytes(encoded(_image(mode), kind))

    return write


def _is_half_grey() -> Callable[[Path], str]:
    def check(folder: Path) -> str:
        import numpy as np
        from PIL import Image

        drawn = [path for path in (folder / "out").iterdir() if path.suffix != ".json"]
        with Image.open(drawn[0]) as picture:
            mean = float(np.asarray(picture.convert("RGB")).mean())
        return "" if abs(mean - _GREY) < 3 else f"read as grey of {mean:.0f}, not {_GREY}"

    return check


def _bad(kind: str) -> Callable[[Path], None]:
    """Three sound pictures with a bad one among them in `pics`, the bad one alone in `bad`."""

    def write(folder: Path) -> None:
        for name in ("pics", "bad"):
            (folder / name).mkdir()
            suffix = ".png" if kind == "truncated png" and name == "pics" else ".jpg"
            path = folder / name / f"bad{suffix}"
            match kind:
                case "a folder":
                    path.mkdir()
                case "a broken link":
                    path.symlink_to("nowhere")
                case _:
                    path.write_bytes(_content(kind, folder))
        for path in sorted((folder / _PICTURES).glob("*.jpg"))[:3]:
            (folder / "pics" / path.name).write_bytes(path.read_bytes())

    return write


def _others_are_done(folder: Path) -> str:
    told = "bad." in (folder / "stderr").read_text()
    return _three_are_done(folder) if told else "the bad one is not told"


def _three_are_done(folder: Path) -> str:
    found = json.loads((folder / "out/detections.json").read_text())
    return "" if len(found) == 3 and "bad.jpg" not in found else f"{len(found)} of 3 sound pictures are in the JSON"


def _content(kind: str, folder: Path) -> bytes:
    sound = (folder / f"{_PICTURES}/000001.jpg").read_bytes()
    match kind:
        case "empty":
            return b""
        case "truncated jpeg":
            return sound[: len(sound) // 2]
        case "truncated png":
            png = encoded(_image("RGB").resize((300, 300)), "PNG")
            return png[: len(png) // 2]
        case "header alone":
            return sound[:20]
        case "a bomb":
            png = bytearray(encoded(_image("L"), "PNG"))
            png[16:24] = (60_000).to_bytes(4, "big") * 2
            import zlib

            png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
            return bytes(png)
        case "svg":
            return b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    return b"{}" if kind == "json" else b"no picture"


def _sources() -> Iterator[Input]:
    rest = _INFER[1:]

    def files(*names: str) -> Callable[[Path], None]:
        def write(folder: Path) -> None:
            (folder / "pics").mkdir()
            for name in names:
                (folder / "pics" / name).write_bytes((folder / f"{_PICTURES}/000001.jpg").read_bytes())

        return write

    yield Input("infer.py", "no such source", ("nowhere", *rest), needs=_NEEDS)
    yield Input("infer.py", "an empty folder", ("pics", *rest), prepare=files(), needs=_NEEDS)
    yield Input("infer.py", "a folder of texts", ("pics", *rest), prepare=files("a.txt"), needs=_NEEDS)
    yield Input("infer.py", "a text", ("own.py", *rest), needs=_NEEDS)
    yield Input("infer.py", "--out is the source", (*_INFER[:-3], "pics"), prepare=files("a.jpg"), needs=_NEEDS)
    yield Input("infer.py", "--out is a file", (*_INFER[:-3], "own.py"), prepare=files("a.jpg"), needs=_NEEDS)
    yield Input("infer.py", "--out below a file", (*_INFER[:-3], "own.py/x"), prepare=files("a.jpg"), needs=_NEEDS)
    yield Input(
        "infer.py",
        "a picture of no known suffix",
        ("pics/a.xyz", *rest),
        "either",
        files("a.xyz"),
        _is_drawn,
        needs=_NEEDS,
    )
    yield Input(
        "infer.py", "a picture without suffix", ("pics/a", *rest), "either", files("a"), _is_drawn, needs=_NEEDS
    )
    yield Input(
        "infer.py", "a picture as .gif", ("pics/a.gif", *rest), "either", files("a.gif"), _is_drawn, needs=_NEEDS
    )
    yield Input(
        "infer.py", "suffix in capitals", _INFER, "accepted", files("a.JPG", "b.Jpeg", "c.PNG"), _is_drawn, needs=_NEEDS
    )
    yield Input(
        "infer.py", "one stem, two suffixes", _INFER, "accepted", files("a.jpg", "a.png"), _is_drawn, needs=_NEEDS
    )
    yield Input("infer.py", "blanks in names", _INFER, "accepted", files("my picture.jpg"), _is_drawn, needs=_NEEDS)


def _is_drawn(folder: Path) -> str:
    found = json.loads((folder / "out/detections.json").read_text())
    drawn = [path for path in (folder / "out").iterdir() if path.name != "detections.json"]
    pictures = len(list((folder / "pics").iterdir()))
    return (
        ""
        if len(found) == len(drawn) == pictures
        else f"{pictures} pictures, {len(drawn)} drawn, {len(found)} in the JSON"
    )


def _options() -> Iterator[Input]:
    start = (_PICTURES, *_INFER[1:-2])
    for arguments in (
        *(("--score-thr", value) for value in ("2", "-1", "nan", "inf", "x")),
        *(("--iou-threshold", value) for value in ("2", "-1", "nan", "inf", "x")),
        *(("--device", value) for value in ("cuda", "cuda:99", "foo", "", "cpu:x", "meta", "mps")),
        *(("--weights", value) for value in ("nowhere.pth", "own.py", "VOCdevkit", "")),
        *(
            ("--cfg-options", value)
            for value in ("img_size=0", "img_size=33", "model.bbox_head.num_classes=3", "bogus=1")
        ),
        *(("--cfg-options", value) for value in ("test_dataloader=None", "model.test_cfg.max_per_img=-1")),
        ("--cfg-options", "test_dataloader.dataset.metainfo.classes=['bicycle','aeroplane']"),
        ("--cfg-options", "test_dataloader.dataset.metainfo.classes=['aeroplane']"),
        ("--cfg-options", "test_dataloader.dataset.pipeline=[]"),
        ("--config", "coco_"),
        ("--bogus",),
    ):
        yield Input("infer.py", " ".join(arguments), (*start, *arguments), needs=_NEEDS)
    for size in ("(64, 96)", "(96, 64)"):
        yield Input(
            "infer.py", f"img_size={size}", (*start, "--cfg-options", f"img_size={size}"), "accepted", needs=_NEEDS
        )
        arguments = ("own.py", "--work-dir", "out", "--cfg-options", f"img_size={size}")
        yield Input("train.py", f"img_size={size}", arguments, "accepted", needs=_NEEDS)
        arguments = ("own.py", "best.pth", "--cfg-options", f"img_size={size}")
        yield Input("test.py", f"img_size={size}", arguments, "accepted", needs=_NEEDS)
    for value in ("0", "1"):
        yield Input("infer.py", f"--iou-threshold {value}", (*start, "--iou-threshold", value), "either", needs=_NEEDS)
        yield Input("infer.py", f"--score-thr {value}", (*start, "--score-thr", value), "either", needs=_NEEDS)


def _suffixes() -> Iterator[Input]:
    """Pictures of a VOC data set that are no `.jpg`."""
    train, verify = ("own.py", "--work-dir", "out"), VERIFY
    for suffix, kind in (
        (".png", "PNG"),
        (".JPG", "JPEG"),
        (".jpeg", "JPEG"),
        (".webp", "WEBP"),
        (".PNG", "PNG"),
        (".bmp", "BMP"),
    ):
        yield Input("train.py", f"voc pictures as {suffix}", train, "accepted", _renamed(suffix, kind), needs=_NEEDS)
        yield Input("verify.py", f"voc pictures as {suffix}", verify, "accepted", _renamed(suffix, kind), needs=_NEEDS)
    for tool, arguments in (("train.py", train), ("verify.py", verify)):
        yield Input(tool, "two pictures of one stem", arguments, prepare=_twice, says="000001", needs=_NEEDS)
        for name in ("empty", "text", "truncated jpeg", "header alone"):
            yield Input(tool, f"voc picture: {name}", arguments, prepare=_spoiled(name), says="000001", needs=_NEEDS)
        yield Input(tool, "voc picture: missing", arguments, prepare=_gone, says="000001", needs=_NEEDS)


def _renamed(suffix: str, kind: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        from PIL import Image

        for path in (folder / _PICTURES).glob("*.jpg"):
            with Image.open(path) as picture:
                path.with_suffix(suffix).write_bytes(encoded(picture, kind))
            path.unlink()

    return write


def _twice(folder: Path) -> None:
    (folder / f"{_PICTURES}/000001.png").write_bytes(encoded(_image("RGB"), "PNG"))


def _spoiled(kind: str) -> Callable[[Path], object]:
    return lambda folder: (folder / f"{_PICTURES}/000001.jpg").write_bytes(_content(kind, folder))


def _gone(folder: Path) -> None:
    (folder / f"{_PICTURES}/000001.jpg").unlink()


def _damaged(seed: int) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        _bad("text")(folder)
        png = encoded(_image("RGB"), "PNG")
        (folder / "pics/bad.jpg").write_bytes(png if seed % 2 else (folder / f"{_PICTURES}/000001.jpg").read_bytes())
        damaged("pics/bad.jpg", seed)(folder)

    return write
