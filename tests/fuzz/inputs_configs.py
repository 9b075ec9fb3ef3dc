"""Config files that are no config, lack a part, or run into an error of their own; study configs; names of configs."""

from collections.abc import Iterator
from pathlib import Path

from fuzz.cases import Input

_OWN = '_base_ = "own.py"\n'
# Name -> content of a file `bad.py`. The tools that read one config each get all of them.
TEXTS: dict[str, str | bytes] = {
    "empty": "",
    "blank": "\n\n  \n",
    "comment alone": "# nothing\n",
    "syntax": "model = dict(\n",
    "indentation": " model = 1\n  x = 2\n",
    "tabs and blanks": "if True:\n\tx = 1\n        y = 2\n",
    "name error": _OWN + "x = undefined\n",
    "zero division": _OWN + "x = 1 / 0\n",
    "raises": _OWN + "raise RuntimeError('two\\nlines')\n",
    "raises without a word": "raise ValueError\n",
    "exits": "import sys\nsys.exit(3)\n",
    "exits in silence": "raise SystemExit\n",
    "import of nothing": "import no_such_module\n",
    "recursion": "def f():\n    return f()\nx = f()\n",
    "a picture": bytes.fromhex("89504e470d0a1a0a") + bytes(range(256)),
    "null bytes": b"model = 1\x00\n",
    "latin-1": "model = '\u00e4'\n".encode("latin-1"),
    "utf-16": "model = 1\n".encode("utf-16"),
    "json": '{"model": null, "x": true}',
    "no model": "x = 1\n",
    "model is a number": "model = 3\n",
    "model is a list": "model = [dict(type='YOLODetector')]\n",
    "model is empty": "model = dict()\n",
    "model has no type": "model = dict(backbone=dict(type='YOLOv5CSP'))\n",
    "model alone": "model = dict(type='YOLODetector')\n",
    "model of nothing": "model = dict(type=None)\n",
    "base is missing": "_base_ = 'nowhere.py'\n",
    "base is itself": "_base_ = 'bad.py'\n",
    "base is a folder": "_base_ = 'VOCdevkit'\n",
    "base is a number": "_base_ = 3\n",
    "base is a text file": "_base_ = 'stdout'\n",
    "base is computed": "_base_ = 'own' + '.py'\nx = y\n",
    "bases share keys": "_base_ = ['own.py', 'coco.py']\n",
    "base of nothing": "_base_ = {{fileDirname}}/x\n",
    "base key missing": _OWN + "x = _base_.nothing\n",
    "base variable missing": _OWN + "x = {{_base_.nothing}}\n",
    "a variable of nothing": _OWN + "x = '{{ $NO_SUCH_VARIABLE }}'\nmodel = 3\n",
    "deletes to nothing": _OWN + "model = dict(_delete_=True)\n",
    "replaces a dict": _OWN + "model = dict(backbone=3)\n",
    "a function as type": _OWN + "def f():\n    pass\nmodel = dict(type=f)\n",
    "a lambda inside": _OWN + "model = dict(test_cfg=dict(score_thr=lambda: 1))\n",
    "keys that are numbers": _OWN + "model = {1: 2}\n",
    "keys with dots": _OWN + "model = {'backbone.type': 'YOLOv5CSP'}\n",
    "a reserved key": _OWN + "filename = 'x'\n",
    "two types": _OWN + "model = dict(backbone=dict(type='mmdet.ResNet'))\n",
    "unknown scope": _OWN + "model = dict(backbone=dict(_delete_=True, type='nowhere.ResNet'))\n",
    "wrong hook": _OWN + "default_hooks = dict(record=dict(type='YOLODetector'))\n",
    "a neck as backbone": _OWN + "model = dict(backbone=dict(_delete_=True, type='YOLOv5PAFPN'))\n",
    "a backbone of two levels": _OWN
    + "model = dict(backbone=dict(_delete_=True, type='PyramidBackbone', net=dict(type='timm', model_name='no')))\n",
    "imports a file that fails": _OWN + "custom_imports = dict(imports=['own'], allow_failed_imports=False)\n",
    "lazy": "from mmengine.config import read_base\nwith read_base():\n    from .own import *\n",
}
# What training, evaluation or the data need beside the model.
MISSING = (
    *(
        "train_dataloader",
        "val_dataloader",
        "optim_wrapper",
        "train_cfg",
        "val_cfg",
        "val_evaluator",
        "test_dataloader",
    ),
    *("test_cfg", "test_evaluator", "default_hooks", "randomness", "env_cfg", "default_scope", "data_root", "img_size"),
)
# Those of `MISSING` without which a tool can do its work.
_SPARE = {
    "train.py": {
        "test_dataloader",
        "test_cfg",
        "test_evaluator",
        "default_hooks",
        "randomness",
        "env_cfg",
        "default_scope",
    }
    | {"data_root", "img_size", "val_dataloader", "val_cfg", "val_evaluator"},
    "test.py": {"train_dataloader", "optim_wrapper", "train_cfg", "val_cfg", "val_evaluator", "val_dataloader"}
    | {"default_hooks", "randomness", "env_cfg", "default_scope", "data_root", "img_size"},
    "infer.py": set(MISSING) - {"test_dataloader"},
    "browse_dataset.py": set(MISSING) - {"train_dataloader"},
}
NOT_REFUSED = {  # texts that some tools may well take
    *("a reserved key", "two types", "a lambda inside", "lazy", "a variable of nothing", "base is computed", "json"),
    *("wrong hook", "keys with dots", "imports a file that fails"),
}
STUDIES = {
    "no runs": "x = 1\n",
    "unknown key": "runs = dict(own=[0])\nrun = 3\n",
    "runs is a number": "runs = 3\n",
    "runs is empty": "runs = dict()\n",
    "runs is a list": "runs = ['own']\n",
    "seeds is a number": "runs = dict(yolov5_n_voc=0)\n",
    "seeds are empty": "runs = dict(yolov5_n_voc=[])\n",
    "a seed is a text": "runs = dict(yolov5_n_voc=['a'])\n",
    "a seed is a fraction": "runs = dict(yolov5_n_voc=[0.5])\n",
    "a seed is negative": "runs = dict(yolov5_n_voc=[-1])\n",
    "a seed is huge": "runs = dict(yolov5_n_voc=[2**40])\n",
    "a seed is nothing": "runs = dict(yolov5_n_voc=[None])\n",
    "a seed twice": "runs = dict(yolov5_n_voc=[0, 0])\n",
    "seeds are a dict": "runs = dict(yolov5_n_voc={})\n",
    "an unknown model": "runs = dict(nowhere=[0])\n",
    "a model of two names": "runs = {'yolov5_n_voc': [0], 'configs/yolov5_n_voc.py': [0]}\n",
    "a key that is a number": "runs = {3: [0]}\n",
    "options are a text": "runs = dict(yolov5_n_voc=[0])\noptions = 'img_size=64'\n",
    "options are a dict": "runs = dict(yolov5_n_voc=[0])\noptions = dict(img_size=64)\n",
    "an option is a number": "runs = dict(yolov5_n_voc=[0])\noptions = [3]\n",
    "an option of nothing": "runs = dict(yolov5_n_voc=[0])\noptions = ['bogus=3']\n",
    "an option is out of range": "runs = dict(yolov5_n_voc=[0])\noptions = ['train_cfg.max_epochs=0']\n",
    "a study in it": "runs = dict(study_voc=[0])\n",
    "syntax": "runs = dict(\n",
    "raises": "runs = 1 / 0\n",
    "exits": "raise SystemExit\n",
}
_STUDY_ARGUMENTS = (
    *(("--jobs", value) for value in ("0", "-1", "x", "1.5")),
    *(("--gpus", value) for value in ("-1", "99", "x")),
    *(("--slurm", "p", "--slurm-options", value) for value in ("time", "time=", "=3", "bogus=3", "time=x", "")),
    *(("--slurm-options", "time=3"), ("--slurm", ""), ("--detach",), ("--bogus",)),
    *(("--out", value) for value in ("own.py", "own.py/x", "/proc/x")),
    *(("--cfg-options", value) for value in ("bogus=3", "img_size", "train_cfg.max_epochs=0", "load_from=nowhere.pth")),
)
_NAMES = (
    "nowhere",
    "nowhere.py",
    "VOCdevkit",
    "",
    ".",
    "/",
    "own.pyc",
    "configs/nowhere.py",
    "a" * 300,
    "yolov5_n_vok",
    "-",
)


