"""Hostile files through every door by which a file becomes tensors or objects: nothing runs, and the fault is told.

Each file would leave a mark if what it holds were run; that it would is a test of its own.
"""

import contextlib
import copy
import copyreg
import functools
import importlib
import io
import operator
import os
import pickle
import runpy
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import mmengine
import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader, Runner
from mmengine.runner.checkpoint import load_from_local
from PIL import Image
from torch import nn
from toy_training import toy_config

from yolo_plugins.checkpoints.darknet import load_darknet
from yolo_plugins.checkpoints.read import load_checkpoint
from yolo_plugins.checkpoints.weights import load_any_weights
from yolo_plugins.config import load_config
from yolo_plugins.engine import YOLORunner
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import explain
from yolo_plugins.inference import Detector, load_detector
from yolo_plugins.models.backbones.pretrained import read_pretrained
from yolo_plugins.registry import MODELS
from yolo_plugins.testing.benchmark import benchmark_eval

REPO = Path(__file__).resolve().parents[2]
MARK = Path(tempfile.gettempdir(), f"ran-{os.getpid()}")  # pickled classes cannot be given a path
TOUCH = f"touch {MARK}"
WRITE = f"open({str(MARK)!r}, 'w').close()"
FLAG = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


class Command:
    """Pickles as a call: `function(*arguments)` runs when the pickle is loaded by the standard means."""

    def __init__(self, function: Callable, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call

    def __call__(self) -> None:
        """Lets a command stand for the function that it gives."""


class TrapDict(OrderedDict):
    def __setstate__(self, state: dict) -> None:
        MARK.touch()


class TrapArray(np.ndarray):
    def __setstate__(self, state: tuple) -> None:
        MARK.touch()


class TrapBase:
    def __new__(cls, *_: object) -> "TrapBase":
        return super().__new__(cls)

    def __init__(self, *_: object) -> None:
        MARK.touch()


class TrapModule(nn.Linear):
    def __setstate__(self, state: dict) -> None:
        MARK.touch()


SYSTEM = Command(os.system, TOUCH)
MODULE = Command(importlib.import_module, "os")


def saved(content: object, zipped: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


@functools.cache
def of_toy_training() -> dict:
    """A checkpoint that can be resumed from."""
    with tempfile.TemporaryDirectory() as folder:
        config = toy_config(Path(folder), max_epochs=1)
        config["default_hooks"] |= {"record": None, "console": None}
        YOLORunner.from_cfg(config).train()
        return torch.load(Path(folder, "epoch_1.pth"))


def with_part(**parts: object) -> bytes:
    """That checkpoint with some parts in place of its own, or beside what is in them."""
    content = copy.copy(of_toy_training())
    for name, part in parts.items():
        content[name] = content[name] | part if type(part) is dict else part
    return saved(content)


def trap_dict() -> TrapDict:
    trap = TrapDict(a=1)
    trap.state = "of its own"
    return trap


def torchscript() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Linear(1, 1)), buffer)
    return buffer.getvalue()


