"""What the package takes from others without a promise of theirs: private names, bare conventions, texts of errors.

Each has a test here of what we count on. A private name without one fails `test_every_private_name_has_a_contract`.
"""

import ast
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from mmengine.dataset import BaseDataset
from mmengine.evaluator import Evaluator
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.registry import Registry
from mmengine.runner import BaseLoop, Runner
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader

from yolo_plugins.faults import explain

PACKAGE = Path(__file__).resolve().parents[2] / "yolo_plugins"
NAMED_TUPLES = {"_asdict", "_fields", "_make", "_replace"}  # public, in spite of their names
COVERED: set[str] = set()


def covers(*names: str) -> Callable:
    """Marks a test as the contract of private names."""
    COVERED.update(names)
    return lambda test: test


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in NAMED_TUPLES


def own_names(tree: ast.AST) -> Iterator[str]:
    """What a module defines or assigns, but for attributes that it merely declares: those are of a base class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign) and (node.value or isinstance(node.target, ast.Attribute)):
            targets = [node.target]
        for leaf in (leaf for target in targets for leaf in ast.walk(target)):
            yield from (
                [leaf.id] if isinstance(leaf, ast.Name) else [leaf.attr] if isinstance(leaf, ast.Attribute) else []
            )


def declared_names(tree: ast.AST) -> Iterator[str]:
    """Private attributes that a class declares without a value."""
    for node in (node for each in ast.walk(tree) if isinstance(each, ast.ClassDef) for node in each.body):
        if isinstance(node, ast.AnnAssign) and node.value is None and is_private(ast.unparse(node.target)):
            yield ast.unparse(node.target)


def foreign_names(tree: ast.AST, own: set[str]) -> Iterator[str]:
    """Private names of others that a module imports or uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and not str(node.module).startswith("yolo_plugins"):
            private = any(map(is_private, str(node.module).split(".")))
            yield from (alias.name for alias in node.names if private or is_private(alias.name))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if any(map(is_private, alias.name.split("."))))
        elif isinstance(node, ast.Attribute) and is_private(node.attr):
            if node.attr not in own or ast.unparse(node.value) == "super()":
                yield node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
            yield from (
                name.value for name in node.args[1:2] if isinstance(name, ast.Constant) and is_private(str(name.value))
            )


def test_every_private_name_has_a_contract():
    trees = [ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")]
    own = [set(own_names(tree)) - set(declared_names(tree)) for tree in trees]
    assert set().union(*map(foreign_names, trees, own)) == COVERED


# MMEngine


@covers("_resume", "_load_from", "_has_loaded")
@pytest.mark.parametrize(("resume", "called"), [(False, "load_checkpoint"), (True, "resume")])
def test_runner_loads_once_what_its_attributes_name(monkeypatch, resume, called):
    calls = []
    for name in ("load_checkpoint", "resume"):
        monkeypatch.setattr(Runner, name, lambda self, path, name=name: calls.append((name, path)))
    runner = object.__new__(Runner)
    runner._resume, runner._load_from, runner._has_loaded = resume, "file.pth", False
    runner.load_or_resume()
    assert runner._has_loaded
    runner.load_or_resume()
    assert calls == [(called, "file.pth")]


class Stepping(BaseModel):
    """What a Runner takes for a model."""

    def forward(self, inputs, mode="loss"):
        return {}


@covers("_train_loop", "_val_loop", "_test_loop")
@pytest.mark.parametrize(("run", "built"), [("train", {"train", "val"}), ("val", {"val"}), ("test", {"test"})])
def test_runner_has_built_the_loops_that_it_runs_when_it_loads(monkeypatch, tmp_path, run, built):
    parts = {f"{name}_dataloader": DataLoader([0, 1]) for name in ("train", "val", "test")}
    parts |= {f"{name}_evaluator": Evaluator([]) for name in ("val", "test")}
    parts |= {"train_cfg": {"by_epoch": True, "max_epochs": 1}, "val_cfg": {}, "test_cfg": {}}
    parts["optim_wrapper"] = OptimWrapper(torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.1))
    runner = Runner(Stepping(), str(tmp_path), experiment_name=f"loops_{run}", default_scope="yolo_plugins", **parts)
    found = []

    def load_or_resume(self):
        loops = {"train": self._train_loop, "val": self._val_loop, "test": self._test_loop}
        found.append({name for name, loop in loops.items() if isinstance(loop, BaseLoop)})
        raise KeyboardInterrupt

    monkeypatch.setattr(Runner, "load_or_resume", load_or_resume)
    with pytest.raises(KeyboardInterrupt):
        getattr(runner, run)()
    assert found == [built]


