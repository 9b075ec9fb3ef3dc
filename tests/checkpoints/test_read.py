"""Facts about reading checkpoint files: what comes out, what never runs, what is refused."""

import os
import pickle
import subprocess
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from official_files import write_official
from torch import nn

from yolo_plugins.checkpoints.official import read_official
from yolo_plugins.checkpoints.read import load_checkpoint, load_weights, weights_sha256
from yolo_plugins.errors import UsageError

TOOL = Path(__file__).resolve().parents[2] / "tools" / "convert_weights.py"


class Command:
    """Pickles as a call: `function(*arguments)` runs when the pickle is loaded by the standard means."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.fixture
def marker(tmp_path):
    """A file that exists only if a pickled command has run."""
    return tmp_path / "ran"


@pytest.fixture
def command(marker):
    return Command(os.system, f"touch {marker}")


def test_the_command_of_these_tests_does_run_without_protection(command, marker):
    pickle.loads(pickle.dumps(command))  # noqa: S301
    assert marker.exists()


@pytest.fixture
def official(tmp_path):
    """Saves a checkpoint of modules whose classes cannot be imported when it is read."""
    foreign = types.ModuleType("models.yolo")

    class Detect(nn.Module):
        def __init__(self):
            super().__init__()
            self.stride = torch.tensor([8.0, 16.0])
            self.register_buffer("anchors", torch.arange(4.0).reshape(2, 2))
            self.register_buffer("grid", torch.zeros(1), persistent=False)
            self.m = nn.ModuleList([nn.Conv2d(2, 3, 1)])

    class DetectionModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = nn.Sequential(nn.Conv2d(3, 2, 3, bias=False), nn.BatchNorm2d(2), nn.SiLU(), Detect())
            self.names = {0: "a"}
            self.path = Path("yolov5n.yaml")

    for kind in (Detect, DetectionModel):
        kind.__module__, kind.__qualname__ = "models.yolo", kind.__name__
        setattr(foreign, kind.__name__, kind)

    def save(**content):
        path = tmp_path / "yolov5n.pt"
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "models.yolo", foreign)
            torch.save({"epoch": -1, "fitness": np.float64(0.5), "date": None} | content, path)
        return path

    save.model = DetectionModel
    return save


def read_official_state_dict(path):
    return read_official(path).state_dict


def same(found, expected):
    return list(found) == list(expected) and all(torch.equal(found[name], expected[name]) for name in expected)


def test_official_checkpoint_gives_the_state_dict_of_its_module(official):
    torch.manual_seed(0)
    model = official.model()
    found = read_official_state_dict(official(model=model, ema=None))
    assert same(found, model.state_dict())
    assert "model.3.grid" not in found
    assert "models.yolo" not in sys.modules


def test_halves_become_float32_and_counters_stay_integers(official):
    model = official.model().half()
    found = read_official_state_dict(official(model=model))
    assert found["model.0.weight"].dtype is torch.float32
    assert torch.equal(found["model.0.weight"], model.model[0].weight.detach().float())
    assert found["model.1.num_batches_tracked"].dtype is torch.int64


def test_ema_is_preferred_over_model(official):
    model, ema = official.model(), official.model()
    assert same(read_official_state_dict(official(model=model, ema=ema, updates=7)), ema.state_dict())


@pytest.mark.parametrize("key", [None, "state_dict", "model"])
def test_plain_state_dict_is_read(tmp_path, key):
    state = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).state_dict()
    path = tmp_path / "plain.pth"
    torch.save({key: state, "epoch": 3} if key else state, path)
    assert same(read_official_state_dict(path), state)


def test_views_and_shared_storages_keep_their_values(tmp_path):
    whole = torch.arange(24.0).reshape(4, 6)
    state = OrderedDict(a=whole[1:3, ::2], b=whole.t(), c=torch.zeros(0, 5), d=torch.tensor(3, dtype=torch.int16))
    path = tmp_path / "views.pth"
    torch.save(state, path)
    found = read_official_state_dict(path)
    assert same(found, state)
    found["a"].zero_()
    assert torch.equal(found["b"], whole.t())


def test_pickled_command_in_an_official_file_does_not_run(official, command, marker):
    model = official.model()
    model.hook = command
    assert same(read_official_state_dict(official(model=model, opt=command)), model.state_dict())
    assert not marker.exists()


def test_file_of_commands_only_is_refused_without_running_them(tmp_path, command, marker):
    path = tmp_path / "evil.pt"
    for content in (command, {"model": command}, [Command(eval, "1/0")], Command(getattr, "", "join")):
        torch.save(content, path)
        with pytest.raises(UsageError, match=r"evil\.pt: holds no weights"):
            read_official_state_dict(path)
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_tensor_outside_of_its_storage_is_refused(tmp_path):
    class Beyond:
        def __reduce__(self):
            rebuild = torch._utils._rebuild_tensor_v2
            return rebuild, (torch.zeros(4).storage(), 2, (4,), (1,), False, OrderedDict())

    path = tmp_path / "beyond.pt"
    torch.save({"w": Beyond()}, path)
    with pytest.raises(UsageError, match=r"beyond\.pt: truncated, or not a PyTorch checkpoint"):
        read_official_state_dict(path)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.7, 0.98])
@pytest.mark.parametrize("read", [read_official, load_checkpoint])
def test_truncated_file_is_refused_by_name(tmp_path, read, share):
    path = tmp_path / "short.pt"
    torch.save({"w": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UsageError, match=r"short\.pt: .*(download|copy).* again"):
        read(path)


def test_corrupt_weights_are_refused(tmp_path):
    path = tmp_path / "flipped.pt"
    torch.save({"w": torch.full((1000,), 7.0)}, path)
    data = path.read_bytes()
    place = data.index(np.full(1000, 7, np.float32).tobytes()) + 2000
    path.write_bytes(data[:place] + b"\xff" + data[place + 1 :])
    with pytest.raises(UsageError, match=r"flipped\.pt: truncated, or not"):
        read_official_state_dict(path)


@pytest.mark.parametrize("read", [read_official, load_checkpoint])
@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0 a picture", b"<html>404</html>", b"PK\x03\x04 not a zip"])
def test_file_that_is_no_checkpoint_is_refused_by_name(tmp_path, read, content):
    path = tmp_path / "other.pt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"other\.pt: ") as error:
        read(path)
    assert "\n" not in str(error.value)


def test_other_zip_archives_are_refused(tmp_path):
    path = tmp_path / "script.pt"
    torch.save({"w": torch.zeros(1)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("script/constants.pkl", b"")  # what tells TorchScript apart
    with pytest.raises(UsageError, match="TorchScript"):
        read_official_state_dict(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text")
    with pytest.raises(UsageError, match="zip archive without PyTorch data"):
        read_official_state_dict(path)


def test_format_before_torch_1_6_is_refused_by_the_converter(tmp_path, command, marker):
    path = tmp_path / "old.pt"
    torch.save({"w": torch.zeros(3), "c": command}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(UsageError, match=r"older than torch 1\.6"):
        read_official_state_dict(path)
    assert not marker.exists()


@pytest.mark.parametrize("read", [read_official, load_checkpoint])
def test_missing_file_is_named(tmp_path, read):
    for path in (tmp_path / "absent.pt", tmp_path):
        with pytest.raises(UsageError, match="no such checkpoint file"):
            read(path)


def mmengine_checkpoint():
    hub = MessageHub.get_instance("test_checkpoint")
    hub.update_scalar("train/loss", 2.0)
    hub.update_scalar("train/loss", np.float32(4.0))
    hub.update_info("eta", np.float64(1.5))
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    weight.sum().backward()
    optimizer.step()
    return {
        "meta": {"epoch": 1, "cfg": "x = 1\n", "seed": np.int64(3), "dataset_meta": {"classes": ("a", "b")}},
        "state_dict": OrderedDict(weight=weight.detach()),
        "message_hub": hub.state_dict(),
        "optimizer": optimizer.state_dict(),
        "param_schedulers": [torch.optim.lr_scheduler.MultiStepLR(optimizer, [1]).state_dict()],
    }


@pytest.mark.parametrize("zipped", [True, False])
def test_mmengine_checkpoint_loads_whole(tmp_path, zipped):
    path = tmp_path / "epoch_1.pth"
    torch.save(mmengine_checkpoint(), path, _use_new_zipfile_serialization=zipped)
    found = load_checkpoint(path)
    assert torch.equal(found["state_dict"]["weight"], torch.full((2,), 0.9))
    history = found["message_hub"]["log_scalars"]["train/loss"]
    assert (history.mean(), history.statistics("max")) == (3.0, 4.0)
    assert found["message_hub"]["runtime_info"]["eta"] == 1.5
    assert found["meta"]["seed"] == 3
    assert found["optimizer"]["state"][0]["momentum_buffer"].tolist() == [1, 1]


def test_checkpoint_of_numpy_1_loads(tmp_path):
    path, old = tmp_path / "new.pth", tmp_path / "old.pth"
    torch.save({"meta": {"seed": np.int64(3), "array": np.arange(2)}}, path)
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(old, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(b"numpy._core.", b"numpy.core."))
    assert load_checkpoint(old)["meta"]["array"].tolist() == [0, 1]


def test_checkpoint_that_runs_code_is_refused_with_the_name_and_the_remedy(tmp_path, command, marker):
    path = tmp_path / "evil.pth"
    for zipped in (True, False):
        torch.save({"state_dict": {}, "extra": command}, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(UsageError, match=r"evil\.pth: .*posix\.system.*convert-weights") as error:
            load_checkpoint(path)
        assert "\n" not in str(error.value)
    assert not marker.exists()


@pytest.mark.parametrize(
    "arguments", [(HistoryBuffer, "__init__"), (HistoryBuffer.update, "__globals__"), ("", "join")]
)
def test_getattr_of_a_checkpoint_reaches_the_statistics_only(tmp_path, arguments):
    path = tmp_path / "reach.pth"
    torch.save({"meta": Command(getattr, *arguments)}, path)
    with pytest.raises(UsageError, match=r"reach\.pth: .*builtins\.getattr"):
        load_checkpoint(path)


def test_array_of_objects_is_never_made_from_bytes(tmp_path):
    path = tmp_path / "objects.pth"
    for command in (
        Command(np.ndarray, (1,), np.dtype("O"), bytes(8)),
        Command(np.ndarray, (1,), np.dtype([("a", "O")]), bytes(8)),
        Command(np.ndarray, (1,), np.dtype("f8"), bytes(8)),
    ):
        torch.save({"meta": command}, path)
        with pytest.raises(UsageError, match=r"objects\.pth: "):
            load_checkpoint(path)


def test_arrays_of_numbers_keep_values_shape_and_type(tmp_path):
    path = tmp_path / "arrays.pth"
    arrays = {code: np.arange(6).reshape(2, 3).astype(code) for code in ("?", "i1", "u4", "i8", "f2", ">f4", "f8")}
    arrays |= {"fortran": np.asfortranarray(np.arange(6).reshape(2, 3)), "empty": np.zeros((0, 2)), "0-d": np.array(3)}
    torch.save({"list": [(array,) for array in arrays.values()]}, path)
    for (found,), expected in zip(load_checkpoint(path)["list"], arrays.values(), strict=True):
        assert type(found) is np.ndarray
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_loaded_checkpoint_can_be_saved_and_loaded_again(tmp_path):
    path = tmp_path / "epoch_1.pth"
    torch.save(mmengine_checkpoint(), path)
    torch.save(load_checkpoint(path), path)
    assert load_checkpoint(path)["message_hub"]["log_scalars"]["train/loss"].mean() == 3.0


def test_official_file_given_as_checkpoint_names_the_converter(official):
    with pytest.raises(UsageError, match=r"models\.yolo\.DetectionModel.*yolo-plugins convert-weights"):
        load_checkpoint(official(model=official.model()))


def test_checkpoint_that_is_no_dict_is_refused(tmp_path):
    path = tmp_path / "tensor.pth"
    torch.save(torch.zeros(3), path)
    with pytest.raises(UsageError, match="holds a Tensor"):
        load_checkpoint(path)


def test_checksum_of_weights_is_that_of_names_types_shapes_and_values_in_any_order():
    weights = {"a": torch.arange(4.0), "b": torch.ones(2, 2)}
    others = [
        weights | {"a": torch.arange(4.0).flip(0)},
        weights | {"a": torch.arange(4)},
        weights | {"b": torch.ones(4)},
        {"a": weights["a"], "c": weights["b"]},
        {"a": weights["a"]},
    ]
    assert weights_sha256(dict(reversed(weights.items()))) == weights_sha256(weights)
    assert len({weights_sha256(each) for each in [weights, *others]}) == 6


def run_tool(*arguments, cwd):
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=120
    )


def test_command_converts_an_official_file(tmp_path, golden_dir):
    from yolo_plugins.checkpoints.yolov5 import convert_state_dict

    with np.load(golden_dir / "yolov5_w0.125_nc3_seed1.npz") as golden:
        state = OrderedDict((key[3:], torch.tensor(golden[key])) for key in golden if key.startswith("sd/"))
    write_official(tmp_path / "yolov5.pt", state, names={0: "cat", 1: "dog", 2: "cow"})
    result = run_tool("yolov5", "yolov5.pt", "ours.pth", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = load_checkpoint(tmp_path / "ours.pth")
    expected = convert_state_dict(state)
    assert found["state_dict"].keys() == expected.keys()
    assert all(torch.equal(found["state_dict"][name], expected[name]) for name in expected)  # float16-exact weights
    assert found["meta"]["source"] == "yolov5.pt"
    assert found["meta"]["dataset_meta"] == {"classes": ("cat", "dog", "cow")}
    assert {path.name for path in tmp_path.iterdir()} == {"yolov5.pt", "ours.pth"}


def test_command_reports_a_faulty_file_in_one_line(tmp_path):
    (tmp_path / "yolov5.pt").write_bytes(b"<html>404</html>")
    result = run_tool("yolov5", "yolov5.pt", "ours.pth", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("error: yolov5.pt: ")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "ours.pth").exists()


NOT_WEIGHTS = {
    "a text": {"w": torch.zeros(2), "x": "y"},
    "nothing": {"w": None},
    "a number": {"w": 3},
    "a dict": {"w": {}},
    "a name that is a number": {1: torch.zeros(2)},
    "complex numbers": {"w": torch.zeros(2, dtype=torch.complex64)},
    "a sparse tensor": {"w": torch.eye(2).to_sparse()},
    "a tensor without data": {"w": torch.zeros(2, device="meta")},
    "bits": {"w": torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.qint8)},
}


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("weights", NOT_WEIGHTS.values(), ids=NOT_WEIGHTS)
def test_weights_are_tensors_of_real_numbers_under_names(tmp_path, weights, bare):
    torch.save(weights if bare else {"state_dict": weights}, tmp_path / "bad.pth")
    with pytest.raises(UsageError, match=r"^\S*bad\.pth: [^\n]*; a name and a tensor of real numbers belong there"):
        load_weights(tmp_path / "bad.pth")


@pytest.mark.parametrize("bare", [True, False])
def test_a_bare_state_dict_is_a_checkpoint_of_weights(tmp_path, bare):
    weights = {"w": torch.zeros(2), "n": torch.tensor(3), "half": torch.zeros(2, dtype=torch.bfloat16)}
    torch.save(weights if bare else {"state_dict": weights}, tmp_path / "sound.pth")
    assert load_weights(tmp_path / "sound.pth").keys() == {"state_dict"}