def inputs() -> Iterator[Input]:
    """All inputs of this area."""
    readers = [*_readers("bad.py").items()]
    for number, (name, text) in enumerate(TEXTS.items()):
        others = (readers[1 + number % 5], readers[1 + (number + 2) % 5])
        for tool, arguments in (readers[0], *others):
            expect = "either" if name in NOT_REFUSED or (tool in _NO_MODEL and name not in _UNREADABLE) else "refused"
            yield Input(tool, f"config: {name}", arguments, expect, _writes("bad.py", text), needs=_NEEDS)
    for key in MISSING:
        for tool, arguments in _readers("bad.py").items():
            if tool in _SPARE:
                expect = "either" if key in _SPARE[tool] else "refused"
                yield Input(tool, f"config without {key}", arguments, expect, _without(key), needs=(*_NEEDS, "full.py"))
    for name in _NAMES:
        yield Input("print_config.py", f"config called {name[:20]!r}", (name,), needs=("VOCdevkit",))
    yield Input("print_config.py", "--diff nowhere", ("own.py", "--diff", "nowhere"))
    yield Input("print_config.py", "--out folder", ("own.py", "--out", "VOCdevkit"), needs=("VOCdevkit",))
    for name, text in STUDIES.items():
        yield Input("study.py", name, ("bad.py",), prepare=_writes("bad.py", text), prelude="no_jobs")
    study = _writes("sound.py", "runs = dict(yolov5_n_demo=[0])\n")
    for arguments in _STUDY_ARGUMENTS:
        expect = "either" if arguments[-1] in ("time=3", "time=x") else "refused"  # Slurm itself judges a time
        yield Input("study.py", " ".join(arguments), ("sound.py", *arguments), expect, study, prelude="no_jobs")
    yield Input(
        "study.py",
        "--slurm p without Slurm",
        ("sound.py", "--slurm", "p"),
        prepare=study,
        prelude="no_jobs",
        environment={"PATH": ""},
    )
    yield Input("study.py", "a config of a model", ("own.py",), prelude="no_jobs")
    yield Input("study.py", "starts", ("sound.py", "--gpus", "0"), "accepted", study, prelude="no_jobs")


