"""YOLOv5 against the reference implementation: same weights and inputs, equal numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from yolo_plugins.converters.yolov5 import convert_state_dict
from yolo_plugins.models.losses import YOLOLoss
from yolo_plugins.models.task_modules import select_detections

P5_LEVELS = 3


class Golden:
    """One golden file and our detector with its weights."""

    def __init__(self, path: Path, build_yolov5) -> None:
        self.arrays = np.load(path)
        self.meta = self.json("meta")
        if len(self.meta["strides"]) != P5_LEVELS:
            pytest.skip(f"{path.name} is not a P5 model")
        self.detector = build_yolov5(self.meta["depth"], self.meta["width"], self.meta["nc"])
        self.state_dict = {key[3:]: self.tensor(key) for key in self.arrays.files if key.startswith("sd/")}
        self.detector.load_state_dict(convert_state_dict(self.state_dict), strict=True)
        self.inputs = self.tensor("image_u8").float() / 255

    def json(self, key: str) -> dict:
        return json.loads(str(self.arrays[key]))

    def tensor(self, key: str) -> Tensor:
        return torch.from_numpy(self.arrays[key])

    @property
    def targets(self) -> Tensor:
        """(M, 6) image, class, xyxy pixels."""
        h, w = self.inputs.shape[2:]
        index, centre, size = self.tensor("targets").split((2, 2, 2), 1)
        scale = torch.tensor([w, h])
        return torch.cat((index, (centre - size / 2) * scale, (centre + size / 2) * scale), 1)

    def our_key(self, key: str) -> str:
        return next(iter(convert_state_dict({key: torch.empty(0)})))


@pytest.fixture
def golden(golden_yolov5_file, build_yolov5):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the reference ran; more threads sum in another order
    yield Golden(golden_yolov5_file, build_yolov5)
    torch.set_num_threads(threads)


def test_there_are_golden_files(golden_dir):
    assert list(golden_dir.glob("yolov5_*.npz"))


def test_number_of_parameters_equals_reference(golden):
    assert sum(p.numel() for p in golden.detector.parameters()) == int(golden.arrays["num_params"])


def test_raw_and_decoded_outputs_equal_reference(golden):
    golden.detector.eval()
    with torch.no_grad():
        raw = golden.detector(golden.inputs, mode="tensor")
        decoded = golden.detector.bbox_head.decode(raw)
    for level, ours in enumerate(raw):
        torch.testing.assert_close(ours, golden.tensor(f"eval_raw_l{level}"), atol=1e-4, rtol=0)
    torch.testing.assert_close(decoded, golden.tensor("eval_decoded"), atol=1e-4, rtol=0)


def test_train_outputs_and_running_statistics_equal_reference(golden):
    with torch.no_grad():
        raw = golden.detector.train()(golden.inputs, mode="tensor")
    for level, ours in enumerate(raw):
        torch.testing.assert_close(ours, golden.tensor(f"train_raw_l{level}"), atol=1e-4, rtol=0)
    buffers = dict(golden.detector.named_buffers())
    keys = [key for key in golden.arrays.files if key.startswith("bn_after_train/")]
    assert keys
    for key in keys:
        ours = buffers[golden.our_key(key.removeprefix("bn_after_train/"))]
        torch.testing.assert_close(ours, golden.tensor(key), atol=1e-5, rtol=1e-5)


def test_assigned_rows_equal_reference_with_multiplicity_and_order(golden):
    head, (h, w) = golden.detector.bbox_head, golden.inputs.shape[2:]
    strides = torch.tensor(head.strides, dtype=torch.float32)
    sizes_wh = torch.tensor([w, h]) / strides[:, None]
    assigned = head.assigner.assign(golden.targets, head.anchors, strides, sizes_wh)
    for level in range(P5_LEVELS):
        rows = assigned.levels == level
        ours = torch.stack((assigned.images, assigned.anchors, assigned.rows, assigned.columns), 1)[rows]
        assert torch.equal(ours, golden.tensor(f"assign_l{level}_indices"))
        assert torch.equal(assigned.labels[rows], golden.tensor(f"assign_l{level}_tcls"))
        assert torch.equal(assigned.anchors_wh[rows], golden.tensor(f"assign_l{level}_anchors"))
        torch.testing.assert_close(
            assigned.bboxes_cxcywh[rows], golden.tensor(f"assign_l{level}_tbox"), atol=1e-5, rtol=0
        )


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("gains", ["scaled", "unscaled"])
def test_loss_terms_and_total_equal_reference(golden, mode, gains):
    golden.detector.train(mode == "train")
    if gains == "unscaled":  # the reference's raw gains, without any factor for classes or image size
        stated = golden.json("hyp_unscaled")
        golden.detector.bbox_head.loss_module = YOLOLoss(
            stated["box"], stated["obj"], stated["cls"] * 80 / golden.meta["nc"], reference_size=None
        )
    losses = golden.detector.loss(golden.inputs, golden.targets)
    ours = torch.stack([losses[name] for name in ("box", "obj", "cls")])
    expected = golden.tensor(f"loss_{mode}_{gains}_items")[:3]
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(
        losses["loss"].reshape(1), golden.tensor(f"loss_{mode}_{gains}_total"), rtol=1e-5, atol=0
    )


def test_gradients_equal_reference(golden):
    golden.detector.train()
    golden.detector.loss(golden.inputs, golden.targets)["loss"].backward()
    parameters = dict(golden.detector.named_parameters())
    for name, expected in zip(golden.arrays["param_names"], golden.arrays["grad_norm"], strict=True):
        assert parameters[golden.our_key(str(name))].grad.norm().item() == pytest.approx(expected, rel=1e-3)
    for key in (key for key in golden.arrays.files if key.startswith("grad/")):
        gradient = parameters[golden.our_key(key.removeprefix("grad/"))].grad
        expected = golden.tensor(key)
        torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-3 * expected.abs().max().item())


def test_selected_detections_equal_reference(golden):
    settings = golden.meta["nms"]
    assert settings
    for tag, score_thr, iou_threshold, multi_label in settings:
        for image, decoded in enumerate(golden.tensor("eval_decoded")):
            ours = select_detections(decoded, score_thr, iou_threshold, multi_label)
            expected = golden.tensor(f"nms_{tag}_img{image}")
            assert torch.equal(ours.labels, expected[:, 5].long())
            torch.testing.assert_close(ours.scores, expected[:, 4], atol=1e-6, rtol=0)
            torch.testing.assert_close(ours.bboxes, expected[:, :4], atol=1e-4, rtol=0)
