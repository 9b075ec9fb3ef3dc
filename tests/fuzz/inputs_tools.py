"""Arguments of the tools that need no training, and of the launch scripts."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from fuzz.cases import CLASSES, TOOLS, Input

_WHOLE = ("0", "-1", "x", "1.5", "nan", "")
_VOC = ("VOCdevkit",)


def inputs() -> Iterator[Input]:
    """All inputs of this area."""
    yield from _of(
        "analysis/scaling_table.py",
        (),
        {
            "--layers": (*_WHOLE, "100000", "1000000000000"),
            "--channels": (*_WHOLE, "1", "3", "1000000000"),
            "--size": (*_WHOLE, "100000000"),
            "--tiny-layers": (*_WHOLE, "100000"),
            "--tiny-channels": (*_WHOLE, "1"),
            "--growth": (*_WHOLE, "1000000000"),
            "--bogus": ("1",),
        },
    )
    yield from _of(
        "analysis/compound_scale.py",
        (),
        {
            "--budget-macs": ("0", "-1", "nan", "inf", "x", "", "1"),
        },
    )
    yield from _of(
        "analysis/compound_scale.py",
        ("--base", "yolov4_csp", "--budget-macs", "30e9", "--sizes", "384"),
        {
            "--sizes": ("0", "-128", "100", "x", "1.5", "100000000"),
            "--device-peak": ("0", "-1", "nan", "inf", "x"),
            "--out": ("VOCdevkit", "own.py/x.py", "/proc/x.py", "no_suffix"),
            "--base": ("foo", "yolov5"),
        },
        needs=_VOC,
    )
    yield from _of(
        "analysis/list_backbones.py",
        ("timm.mobilenetv4_conv_small",),
        {
            "--input-hw": ("0 0", "-1 64", "64", "64 x", "100000000 100000000", "64 64 64"),
            "--config": ("nowhere", "own.pyc"),
        },
    )
    for pattern in ("no_such_backbone", "", "[", "a/b"):
        yield Input("analysis/list_backbones.py", f"pattern {pattern!r}", (pattern,))
    anchors = ("--data", "VOCdevkit", "--img-size", "64", "--classes", *CLASSES)
    yield from _of(
        "analysis/optimize_anchors.py",
        anchors,
        {
            "--num": (*_WHOLE, "4", "-3"),
            "--img-size": (*_WHOLE, "100000000000000000000"),
            "--seed": ("-1", "x", "1.5"),
            "--data": ("nowhere", "own.py", ""),
            "--classes": ("foo",),
            "--config": ("nowhere", "empty.pyc"),
        },
        needs=_VOC,
    )
    yield from _of(
        "analysis/check_statistics.py",
        ("--studies", "20", "--models", "5"),
        {
            "--studies": (*_WHOLE, "1", "100000000000000"),
            "--models": (*_WHOLE, "3", "5 3", "100000000000"),
            "--seed": ("-1", "x", "1.5"),
        },
    )
    yield from _of(
        "analysis/check_statistics.py", ("--studies", "20"), {"--of": ("x", ""), "--replay": ("nowhere", "")}
    )
    for arguments in (("nowhere",), ("own.py",), ("",), ("--y", "macs"), ("--y", "x"), ("--families", "x")):
        yield Input("analysis/check_prediction.py", " ".join(arguments), arguments)
    yield from _of(
        "analysis/benchmark.py",
        ("train", "--config", "own.py"),
        {
            "--batch-size": _WHOLE,
            "--threads": ("0", "-1", "x", "100000", "1.5"),
            "--device": ("cuda", "foo", "cuda:99", "", "mps"),
            "--config": ("nowhere", ""),
            "--cfg-options": ("img_size=0", "img_size=33", "bogus=1", "model.bbox_head.num_classes=0"),
        },
        needs=_VOC,
    )
    for arguments in (
        ("foo",),
        (),
        ("pipeline", "--config", "own.py", "--cfg-options", "data_root=nowhere"),
        ("predict", "--config", "own.py", "--device", "cuda"),
    ):
        yield Input("analysis/benchmark.py", f"of {' '.join(arguments)}", arguments, needs=_VOC)
    yield from _detections()
    yield from _of(
        "analysis/collect_complexity.py",
        ("own.py", "--input-hw", "64", "64", "--out", "out.csv"),
        {
            "--input-hw": ("0 0", "33 33", "64", "-64 64", "x 64", "100000000 100000000"),
            "--out": ("VOCdevkit", "own.py/x", "/proc/x", "a.png"),
            "--bars": ("out.csv", "own.py/x.png", "VOCdevkit"),
        },
        needs=_VOC,
    )
    for names in (("nowhere",), ("own.py", "nowhere"), ("own.py", "VOCdevkit/own.py"), ("VOCdevkit",), ("study_voc",)):
        yield Input(
            "analysis/collect_complexity.py",
            f"configs {' '.join(names)}",
            (*names, "--out", "out.csv"),
            prepare=_copy_own,
            needs=_VOC,
        )
    yield from _of(
        "make_synthetic_voc.py",
        ("new",),
        {
            "--train": (*_WHOLE, "1"),
            "--test": _WHOLE,
            "--classes": (*_WHOLE, "21"),
            "--seed": ("-1", "x", "1.5"),
            "--bogus": ("1",),
        },
    )
    for out in ("own.py", "study", "own.py/x", "/proc/x", "."):
        yield Input("make_synthetic_voc.py", f"out {out}", (out, "--train", "2", "--test", "1"), needs=("study",))
    yield from _of(
        "browse_dataset.py",
        ("own.py", "--out", "out.png", "--num", "2"),
        {
            "--num": _WHOLE,
            "--seed": ("-1", "x", "1.5"),
            "--split": ("foo", ""),
            "--out": ("VOCdevkit", "out.foo", "out", "own.py/x.png", "/proc/x.png"),
            "--cfg-options": ("data_root=nowhere", "img_size=0", "bogus=1", "train_dataloader.dataset.pipeline=[]"),
        },
        needs=_VOC,
    )
    yield from _downloads()
    for arguments in (("--bogus",), ("more",)):
        yield Input("demo.py", " ".join(arguments), arguments)
    yield from _scripts()


def _of(
    tool: str, start: tuple[str, ...], options: dict[str, tuple[str, ...]], needs: tuple[str, ...] = ()
) -> Iterator[Input]:
    """An input for each value of each option; values of several words are several arguments."""
    for option, values in options.items():
        for value in values:
            yield Input(tool, f"{option} {value!r}", (*start, option, *(value.split() or [""])), needs=needs)


def _copy_own(folder: Path) -> None:
    shutil.copy(folder / "own.py", folder / "VOCdevkit/own.py")


def _detections() -> Iterator[Input]:
    """Files for `benchmark.py eval`."""

    def arrays(**changes: object):
        def write(folder: Path) -> None:
            import numpy as np

            sound = {
                "gt_image": np.zeros(2, int),
                "gt_labels": np.zeros(2, int),
                "gt_bboxes": np.ones((2, 4)),
                "gt_difficult": np.zeros(2, bool),
                "image": np.zeros(2, int),
                "labels": np.zeros(2, int),
                "bboxes": np.ones((2, 4)),
                "scores": np.ones(2),
            }
            made = {name: value for name, value in (sound | changes).items() if value is not None}
            np.savez(folder / "d.npz", **made)

        return write

    for name, prepare in {
        "missing": lambda folder: None,
        "a text": lambda folder: (folder / "d.npz").write_text("x"),
        "empty": lambda folder: (folder / "d.npz").write_text(""),
        "no scores": arrays(scores=None),
        "no truth": arrays(gt_image=None),
        "scores of another length": arrays(scores=[1.0]),
        "boxes of three": arrays(bboxes=[[1, 2, 3], [1, 2, 3]]),
        "scores of text": arrays(scores=["a", "b"]),
        "scores nan": arrays(scores=[float("nan")] * 2),
        "labels out of range": arrays(labels=[99, -1]),
    }.items():
        yield Input("analysis/benchmark.py", f"eval: {name}", ("eval", "--detections", "d.npz"), prepare=prepare)


def _downloads() -> Iterator[Input]:
    def mirror(content: bytes | None, name: str = "mirror/voc2007/VOCtrainval_06-Nov-2007.tar"):
        def write(folder: Path) -> None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is not None:
                path.write_bytes(content)

        return write

    for url in (
        "http://127.0.0.1:9",
        "http://127.0.0.1:99999",
        "nowhere",
        "",
        "ftp://127.0.0.1:9",
        "http://",
        "http://[",
        "file:///nowhere",
        "http://a b/",
    ):
        arguments = ("--out", "data", "--base-url", url)
        if url:
            yield Input("download_voc.py", f"--base-url {url!r}", arguments)
    for out in ("own.py", "own.py/x", "/proc/x"):
        yield Input("download_voc.py", f"--out {out}", ("--out", out, "--base-url", "http://127.0.0.1:9"))
    lying = "data/VOCtrainval_06-Nov-2007.tar"
    for name, content in (("empty", b""), ("text", b"no archive")):
        arguments = ("--out", "data", "--base-url", "http://127.0.0.1:9")
        yield Input("download_voc.py", f"an archive that lies there: {name}", arguments, prepare=mirror(content, lying))
        yield Input(
            "download_voc.py", f"a part that lies there: {name}", arguments, prepare=mirror(content, f"{lying}.part")
        )


_SRUN = """#!/bin/bash
printf '%s\\n' "$@" > srun_arguments
"""
_PYTHON = """#!/bin/bash
printf '%s\\n' "$@" > python_arguments
"""


def _checkout(folder: Path) -> None:
    """A checkout whose Python and whose srun only note what they were given."""
    (folder / "checkout/tools").mkdir(parents=True)
    for path in TOOLS.glob("*.sh"):
        shutil.copy(path, folder / "checkout/tools")
    for path, text in ((folder / "checkout/.venv/bin/python", _PYTHON), (folder / "bin/srun", _SRUN)):
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(0o755)


def _without_srun(folder: Path) -> None:
    """A checkout on a machine without Slurm: of its commands only those that the scripts need."""
    _checkout(folder)
    (folder / "bin/srun").unlink()
    for name in ("bash", "dirname"):
        (folder / "bin" / name).symlink_to(str(shutil.which(name)))


def _not_evaluated(folder: Path) -> str:
    """Whether a script ran what stood in a variable."""
    return "a variable was evaluated" if (folder / "evaluated").exists() else ""


_EVALUATED = ("$(touch evaluated)", "a[$(touch evaluated)]", "`touch evaluated`", "; touch evaluated", "x=1")


def _scripts() -> Iterator[Input]:
    for value in ("0", "-1", "x", "1.5", "", "08", "2 3", "99999999999999999999", *_EVALUATED):
        yield Input("dist_train.sh", f"GPUS {value!r}", ("own.py", value), "refused", _checkout, _not_evaluated)
        yield Input(
            "dist_test.sh", f"GPUS {value!r}", ("own.py", "best.pth", value), "refused", _checkout, _not_evaluated
        )
    slurm = ("partition", "job", "own.py", "out")
    path = {"PATH": "bin:/usr/local/bin:/usr/bin:/bin"}
    for name in ("GPUS", "GPUS_PER_NODE", "CPUS_PER_TASK"):
        for value in (
            "-1",
            "x",
            "1.5",
            "08",
            "2 3",
            "99999999999999999999",
            *_EVALUATED,
            *(() if name == "GPUS_PER_NODE" else ("0",)),
        ):
            yield Input(
                "slurm_train.sh",
                f"{name}={value}",
                slurm,
                prepare=_checkout,
                check=_not_evaluated,
                environment=path | {name: value},
            )
    for name in ("NNODES", "NODE_RANK", "PORT"):
        for value in ("x", "-1", "1.5", *_EVALUATED[:2]):
            environment = {"NNODES": "2", "NODE_RANK": "0", "PORT": "29500"} | {name: value}
            yield Input("dist_train.sh", f"{name}={value}", ("own.py", "2"), prepare=_checkout, environment=environment)
    for value in ("$(touch evaluated)", "--time=1-0 --x='a b'", "*"):
        yield Input(
            "slurm_train.sh",
            f"SRUN_ARGS={value}",
            slurm,
            "either",
            _checkout,
            _not_evaluated,
            environment=path | {"SRUN_ARGS": value},
        )
    for script in ("dist_train.sh", "dist_test.sh", "slurm_train.sh"):
        yield Input(script, "--help", ("--help",), "accepted", _checkout, environment=path)
    yield Input("slurm_train.sh", "no srun", slurm, prepare=_without_srun, environment={"PATH": "bin"})
    yield Input("dist_train.sh", "sound", ("own.py", "2"), "accepted", _checkout, _passed_on)


def _passed_on(folder: Path) -> str:
    passed = (folder / "python_arguments").read_text().splitlines()
    return "" if passed[-3:] == ["own.py", "--launcher", "pytorch"] else json.dumps(passed)
