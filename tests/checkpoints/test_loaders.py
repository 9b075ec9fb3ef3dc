"""Facts about what takes the place of MMEngine's loaders: what they still read, from where, and what they refuse."""

import importlib
import os
import shutil
import subprocess
import sys
from collections import OrderedDict

import mmengine
import numpy as np
import pytest
import torch
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader, load_checkpoint
from torch import nn

from yolo_plugins.checkpoints import loaders
from yolo_plugins.checkpoints.read import load_checkpoint as read
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import explain


def test_no_scheme_of_mmengine_is_left_to_its_own_loader():
    assert set(CheckpointLoader._schemes.values()) == {loaders.load_from_data_only}


def test_torch_load_is_held_to_data_whatever_the_environment_says():
    flags = ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    code = f"import os, yolo_plugins.registry; print(*(os.environ.get(name) for name in {flags}))"
    environment = {**os.environ, flags[1]: "1"}
    environment.pop(flags[0], None)
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["1", "None"]


def test_the_loaders_are_replaced_at_the_first_look_up_of_any_name():
    code = (
        "from mmengine.runner import CheckpointLoader\n"
        "from yolo_plugins.registry import FUNCTIONS\n"
        "FUNCTIONS.get('yolo_plugins.collate_detection')\n"
        "print(CheckpointLoader._get_checkpoint_loader('x.pth').__module__)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip().endswith("yolo_plugins.checkpoints.loaders")


class Pair(BaseModule):
    """A network whose parts a checkpoint may initialise, together or one by one."""

    def __init__(self, **init_cfg):
        super().__init__(dict(init_cfg, type="Pretrained"))
        self.backbone, self.head = nn.Linear(2, 2), nn.Linear(2, 2)


@pytest.fixture
def published(tmp_path):
    """Writes what MMDetection and mmpretrain publish, or the state dict alone."""

    def write(bare=False):
        weights = OrderedDict(Pair().state_dict())
        weights["backbone.weight"] = nn.Parameter(torch.full((2, 2), 7.0))
        weights._metadata = OrderedDict({"": {"version": 1}})
        history = mmengine.logging.HistoryBuffer([1.0], [1])
        meta = dict(
            CLASSES=("a", "b"),
            dataset_meta=dict(classes=("a", "b"), palette=[(1, 2, 3)]),
            seed=np.int64(3),
            shape=torch.Size((2, 3)),
            dtypes=(torch.float16, np.dtype("f4")),
            array=np.arange(3),
            window=slice(1, 2),
            config="model = dict()",
            cfg="model = dict()",
        )
        hub = dict(log_scalars=dict(loss=history), runtime_info=dict(eta=np.float64(0.5)), resumed_keys={})
        path = tmp_path / "published.pth"
        torch.save(weights if bare else dict(meta=meta, state_dict=weights, message_hub=hub), path)
        return path

    return write


@pytest.mark.parametrize("bare", [True, False])
def test_init_cfg_takes_a_published_checkpoint_or_a_bare_state_dict(published, bare):
    path = str(published(bare))
    whole, part = Pair(checkpoint=path), BaseModule(dict(type="Pretrained", checkpoint=path, prefix="backbone"))
    part.register_parameter("weight", nn.Parameter(torch.zeros(2, 2)))
    part.register_parameter("bias", nn.Parameter(torch.zeros(2)))
    whole.init_weights()
    part.init_weights()
    assert (whole.backbone.weight == 7).all() and (part.weight == 7).all()
    assert (whole.head.weight != 7).all()


@pytest.mark.parametrize("prefix", [None, "head.", "hea"])
def test_init_cfg_refuses_a_file_without_a_weight_for_its_part(tmp_path, prefix):
    torch.save({"state_dict": {"other.weight": torch.zeros(2, 2)}}, tmp_path / "other.pth")
    pair = Pair(checkpoint=str(tmp_path / "other.pth"), prefix=prefix)
    with pytest.raises(UsageError, match=r"other\.pth: init_cfg with prefix=.* finds no weight of Pair: its names are"):
        pair.init_weights()


def test_init_cfg_takes_what_data_parallel_saved(tmp_path):
    torch.save({f"module.{key}": torch.ones_like(value) for key, value in Pair().state_dict().items()}, tmp_path / "x")
    pair = Pair(checkpoint=str(tmp_path / "x"))
    pair.init_weights()
    assert (pair.head.weight == 1).all()


@pytest.mark.parametrize("weights", [{"head.weight": "x"}, {3: torch.zeros(2)}])
def test_init_cfg_refuses_weights_that_are_none(tmp_path, weights):
    torch.save(weights, tmp_path / "bad.pth")
    with pytest.raises(UsageError, match=r"bad\.pth: .*; a name and a tensor of real numbers belong there"):
        Pair(checkpoint=str(tmp_path / "bad.pth")).init_weights()


def test_a_published_checkpoint_is_whole_but_for_the_config_that_resuming_would_run(published):
    content = load_checkpoint(Pair(), str(published()), map_location="cpu")
    meta = content["meta"]
    assert "config" not in meta
    assert (meta["seed"], meta["shape"], meta["dtypes"]) == (3, (2, 3), (torch.float16, np.dtype("f4")))
    assert (meta["array"] == np.arange(3)).all() and meta["window"] == slice(1, 2) and meta["cfg"] == "model = dict()"
    assert content["message_hub"]["log_scalars"]["loss"].current() == 1
    assert content["state_dict"]._metadata == {"": {"version": 1}}


@pytest.mark.parametrize("address", ["https://host/of.pth", "open-mmlab://of", "torchvision://of", "mmcls://of"])
def test_published_weights_are_fetched_once_for_an_address_or_a_name(published, address, monkeypatch, tmp_path):
    path, fetched = published(), []

    def download(address, to):
        fetched.append(address)
        shutil.copy(path, to)

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    for scheme in ("open-mmlab", "torchvision", "mmcls"):
        monkeypatch.setitem(loaders._MODEL_LISTS, scheme, lambda: {"of": "https://host/of.pth"})
    for _ in range(2):
        weights = CheckpointLoader.load_checkpoint(address)["state_dict"]
    assert fetched == ["https://host/of.pth"]
    assert set(weights) == ({"weight", "bias"} if address == "mmcls://of" else set(Pair().state_dict()))


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("absent.pth", r"absent\.pth: no such checkpoint file"),
        ("torchvision://resnet5", "MMEngine lists no such model; did you mean 'resnet50'"),
        ("s3://bucket/x.pth", r"s3://bucket/x\.pth cannot be fetched .*: check the network"),
        ("pavi://x", "pavi://x cannot be fetched"),
        ("http://127.0.0.1:9/x.pth", r"http://127\.0\.0\.1:9/x\.pth cannot be fetched .*refused"),
    ],
)
def test_what_cannot_be_had_is_one_sentence(source, sentence, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UsageError, match=sentence) as error:
        CheckpointLoader.load_checkpoint(source)
    assert "\n" not in str(error.value)


