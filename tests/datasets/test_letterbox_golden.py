"""Letterbox and validation loader against YOLOv5 v7.0: sizes always, bytes where the golden arrays are at hand."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from PIL import Image

from yolo_plugins.datasets.transforms import Letterbox, letterbox
from yolo_plugins.datasets.transforms.pack_train import to_chw
from yolo_plugins.datasets.voc_dataset import VOCDataset
from yolo_plugins.models.detectors import to_original

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "letterbox_golden.json").read_text())
CLASSES = ("a", "b", "c", "d", "e", "f", "g", "h", "i", "j")


@pytest.fixture(scope="module")
def arrays(golden_dir):
    path = golden_dir / "pipeline_golden.npz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    return np.load(path)


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def boxes_to_native(bboxes, scale_factor, pad_param, ori_shape):
    """The detector's way back, on arrays."""
    meta = {"scale_factor": scale_factor, "pad_param": pad_param, "ori_shape": ori_shape}
    return to_original(torch.from_numpy(bboxes), DetDataSample(metainfo=meta)).numpy()


def run(case, img):
    return letterbox(img, (case["new_shape"],) * 2, case["auto"], case["scaleup"], case["stride"])


@pytest.mark.parametrize("case", GOLDEN["letterbox"])
def test_letterbox_sizes_factor_and_padding_are_the_reference_s(case):
    out, ratio, pad = run(case, np.full(case["in_shape"], 255, np.uint8))
    assert list(out.shape) == case["out_shape"]
    assert [ratio, ratio] == case["ratio"]
    assert list(pad) == case["pad_dw_dh"]
    top, left = (round(p - 0.1) for p in (pad[1], pad[0]))
    bottom, right = (round(p + 0.1) for p in (pad[1], pad[0]))
    inner = out[top : out.shape[0] - bottom, left : out.shape[1] - right]
    assert (inner == 255).all() and (out == 114).sum() == out.size - inner.size


@pytest.mark.parametrize("number", range(len(GOLDEN["letterbox"])))
def test_letterbox_bytes_are_the_reference_s(number, arrays):
    case = GOLDEN["letterbox"][number]
    inputs = {sha256(arrays[name]): arrays[name] for name in arrays.files if name.startswith("in")}
    assert sha256(run(case, inputs[case["in_sha256"]])[0]) == case["out_sha256"]


@pytest.fixture(scope="module")
def loader_voc(arrays, tmp_path_factory):
    """The six pictures of the golden loader as a VOCdevkit (its .jpg files hold PNG, so that no byte is lost)."""
    root = tmp_path_factory.mktemp("golden") / "VOCdevkit"
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / "VOC2007" / folder).mkdir(parents=True)
    for k in range(6):
        img = arrays[f"loader_in{k}"]
        h, w = img.shape[:2]
        Image.fromarray(img[..., ::-1]).save(root / "VOC2007/JPEGImages" / f"{k}.jpg", format="PNG")
        objects = ""
        for label, cx, cy, bw, bh in arrays[f"loader_label{k}"]:
            x1, y1, x2, y2 = (cx - bw / 2) * w, (cy - bh / 2) * h, (cx + bw / 2) * w, (cy + bh / 2) * h
            corners = zip(("xmin", "ymin", "xmax", "ymax"), (x1 + 1, y1 + 1, x2, y2), strict=True)
            box = "".join(f"<{tag}>{float(v)!r}</{tag}>" for tag, v in corners)
            objects += f"<object><name>{CLASSES[int(label)]}</name><bndbox>{box}</bndbox></object>"
        size = f"<size><width>{w}</width><height>{h}</height></size>"
        (root / f"VOC2007/Annotations/{k}.xml").write_text(f"<annotation>{size}{objects}</annotation>")
    (root / "VOC2007/ImageSets/Main/val.txt").write_text("\n".join(map(str, range(6))))
    return root


@pytest.mark.parametrize("kind", ["rect", "square"])
def test_evaluation_pictures_and_boxes_are_those_of_the_reference_loader(kind, loader_voc, arrays, tmp_path):
    golden = GOLDEN["loader"][kind]
    dataset = VOCDataset(
        data_root=str(loader_voc),
        splits=["VOC2007/val"],
        img_size=golden["img_size"],
        pipeline=[{"type": "Letterbox"}],
        test_mode=True,
        metainfo={"classes": CLASSES},
        cache_dir=str(tmp_path),
        rect_batch_size=golden["batch_size"] if kind == "rect" else None,
    )
    batches = golden["batch_shapes"] or [[160, 160]] * 2
    assert [list(dataset[i]["img_shape"]) for i in (0, 2, 3, 5)] == [batches[b] for b in (0, 0, 1, 1)]
    for position, item in enumerate(golden["items"]):
        results = dataset[position]
        assert results["img_id"] == f"VOC2007/{item['source']}"
        assert results["ori_shape"] == tuple(item["shapes"][0])
        inputs = to_chw(results["img"]).numpy()[::-1]
        assert sha256(inputs) == item["out_sha256"]
        assert (inputs == arrays[f"loader_{kind}_out{item['source']}"]).all()
        (factor_h, factor_w), (pad_w, pad_h) = item["shapes"][1]
        assert results["scale_factor"] == pytest.approx((factor_w, factor_h), abs=1e-12)
        assert results["pad_param"] == (pad_h, pad_h, pad_w, pad_w)
        height, width = results["img_shape"]
        expected = arrays[f"loader_{kind}_labels{item['source']}"]  # image, class, cx, cy, w, h
        assert results["gt_bboxes_labels"].tolist() == expected[:, 1].tolist()
        x1, y1, x2, y2 = np.clip(results["gt_bboxes"], 0, np.array([width, height] * 2) - 1e-3).T
        ours = np.stack([(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height], 1)
        np.testing.assert_allclose(ours, expected[:, 2:], rtol=0, atol=3e-7)


@pytest.mark.parametrize("item", GOLDEN["loader"]["rect"]["items"] + GOLDEN["loader"]["square"]["items"])
def test_boxes_go_back_to_the_original_as_in_the_reference(item):
    (factor_h, _), (pad_w, pad_h) = item["shapes"][1]  # the reference divides both axes by the factor of the height
    native = boxes_to_native(
        np.array(item["boxes_in"]), (factor_h, factor_h), (pad_h, pad_h, pad_w, pad_w), item["shapes"][0]
    )
    np.testing.assert_allclose(native, item["boxes_native"], rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("img_size", "inner_hw", "padding"),
    [(64, (47, 64), (8, 9, 0, 0)), ((64, 128), (64, 86), (0, 0, 21, 21)), ((64, 40), (29, 40), (17, 18, 0, 0))],
    ids=["square", "wide", "tall"],
)
def test_boxes_survive_the_way_there_and_back(img_size, inner_hw, padding):
    bboxes = np.array([[0, 0, 50, 37], [3.5, 7.25, 21, 30]], np.float32)
    results = {"img": np.zeros((*inner_hw, 3), np.uint8), "ori_shape": (37, 50), "img_size": img_size}
    results["gt_bboxes"] = bboxes * np.array([inner_hw[1] / 50, inner_hw[0] / 37] * 2, np.float32)
    results = Letterbox()(results)
    assert results["pad_param"] == padding
    native = boxes_to_native(results["gt_bboxes"], results["scale_factor"], results["pad_param"], (37, 50))
    np.testing.assert_allclose(native, bboxes, atol=1e-5)