@covers("_clip_grad")
def test_optim_wrapper_clips_by_its_options():
    layer = nn.Linear(3, 3)
    wrapper = OptimWrapper(torch.optim.SGD(layer.parameters(), 0.1), clip_grad={"max_norm": 1.0})
    (layer(torch.ones(1, 3)).sum() * 100).backward()
    wrapper._clip_grad()
    assert nn.utils.get_total_norm(parameter.grad for parameter in layer.parameters()) == pytest.approx(1, abs=1e-3)


@covers("_fully_initialized")
def test_base_dataset_knows_its_classes_before_it_has_read_anything():
    dataset = BaseDataset(metainfo={"classes": ("cat",)}, lazy_init=True)
    assert not dataset._fully_initialized
    assert dataset.metainfo == {"classes": ("cat",)}


def test_a_type_that_no_registry_knows_is_told_as_faults_reads_it():
    from yolo_plugins.registry import MODELS

    with pytest.raises(KeyError) as caught:
        MODELS.build({"type": "YOLOv5CPS"})
    assert explain(caught.value) == "unknown type='YOLOv5CPS' (model); did you mean 'YOLOv5CSP'?"


def test_a_name_that_is_registered_twice_is_told_as_faults_reads_it():
    registry = Registry("toy", scope="nowhere")
    registry.register_module("Twice", module=nn.Linear)
    with pytest.raises(KeyError) as caught:
        registry.register_module("Twice", module=nn.Conv2d)
    assert re.fullmatch(
        r"type 'Twice' \(toy\) is registered by torch\.nn\.modules\.linear and by \S*test_private_names; .*",
        str(explain(caught.value)),
    )


def test_an_unknown_option_of_a_constructor_is_told_as_faults_reads_it():
    from yolo_plugins.registry import MODELS

    with pytest.raises(TypeError) as caught:
        MODELS.build({"type": "YOLOv5CSP", "widen": 1})
    assert explain(caught.value) == "YOLOv5CSP takes no 'widen'; did you mean 'widen_factor'?"


def test_options_for_a_constructor_without_any_are_told_as_faults_reads_it():
    from yolo_plugins.registry import HOOKS

    with pytest.raises(TypeError) as caught:
        HOOKS.build({"type": "ParamSchedulerHook", "schedule": "cosine"})
    assert explain(caught.value).startswith("ParamSchedulerHook takes no options; where it replaces another type")


# torch