def test_a_schedule_by_milestones_comes_back_as_it_was(tmp_path):
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 2])
    torch.save({"param_schedulers": [schedule.state_dict()]}, tmp_path / "x.pth")
    assert read(tmp_path / "x.pth")["param_schedulers"][0]["milestones"] == {1: 1, 2: 1}


@pytest.mark.parametrize("suffix", ["pkl", "yaml", "json"])
def test_what_mmengine_dumps_is_read_again(tmp_path, suffix):
    content = {"boxes": [1.5, None], "name": "a", "empty": {}}
    mmengine.dump(content, tmp_path / f"x.{suffix}")
    assert mmengine.load(tmp_path / f"x.{suffix}") == content


def test_a_pickle_keeps_tensors_arrays_and_tuples_and_yaml_its_tuples(tmp_path):
    content = [
        {"bboxes": torch.arange(4.0).reshape(1, 4), "none": torch.zeros(0, 4), "hw": (3, 4), "ids": np.arange(2)}
    ]
    mmengine.dump(content, tmp_path / "found.pkl")
    (found,) = mmengine.load(tmp_path / "found.pkl")
    assert torch.equal(found["bboxes"], content[0]["bboxes"]) and found["none"].shape == (0, 4)
    assert found["hw"] == (3, 4) and (found["ids"] == np.arange(2)).all()
    mmengine.dump({"hw": (3, [4, (5,)])}, tmp_path / "x.yaml")
    assert mmengine.load(tmp_path / "x.yaml") == {"hw": (3, [4, (5,)])}


class Evil:
    def __reduce__(self):
        return os.system, ("exit 3",)


def test_a_pickle_or_yaml_with_a_command_is_refused_by_its_name(tmp_path):
    mmengine.dump(Evil(), tmp_path / "x.pkl")
    (tmp_path / "x.yaml").write_text("a: !!python/object/apply:os.system ['exit 3']")
    with pytest.raises(UsageError, match=r"would run posix\.system, which is refused; write it as JSON"):
        mmengine.load(tmp_path / "x.pkl")
    with pytest.raises(UsageError, match=r"python/object/apply:os\.system.*line 1.*; write plain values"):
        mmengine.load(tmp_path / "x.yaml")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_third_party_that_loads_a_command_is_told_in_one_line(tmp_path, zipped):
    importlib.import_module("yolo_plugins.registry")
    torch.save(Evil(), tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(Exception) as caught:  # noqa: PT011, torch's own
        torch.load(tmp_path / "x.pth", weights_only=False)
    assert explain(caught.value).startswith("a file given to torch.load would run posix.system, which is refused; ")
