"""The config in a checkpoint is data: its literals are read, and nothing that it names is imported or called."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.registry import registry as lookup

from yolo_plugins.checkpoints import saved_config
from yolo_plugins.checkpoints.saved_config import config_from_checkpoint
from yolo_plugins.config import config_differences, load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import MODELS, REGISTRIES

REPO = Path(__file__).resolve().parents[2]
BASE = dict(model=dict(type="YOLODetector"))


@pytest.fixture(autouse=True)
def look_up(monkeypatch):
    """MMEngine's look-up as it was, after each test."""
    for name in ("get_object_from_string", "import_module"):
        monkeypatch.setattr(lookup, name, getattr(lookup, name))


def checkpoint(text: str) -> dict:
    return {"meta": {"cfg": text}, "state_dict": {}}


@pytest.mark.parametrize(
    "name", ["yolov5_n_demo", "yolov5_n_coco", "yolov4_tiny_voc", "yolov5_efficientnet_voc", "retinanet_resnet18_voc"]
)
def test_what_a_checkpoint_holds_is_the_config_of_its_training(name):
    trained = load_config(name, ["img_size=96,64", "model.test_cfg.score_thr=0.01"])
    read = config_from_checkpoint(checkpoint(trained.pretty_text), "a.pth")
    differing = {line.partition(": ")[0].partition(".")[0] for line in config_differences(trained, read)}
    assert differing.isdisjoint({"model", "test_dataloader", "test_evaluator", "test_cfg", "default_scope"})
    assert MODELS.build(read.model) is not None


def test_options_change_it():
    text = load_config("yolov5_n_demo").pretty_text
    assert config_from_checkpoint(checkpoint(text), "a.pth", ["model.test_cfg.score_thr=0.5"]).model.test_cfg == {
        **load_config("yolov5_n_demo").model.test_cfg,
        "score_thr": 0.5,
    }
    with pytest.raises(UsageError, match="the config has no 'modle'; did you mean 'model'"):
        config_from_checkpoint(checkpoint(text), "a.pth", ["modle.test_cfg.score_thr=0.5"])


@pytest.mark.parametrize("content", [{}, {"meta": None}, {"meta": {"cfg": None}}, {"meta": {"cfg": " "}}])
def test_a_checkpoint_without_a_config_says_so(content):
    with pytest.raises(UsageError, match=r"^a\.pth: holds no config; give the config that it was trained with$"):
        config_from_checkpoint(content, "a.pth")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("model = dict(type=", "is no Python text"),
        ("a\0 = 1", "is no Python text"),
        ("(" * 5000, "is no Python text"),
        ("x = 1\nimport os", "line 2 of its config is more"),
        ("x = open('MARK', 'w')", "line 1 of its config is more"),
        ("x = dict(**globals())", "line 1"),
        ("x = [y for y in 'ab']", "line 1"),
        ("x = f'{1}'", "line 1"),
        ("x = torch.optim.SGD", "line 1"),
        ("x = {1, 2}", "line 1"),
        ("x = " + "-" * 3000 + "1", "its config"),
        ("x = 2 ** 99", "line 1"),
        ("x += 1", "line 1"),
        ("x = y = 1", "line 1"),
        ("if True:\n    x = 1", "line 1"),
    ],
)
def test_text_that_is_more_than_values_is_one_line(text, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"^a\.pth: [^\n]*give the config that it was trained with$") as caught:
        config_from_checkpoint(checkpoint(text), "a.pth")
    assert reason in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_module_that_a_checkpoint_names_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    monkeypatch.syspath_prepend(tmp_path)
    for imports in ("['evil']", "'evil'", "['yolo_plugins.registry', 'evil']"):
        text = f"model = dict(type='YOLODetector')\ncustom_imports = dict(imports={imports})"
        with pytest.raises(UsageError, match=r"^a\.pth: its config imports evil, which a file cannot"):
            config_from_checkpoint(checkpoint(text), "a.pth")
    assert "evil" not in sys.modules
    monkeypatch.setitem(sys.modules, "evil", sys)  # imported by the user
    assert config_from_checkpoint(checkpoint(text), "a.pth").model.type == "YOLODetector"


@pytest.mark.parametrize(
    "kind", ["evil", "evil.Trap", "os.system", "mmengine.dump", "mmdet.utils.setup_env.os.system", "yolo_plugins.evil"]
)
def test_a_type_that_no_registry_knows_is_neither_imported_nor_called(kind, tmp_path):
    """In a process of its own: what MMEngine has looked up, it does not look up again."""
    package = tmp_path / "evil"
    package.mkdir()
    for name in ("__init__.py", "registry.py"):
        (package / name).write_text("raise SystemExit('ran')")
    text = f"model = dict(type='YOLODetector', backbone=dict(type={kind!r}, command='touch ran', obj=1, file='r.json'))"
    program = f"""
from yolo_plugins.checkpoints.saved_config import config_from_checkpoint
from yolo_plugins.faults import explain
from yolo_plugins.registry import MODELS
config = config_from_checkpoint({checkpoint(text)!r}, "a.pth")
try:
    MODELS.build(config.model.backbone)
except Exception as error:
    print(explain(error))
"""
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert f"unknown type={kind!r} (model)" in result.stdout, result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil"]


@pytest.mark.parametrize("kind", ["mmdet.CameraMotionCompensation", "CameraMotionCompensation"])
def test_a_registered_type_that_evaluates_a_text_is_refused(kind):
    text = f"model = dict(type='mmdet.RetinaNet', parts=[dict(cmc=dict(type={kind!r}, warp_mode='exit()'))])"
    with pytest.raises(UsageError, match=rf"^a\.pth: its config names type='{kind}' \(mmdet\.models\.task_modules"):
        config_from_checkpoint(checkpoint(text), "a.pth")


def test_nothing_that_a_checkpoint_may_choose_evaluates_a_text():
    """By the source of every module whose classes are let pass."""
    for child in REGISTRIES:
        child.import_from_location()
    import mmdet.registry
    import mmpretrain.registry

    for registry in (mmdet.registry.MODELS, mmdet.registry.TRANSFORMS, mmpretrain.registry.MODELS):
        registry.import_from_location()
    modules = set()
    for child in REGISTRIES:
        for registry in (child.parent, *child.parent.children.values()):
            modules |= {
                inspect.getmodule(known)
                for known in registry.module_dict.values()
                if saved_config._SOUND.fullmatch(known.__module__) and not known.__module__.startswith("torch.")
            }
    assert len(modules) > 200
    calls = "eval|exec|__import__|import_module|import_modules_from_strings|get_object_from_string"
    code = rf"(?<![\w.])({calls})\(|pickle\.load|allow_pickle|trust_remote_code"
    found = {
        (known.__name__, line.strip())
        for known in modules
        for line in inspect.getsource(known).splitlines()
        if re.search(code, line)
    }
    assert found == set()