def old_tar() -> bytes:
    """The format before torch 0.1.10."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("sys_info", "storages", "tensors", "pickle"):
            data = pickle.dumps(SYSTEM, protocol=2)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def with_other_pickle() -> bytes:
    """A sound archive, but for its pickle."""
    sound, hostile = io.BytesIO(with_part()), io.BytesIO()
    with zipfile.ZipFile(sound) as source, zipfile.ZipFile(hostile, "w") as target:
        for name in source.namelist():
            target.writestr(name, pickle.dumps(SYSTEM, 2) if name.endswith("data.pkl") else source.read(name))
    return hostile.getvalue()


def official() -> bytes:
    model = nn.Sequential(nn.Linear(1, 1))
    model.hook = SYSTEM
    return saved({"model": model, "ema": None, "opt": SYSTEM})


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, image=np.array([SYSTEM], dtype=object))
    return buffer.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "a command instead of a checkpoint": lambda: saved(SYSTEM),
    "a command in meta": lambda: with_part(meta={"note": SYSTEM}),
    "a command among the weights": lambda: with_part(state_dict=OrderedDict(w=SYSTEM)),
    "a command in the optimizer": lambda: with_part(optimizer={"state": [SYSTEM]}),
    "eval": lambda: saved({"w": Command(eval, WRITE)}),
    "exec": lambda: saved({"w": Command(exec, WRITE)}),
    "a chain of getattr": lambda: saved({"w": Command(Command(getattr, MODULE, "system"), TOUCH)}),
    "functools.partial": lambda: saved({"w": Command(functools.partial(os.system, TOUCH))}),
    "operator.methodcaller": lambda: saved({"w": Command(operator.methodcaller("system", TOUCH), MODULE)}),
    "operator.attrgetter": lambda: saved({"w": Command(Command(operator.attrgetter("system"), MODULE), TOUCH)}),
    "a dict with __setstate__": lambda: saved(trap_dict()),
    "an array of objects": lambda: saved({"w": np.array([SYSTEM], dtype=object)}),
    "an array with __setstate__": lambda: saved({"w": np.zeros(1).view(TrapArray)}),
    "copyreg": lambda: saved({"w": Command(copyreg._reconstructor, TrapBase, TrapBase, 1)}),
    "a pickle in a storage": lambda: saved({"w": Command(torch.storage._load_from_bytes, saved(SYSTEM, zipped=False))}),
    "arguments of a tensor": lambda: saved({"w": Command(torch._utils._rebuild_tensor_v2, SYSTEM, 0, (1,), (1,))}),
    "a type of a tensor": lambda: saved(
        {"w": Command(torch._tensor._rebuild_from_type_v2, os.system, torch.Tensor, (TOUCH,), {})}
    ),
    "a whole module": lambda: saved(TrapModule(1, 1)),
    "a config object": lambda: with_part(meta=ConfigDict(note=SYSTEM)),
    "an official file": official,
    "TorchScript": torchscript,
    "torch before 1.6": lambda: saved({"w": SYSTEM}, zipped=False),
    "torch before 0.1.10": old_tar,
    "a plain pickle": lambda: pickle.dumps({"w": SYSTEM}, protocol=2),
    "a plain pickle of today": lambda: pickle.dumps({"w": SYSTEM}),
    "a sound archive with another pickle": with_other_pickle,
    "an .npz of objects": npz,
    "a config's text": lambda: with_part(meta={"config": WRITE, "cfg": WRITE}),
    "YAML": lambda: f"w: !!python/object/apply:os.system ['{TOUCH}']".encode(),
}
# What would run them, where that is not an unrestricted `torch.load`.
LAUNCHERS: dict[str, Callable[[Path], object]] = {
    "a plain pickle": lambda path: pickle.loads(path.read_bytes()),  # noqa: S301
    "a plain pickle of today": lambda path: pickle.loads(path.read_bytes()),  # noqa: S301
    "an .npz of objects": lambda path: np.load(path, allow_pickle=True)["image"],
    "a config's text": lambda path: Config.fromstring(torch.load(path)["meta"]["config"], ".py"),
    "YAML": lambda path: yaml.unsafe_load(path.read_text()),
}
HARMLESS = {"TorchScript"}  # its code is of a language without files; it is refused all the same
PROVEN = [name for name in FILES if name not in HARMLESS]


class Pretrained(BaseModule):
    def __init__(self, **init_cfg: str) -> None:
        super().__init__(dict(init_cfg, type="Pretrained"))
        self.layer = nn.Linear(1, 1)


def plain_runner(path: Path, folder: Path) -> Runner:
    """MMEngine's own, of which a config can ask."""
    hooks = dict.fromkeys(("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint"))
    config = toy_config(folder, resume=True, load_from=str(path))
    return Runner.from_cfg(Config(config | {"default_hooks": hooks, "custom_hooks": []}))


def copied(path: Path, suffix: str) -> str:
    return shutil.copy(path, path.with_suffix(suffix))