class Seen(TorchDispatchMode):
    """Collects the operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.operators = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.operators.append(func)
        return func(*args, **(kwargs or {}))


def operators_of(function: Callable) -> list:
    with Seen() as seen:
        function()
    return seen.operators


@covers("TorchDispatchMode")
def test_dispatch_mode_sees_every_operator_with_its_name_and_kind():
    relu, view = operators_of(lambda: torch.ones(2).relu_().view(1, 2))[-2:]
    assert (str(relu.overloadpacket), relu.is_view) == ("aten.relu_", False)
    assert (str(view.overloadpacket), view.is_view) == ("aten.view", True)


@covers("_is_mkldnn_bf16_supported")
@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="no /proc/cpuinfo")
def test_torch_knows_whether_the_processor_has_bfloat16():
    flags = Path("/proc/cpuinfo").read_text().split()
    known = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert isinstance(known, bool)
    if {"avx512_bf16", "amx_bf16"} & set(flags):
        assert known


@covers("_scaled_dot_product_flash_attention_for_cpu")
def test_attention_on_the_cpu_is_one_operator():
    query = torch.rand(1, 2, 4, 8)
    seen = operators_of(lambda: nn.functional.scaled_dot_product_attention(query, query, query))
    assert torch.ops.aten._scaled_dot_product_flash_attention_for_cpu in [each.overloadpacket for each in seen]


@covers("_modules")
def test_a_module_keeps_all_places_of_its_children():
    parent, child = nn.Module(), nn.Identity()
    parent.first = parent.second = child
    parent.register_module("third", None)
    assert parent._modules == {"first": child, "second": child, "third": None}


@covers("_bbox_decode")
def test_yolox_decodes_by_points_with_their_strides():
    from mmdet.models.dense_heads import YOLOXHead

    points = torch.tensor([[8.0, 16.0, 8.0, 8.0]])  # x, y and the stride, twice
    bboxes = YOLOXHead._bbox_decode(None, points, torch.tensor([[[1.0, 0.5, 0.0, 0.6931472]]]))
    torch.testing.assert_close(bboxes, torch.tensor([[[12.0, 12.0, 20.0, 28.0]]]))


def test_flop_counter_tells_which_module_runs():
    from torch.utils.flop_counter import FlopCounterMode

    counter, inside = FlopCounterMode(display=False), []

    class Watched(nn.Linear):
        def forward(self, x):
            inside.extend(counter.mod_tracker.parents)
            return super().forward(x)

    with counter:
        nn.Sequential(Watched(2, 3))(torch.ones(1, 2))
    assert sorted(inside) == ["Global", "Sequential", "Sequential.0"]
    assert counter.get_total_flops() == sum(counter.get_flop_counts()["Sequential.0"].values()) == 2 * 2 * 3


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("unsafe", [os.getcwd, Path.cwd])
def test_torch_names_what_an_unsafe_checkpoint_would_run(tmp_path, zipped, unsafe):
    from yolo_plugins.checkpoints.read import load_checkpoint
    from yolo_plugins.errors import UsageError

    class Evil:
        def __reduce__(self):
            return unsafe, ()

    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UsageError, match=r"evil\.pth: loading it would run \S+, which is refused"):
        load_checkpoint(tmp_path / "evil.pth")


def test_reading_a_number_without_memory_says_meta():
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        torch.empty(1, device="meta").item()


# Others


def test_thop_has_a_rule_for_each_exact_type_and_a_tree_of_counts():
    thop = pytest.importorskip("thop")
    from thop.profile import register_hooks

    assert {nn.Conv2d, nn.Linear, nn.BatchNorm2d} <= register_hooks.keys()
    model = nn.Sequential(nn.Linear(2, 3))
    total, _, layers = thop.profile(model, (torch.ones(1, 2),), {}, verbose=False, ret_layer_info=True)
    ((name, (operations, _, inner)),) = layers.items()
    assert (name, operations, inner) == ("0", total, {})
    assert total == 2 * 3


def test_submitit_refuses_in_the_ways_that_are_told_on(monkeypatch, tmp_path):
    submitit = pytest.importorskip("submitit")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match="srun"):
        submitit.SlurmExecutor(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(ValueError, match=r"^Unavailable parameter.*'cpu'.*\n"):
        submitit.SlurmExecutor(tmp_path).update_parameters(cpu=1)


def test_the_zoo_of_mmpretrain_gives_an_address_or_a_value_error():
    from mmpretrain.apis.model import ModelHub

    assert ModelHub.get("resnet18_8xb32_in1k").weights.startswith("https://")
    with pytest.raises(ValueError, match="no-such"):
        ModelHub.get("no-such")