_NEEDS = ("VOCdevkit", "best.pth")
_UNREADABLE = {
    *("syntax", "indentation", "tabs and blanks", "name error", "zero division", "raises", "raises without a word"),
    *("exits", "exits in silence", "import of nothing", "recursion", "a picture", "null bytes", "latin-1", "utf-16"),
    *("base is missing", "base is itself", "base is a folder", "base is a number", "base is a text file"),
    *("bases share keys", "base of nothing", "base key missing", "base variable missing"),
}


_NO_MODEL = ("print_config.py", "browse_dataset.py")  # need none


def _readers(config: str) -> dict[str, tuple[str, ...]]:
    """Tools that read a config -> their arguments."""
    return {
        "train.py": (config, "--work-dir", "out"),
        "test.py": (config, "best.pth", "--work-dir", "out"),
        "infer.py": ("VOCdevkit/VOC2007/JPEGImages", "--config", config, "--weights", "best.pth", "--out", "out"),
        "print_config.py": (config,),
        "browse_dataset.py": (config, "--out", "out.png"),
        "analysis/collect_complexity.py": (config, "--out", "out.csv", "--input-hw", "64", "64"),
    }


def _without(key: str):
    """Writes a config that states all that own.py inherits, but for one key."""

    def write(folder: Path) -> None:
        stated: dict = {}
        exec((folder / "full.py").read_text(), stated)
        lines = [f"{name} = {value!r}\n" for name, value in stated.items() if name not in (key, "__builtins__")]
        (folder / "bad.py").write_text("".join(lines))

    return write


def _writes(name: str, text: str | bytes):
    def write(folder: Path) -> None:
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    return write
