"""Any file of weights: what it is is seen by its content, and official ones are converted."""

import os
import struct
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from official_files import golden_state, nested_module, write_official
from torch import nn

from yolo_plugins.checkpoints import scaled_yolov4, yolov5
from yolo_plugins.checkpoints.classes import class_names
from yolo_plugins.checkpoints.soundness import write_checkpoint
from yolo_plugins.checkpoints.transfer import fit
from yolo_plugins.checkpoints.weights import load_any_weights
from yolo_plugins.config import load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.models.dense_heads import YOLOV5_ANCHORS
from yolo_plugins.registry import MODELS

REPO = Path(__file__).resolve().parents[2]
COLOURS = ["red", "green", "blue"]
YOLOV5 = "yolov5_w0.125_nc3_seed1.npz"
SCALED = {"yolov4_csp": "yolov4csp_w0.125_nc20_seed20.npz", "yolov4_p5": "yolov4p5_w0.125_nc6_seed21.npz"}


@pytest.fixture(scope="module")
def state(golden_dir):
    return golden_state(golden_dir, YOLOV5)


@pytest.mark.parametrize(
    "names", [COLOURS, tuple(COLOURS), dict(enumerate(COLOURS))], ids=["a list", "a tuple", "a dict by number"]
)
def test_an_official_yolov5_file_is_converted_with_what_it_states(state, tmp_path, names):
    path = write_official(tmp_path / "any.name", state, names)
    found = load_any_weights(path)
    expected = yolov5.convert_state_dict(state)
    assert found["state_dict"].keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in found["state_dict"].items())  # exact as halves
    assert class_names(found, "") == tuple(COLOURS)
    assert found["meta"]["anchors"] == [[list(pair) for pair in level] for level in YOLOV5_ANCHORS]
    assert (found["meta"]["norm_eps"], found["meta"]["family"]) == (1e-3, "yolov5")


@pytest.mark.parametrize("model", SCALED)
def test_an_official_scaled_yolov4_file_is_converted_with_what_it_states(golden_dir, tmp_path, model):
    state = golden_state(golden_dir, SCALED[model])
    found = load_any_weights(write_official(tmp_path / "x.pt", state, COLOURS))
    assert found["state_dict"].keys() == scaled_yolov4.convert_state_dict(state).keys()
    config = Config.fromfile(REPO / "configs" / "_base_" / "models" / f"{model}.py").model
    anchors = torch.tensor(found["meta"]["anchors"])
    torch.testing.assert_close(anchors, torch.tensor(config.bbox_head.anchors).float(), rtol=1e-3, atol=0)
    assert (found["meta"]["model"], class_names(found, "")) == (model, tuple(COLOURS))


@pytest.mark.parametrize("key", [None, "state_dict"])
def test_a_plain_state_dict_of_official_names_is_converted(state, tmp_path, key):
    path = tmp_path / "plain.pth"
    torch.save({key: state} if key else state, path)
    found = load_any_weights(path)
    assert found["state_dict"].keys() == yolov5.convert_state_dict(state).keys()
    assert class_names(found, "") is None


@pytest.mark.parametrize("bare", [False, True])
def test_a_checkpoint_of_ours_is_taken_as_it_is(tmp_path, bare):
    weights = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).state_dict()
    write_checkpoint(tmp_path / "x.pth", weights if bare else {"meta": {"epoch": 3}, "state_dict": weights})
    found = load_any_weights(tmp_path / "x.pth")
    assert found["state_dict"].keys() == weights.keys()
    assert found.get("meta") == (None if bare else {"epoch": 3})


@pytest.mark.parametrize("size", "nsmlx")
def test_the_config_of_a_yolov5_is_known_by_its_tensors(size):
    with torch.device("meta"):
        weights = MODELS.build(load_config(f"yolov5_{size}_voc").model).state_dict()
    assert yolov5.model_name(weights) == f"yolov5_{size}"


@pytest.mark.parametrize("model", ["csp", "p5", "p6", "p7", "tiny"])
def test_the_config_of_a_yolov4_is_known_by_its_tensors(model):
    with torch.device("meta"):
        weights = MODELS.build(load_config(f"yolov4_{model}_voc").model).state_dict()
    assert scaled_yolov4.model_name(weights) == f"yolov4_{model}"


def test_a_yolov5_of_another_size_is_refused_with_the_config_that_fits():
    with torch.device("meta"):
        weights = MODELS.build(load_config("yolov5_s_voc").model).state_dict()
    cfg = load_config("yolov5_n_voc").model
    checkpoint = {"state_dict": weights, "meta": {"model": yolov5.model_name(weights)}}
    with pytest.raises(UsageError, match=r"they are of yolov5_s: give a config of it, such as yolov5_s_voc") as caught:
        fit(checkpoint, MODELS.build(cfg), dict(model=cfg), None, "yolov5s.pt", training=True, by_name=True)
    assert "\n" not in str(caught.value)