def by_address(path: Path, prefix: str) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(path.parent / "home"))
        patch.setattr(torch.hub, "download_url_to_file", lambda address, to: shutil.copy(path, to))
        patch.setattr("mmengine.runner.checkpoint.get_external_models", dict)
        return CheckpointLoader.load_checkpoint(f"{prefix}example.org/{path.name}")


def from_hub(path: Path) -> object:
    return torch.hub.load_state_dict_from_url(path.as_uri(), model_dir=str(path.parent / "hub"), progress=False)


def darknet(path: Path) -> object:
    cfg = path.with_suffix(".cfg")
    cfg.write_text("[net]\nchannels=3\n[convolutional]\nfilters=2\nsize=1\n")
    return load_darknet(cfg, path)


def init_detector(path: Path) -> object:
    from mmdet.apis import init_detector

    return init_detector(str(REPO / "configs" / "yolov5_pico_demo.py"), str(path), device="cpu")


def tool(name: str, *arguments: str) -> None:
    """Runs a command in this process.

    Raises:
        UsageError: It ended with status 1, and this is the one line that it said.
    """
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(io.StringIO()) as stderr:
        patch.setattr(sys, "argv", [name, *arguments])
        try:
            runpy.run_path(str(REPO / "tools" / f"{name}.py"), run_name="__main__")
        except SystemExit:
            raise UsageError(stderr.getvalue().strip()) from None


def convert(path: Path) -> None:
    tool("convert_weights", "yolov5", str(path), str(path.with_suffix(".out")))


def infer(path: Path) -> None:
    picture = path.with_suffix(".png")
    Image.new("RGB", (32, 32)).save(picture)
    out = str(path.parent / "drawn")
    tool("infer", str(picture), "--config", "yolov5_pico_demo", "--weights", str(path), "--out", out)


def official(path: Path) -> None:
    load_any_weights(copied(path, ".pt"))


RESNET = dict(type="mmdet.ResNet", depth=18)
DOORS: dict[str, Callable[[Path], object]] = {
    "our reader": load_checkpoint,
    "--weights": official,
    "infer.py": infer,
    "Detector": Detector,
    "convert_weights.py": convert,
    "test.py --deploy": lambda path: load_detector(load_config("yolov5_pico_demo"), path),
    "convert darknet": darknet,
    "benchmark --detections": lambda path: benchmark_eval(path, repeats=1),
    "init_cfg": lambda path: Pretrained(checkpoint=str(path)).init_weights(),
    "init_cfg with prefix": lambda path: Pretrained(checkpoint=str(path), prefix="stem").init_weights(),
    "init_cfg of a backbone": lambda path: MODELS.build(
        dict(RESNET, init_cfg=dict(type="Pretrained", checkpoint=str(path)))
    ).init_weights(),
    "pretrained of mmpretrain": lambda path: read_pretrained(dict(type="mmpretrain.ResNet", depth=18), str(path)),
    "pretrained of timm": lambda path: read_pretrained(dict(type="timm", model_name="resnet10t"), str(path)),
    "pretrained of timm, safetensors": lambda path: read_pretrained(
        dict(type="timm", model_name="resnet10t"), copied(path, ".safetensors")
    ),
    "pretrained of timm, an overlay": lambda path: read_pretrained(
        dict(type="timm", model_name="resnet10t", pretrained_cfg_overlay=dict(file=str(path))), True
    ),
    "load_checkpoint": lambda path: mmengine.runner.load_checkpoint(nn.Linear(1, 1), str(path)),
    "CheckpointLoader": lambda path: CheckpointLoader.load_checkpoint(str(path), map_location="cpu"),
    "https": lambda path: by_address(path, "https://"),
    "init_detector": init_detector,
}
# Third parties' own calls, whose errors are theirs.
FOREIGN_DOORS: dict[str, Callable[[Path], object]] = {
    "load_from_local": lambda path: load_from_local(str(path), "cpu"),
    "torch.load": lambda path: torch.load(path, weights_only=False),
    "torch.hub": from_hub,
    "annotations as .pkl": lambda path: mmengine.load(copied(path, ".pkl")),
    "annotations as .yaml": lambda path: mmengine.load(copied(path, ".yaml")),
}