# --- Darknet


@pytest.mark.parametrize("version", [(0, 1), (0, 2)])
@pytest.mark.parametrize("name", ["x.weights", "x.pt"])
def test_a_darknet_file_without_its_cfg_is_refused_with_the_remedy(tmp_path, name, version):
    (tmp_path / name).write_bytes(struct.pack("<3i", *version, 5) + bytes(100))
    with pytest.raises(UsageError, match=rf"{name}: a Darknet file, .*: put the \.cfg of its network .*/x\.cfg"):
        load_any_weights(tmp_path / name)


# --- faults


@pytest.mark.parametrize(
    "names",
    [3, "person", [1, 2], {"red": 0}, {0: "red", 2: "blue"}, {0: 1}, [["red"]]],
    ids=["a number", "a text", "numbers", "the other way round", "a gap", "no text", "nested"],
)
def test_names_that_are_none_are_refused(state, tmp_path, names):
    path = write_official(tmp_path / "x.pt", state, names)
    with pytest.raises(UsageError, match=r"x\.pt: its classes are .*, no list of names"):
        load_any_weights(path)


def test_names_that_would_run_a_program_are_refused_and_do_not_run(state, tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    for names in (Bomb(), [Bomb()] * 3, {0: Bomb()}):
        path = write_official(tmp_path / "x.pt", state, names)
        with pytest.raises(UsageError, match=r"x\.pt: its classes are .*, no list of names"):
            load_any_weights(path)
    assert not (tmp_path / "ran").exists()


def test_a_program_beside_a_pickled_network_is_passed_over(state, tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    found = load_any_weights(write_official(tmp_path / "x.pt", state, COLOURS, opt=Bomb(), optimizer=Bomb()))
    assert class_names(found, "") == tuple(COLOURS)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("share", [0.2, 0.9, 0.999])
def test_a_truncated_official_file_is_named(state, tmp_path, share):
    path = write_official(tmp_path / "x.pt", state)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UsageError, match=r"x\.pt: truncated or damaged"):
        load_any_weights(path)


@pytest.mark.parametrize("content", [b"<!DOCTYPE html><html>", b"\n  <html><body>404</body>"])
def test_a_web_page_saved_as_weights_is_told(tmp_path, content):
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.pt: a web page, no weights; download the file itself"):
        load_any_weights(tmp_path / "x.pt")


def test_a_network_of_another_family_is_refused(tmp_path):
    other = {"model.0.conv.weight": torch.zeros(2, 3, 3, 3), "model.22.cv2.0.0.conv.weight": torch.zeros(2, 3, 3, 3)}
    torch.save({"model": nested_module(other)}, tmp_path / "x.pt")
    with pytest.raises(UsageError, match=r"x\.pt: 1 keys are not of an unfused YOLOv5 n-x model .*: model\.22\.cv2"):
        load_any_weights(tmp_path / "x.pt")


def test_official_weights_that_are_not_finite_are_refused(state, tmp_path):
    broken = state | {"model.0.conv.weight": state["model.0.conv.weight"] * torch.nan}
    with pytest.raises(UsageError, match=r"x\.pt: backbone\.stem\.conv\.weight holds NaN or infinite numbers"):
        load_any_weights(write_official(tmp_path / "x.pt", broken))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.pt: no such checkpoint file"):
        load_any_weights(tmp_path / "nowhere.pt")


# --- real files


@pytest.mark.parametrize(
    ("name", "classes", "own_anchors"),
    [
        ("yolov5n_coco", ("person", "bicycle", "car"), False),
        ("yolov5n_one_class", ("damage",), False),
        ("yolov5n_2024", ("black_core", "crack", "finger", "horizontal_dislocation", "thick_line"), True),
    ],
)
def test_real_files_are_taken_as_a_whole(real_weights, name, classes, own_anchors):
    path = real_weights / f"{name}.pt"
    checkpoint = load_any_weights(path)
    names = class_names(checkpoint, name)
    assert names[: len(classes)] == classes
    cfg = load_config("yolov5_n_voc", [f"model.bbox_head.num_classes={len(names)}"]).model
    found = fit(checkpoint, MODELS.build(cfg), dict(model=cfg), names, name)
    assert any("its anchors are taken" in sentence for sentence in found.told) == own_anchors
    assert len(found.told) == own_anchors