PASSAGES: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def _count():
    yield
    print(f"\n{len(PASSAGES)} passages of {len(FILES)} hostile files: {len(list(filter(None, PASSAGES)))} ran")


@pytest.fixture(autouse=True)
def _no_mark():
    MARK.unlink(missing_ok=True)
    yield
    MARK.unlink(missing_ok=True)


@pytest.fixture
def hostile(tmp_path) -> Callable[[str], Path]:
    """Writes a hostile file by its name."""

    def write(name: str) -> Path:
        path = tmp_path / "hostile.pth"
        path.write_bytes(FILES[name]())
        return path

    return write


def passes(path: Path, door: Callable[[Path], object]) -> str | None:
    """Takes a file through a door; returns what a user is told, None where nothing was wrong for this door."""
    try:
        door(path)
    except Exception as error:
        return explain(error) or f"{type(error).__name__} has no sentence: {error}"
    finally:
        PASSAGES.append("ran" if MARK.exists() else "")
        assert not MARK.exists(), "it ran"
    return None


def is_told(sentence: str | None, path: Path) -> bool:
    return sentence is None or (path.stem in sentence and "\n" not in sentence)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PROVEN)
def test_a_hostile_file_does_run_without_protection(hostile, name, monkeypatch):
    path = hostile(name)
    monkeypatch.delenv(FLAG)
    with contextlib.suppress(Exception):  # what comes after the command does not matter
        LAUNCHERS.get(name, lambda path: torch.load(path, weights_only=False))(path)
    assert MARK.exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
def test_nothing_runs_through_any_door(hostile, name):
    path = hostile(name)
    for door, opens in DOORS.items():
        assert is_told(passes(path, opens), path), door
    for opens in FOREIGN_DOORS.values():
        passes(path, opens)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
def test_nothing_runs_in_a_training(hostile, make_runner, name, tmp_path):
    path = hostile(name)
    settings = dict(load_from=str(path), max_epochs=2)
    assert is_told(passes(path, lambda path: make_runner(resume=True, **settings).train()), path)
    assert is_told(passes(path, lambda path: make_runner(resume=False, **settings).train()), path)
    passes(path, lambda path: plain_runner(path, tmp_path / "plain").train())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("a command in meta", "posix.system"),
        ("a chain of getattr", "importlib.import_module"),
        ("an array of objects", "numpy.dtype[O8]"),
        ("TorchScript", "TorchScript"),
        ("torch before 1.6", "posix.system"),
        ("torch before 0.1.10", "pickles in a .tar"),
    ],
)
def test_a_sentence_names_what_would_run(hostile, name, program):
    path = hostile(name)
    told = passes(path, load_checkpoint)
    assert told.startswith(f"{path}: loading it would run {program}, which is refused; give a checkpoint of ours, or ")
    assert "weights_only" not in passes(path, DOORS["pretrained of timm"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--resume", "{}"),
        ("train", "--cfg-options", "load_from={}"),
        ("train", "--weights", "{}"),
        ("test", "--weights", "{}"),
        ("test", "--weights", "{}", "--deploy"),
        ("train", "--cfg-options", "model.backbone.init_cfg.type=Pretrained", "model.backbone.init_cfg.checkpoint={}"),
        ("test", "{}"),
        ("test", "{}", "--deploy"),
    ],
    ids=" ".join,
)
def test_a_command_refuses_a_hostile_file_in_one_line(hostile, arguments, synthetic_voc, tmp_path):
    path = hostile("a command in meta")
    name, *rest = (argument.format(path) for argument in arguments)
    data = [f"data_root={synthetic_voc}", "train_dataloader.num_workers=0", "val_dataloader.num_workers=0"]
    options = rest if "--cfg-options" in rest else [*rest, "--cfg-options"]
    run = ["yolov5_pico_demo", "--work-dir", str(tmp_path / "run"), *options, *data, "img_size=64"]
    told = passes(path, lambda path: tool(name, *run))
    assert told == (
        f"error: {path}: loading it would run posix.system, which is refused; give a checkpoint of ours, or "
        "convert an official file by yolo-plugins convert-weights"
    )
