"""Our detectors against the reference implementations: same weights and inputs, equal numbers."""

import pytest
import torch
from golden_model import Golden

from yolo_plugins.models.task_modules import DarknetBBoxCoder, select_detections


@pytest.fixture
def golden(golden_model_file):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the reference ran; more threads sum in another order
    try:
        golden = Golden(golden_model_file)
        if golden.is_yolov5 and len(golden.strides) != 3:
            pytest.skip(f"{golden_model_file.name} is not a P5 model")
        golden.detector = golden.build()
        yield golden
    finally:
        torch.set_num_threads(threads)


def test_there_are_golden_files(golden_dir):
    assert list(golden_dir.glob("yolov5_*.npz"))
    assert list(golden_dir.glob("yolov4*_*.npz"))


def test_number_of_parameters_equals_reference(golden):
    assert sum(p.numel() for p in golden.detector.parameters()) == int(golden.arrays["num_params"])


def test_strides_and_anchors_equal_reference(golden):
    head = golden.detector.bbox_head
    assert golden.detector.strides == golden.strides
    in_file = torch.tensor(golden.meta["anchors_px"])
    assert torch.equal(head.anchors, in_file[golden.file_levels])


def test_raw_and_decoded_outputs_equal_reference(golden):
    golden.detector.eval()
    with torch.no_grad():
        raw = golden.detector(golden.inputs, mode="tensor")
        decoded = golden.detector.bbox_head.decode(raw)
    for level, ours in enumerate(raw):
        torch.testing.assert_close(ours, golden.level("eval_raw_l{}", level), atol=1e-4, rtol=0)
    # Sides of thousands of pixels: as close as the reference's own float32 and float64 runs are to each other.
    own_rounding = golden.json("fp32_vs_fp64")["eval_decoded"][0]
    torch.testing.assert_close(decoded, golden.decoded(), atol=max(1e-4, 1.5 * own_rounding), rtol=0)


def test_in_float64_raw_outputs_are_as_far_from_the_references_float32_as_its_own(golden):
    """No processor's rounding is in it: the reference's stands in its file, and float64's is a billionth of that."""
    golden.detector.eval().double()
    with torch.no_grad():
        raw = golden.detector(golden.inputs.double(), mode="tensor")
    for level, ours in enumerate(raw):
        apart = (ours - golden.level("eval_raw_l{}", level)).abs().max().item()
        own, _ = golden.json("fp32_vs_fp64")[f"eval_raw_l{golden.file_levels[level]}"]
        assert apart == pytest.approx(own, rel=1e-7, abs=0)


def test_the_references_raw_outputs_are_decoded_as_it_decodes_them_to_the_last_bit_but_one(golden):
    """Convolutions round by the kernels of the processor at hand; decoding is the same on all of them."""
    levels = range(len(golden.detector.strides))
    with torch.no_grad():
        decoded = golden.detector.bbox_head.decode([golden.level("eval_raw_l{}", level) for level in levels])
    torch.testing.assert_close(decoded, golden.decoded(), atol=1e-4, rtol=2.4e-7)


def test_train_outputs_and_running_statistics_equal_reference(golden):
    with torch.no_grad():
        raw = golden.detector.train()(golden.inputs, mode="tensor")
    for level, ours in enumerate(raw):
        torch.testing.assert_close(ours, golden.level("train_raw_l{}", level), atol=1e-4, rtol=0)
    buffers = dict(golden.detector.named_buffers())
    keys = [key.partition("/")[2] for key in golden.arrays.files if key.startswith("bn_after_train/")]
    compared = [key for key in keys if key in golden.our_names]  # of Darknet's CSP, pairs of norms are one in ours
    assert len(compared) >= 4
    for key in compared:
        expected = golden.tensor(f"bn_after_train/{key}")
        torch.testing.assert_close(buffers[golden.our_names[key]], expected, atol=1e-5, rtol=1e-5)


def test_assigned_rows_equal_reference_with_multiplicity_and_order(golden):
    head, (h, w) = golden.detector.bbox_head, golden.inputs.shape[2:]
    strides = torch.tensor(head.strides, dtype=torch.float32)
    sizes_wh = torch.tensor([w, h]) / strides[:, None]
    assigned = head.assigner.assign(golden.targets, head.anchors, strides, sizes_wh)
    for level in range(len(strides)):
        rows = assigned.levels == level
        ours = torch.stack((assigned.images, assigned.anchors, assigned.rows, assigned.columns), 1)[rows]
        assert torch.equal(ours, golden.level("assign_l{}_indices", level))
        assert torch.equal(assigned.labels[rows], golden.level("assign_l{}_tcls", level))
        assert torch.equal(assigned.anchors_wh[rows], golden.level("assign_l{}_anchors", level))
        torch.testing.assert_close(
            assigned.bboxes_cxcywh[rows], golden.level("assign_l{}_tbox", level), atol=1e-5, rtol=0
        )


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("gains", ["scaled", "unscaled"])
def test_loss_terms_and_total_equal_reference(golden, mode, gains):
    golden.detector.train(mode == "train")
    golden.detector.bbox_head.loss_module = golden.loss(gains)
    losses = golden.detector.loss(golden.inputs, golden.targets)
    ours = torch.stack([losses[f"loss_{name}"] for name in ("box", "obj", "cls")])
    expected = golden.tensor(f"loss_{mode}_{gains}_items")[:3]
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(
        losses["loss"].reshape(1), golden.tensor(f"loss_{mode}_{gains}_total"), rtol=1e-5, atol=0
    )


def test_loss_of_the_config_is_the_loss_of_the_release(golden):
    if golden.is_darknet and golden.kind == "yolov4csp":
        pytest.skip("our config is that of the PyTorch release, whose gains differ")
    ours, stated = golden.detector.bbox_head.loss_module, golden.loss("scaled")
    assert vars(ours).keys() == vars(stated).keys()
    names = ("box", "obj", "cls", "balance", "auto_balance", "reference_size")
    assert [getattr(ours, name) for name in names] == [getattr(stated, name) for name in names]


def test_gradients_equal_reference(golden):
    golden.detector.train()
    golden.detector.bbox_head.loss_module = golden.loss("scaled")
    golden.detector.loss(golden.inputs, golden.targets)["loss"].backward()
    parameters = dict(golden.detector.named_parameters())
    norms = dict(zip(map(str, golden.arrays["param_names"]), golden.arrays["grad_norm"], strict=True))
    compared = {key: golden.our_names[key] for key in norms if key in golden.our_names}
    assert len(compared) > 0.8 * len(norms)  # of Darknet's CSP, pairs of norms are one in ours
    for key, name in compared.items():
        assert parameters[name].grad.norm().item() == pytest.approx(norms[key], rel=1e-3)
    for key in (key for key in golden.arrays.files if key.startswith("grad/")):
        gradient = parameters[golden.our_names[key.removeprefix("grad/")]].grad
        expected = golden.tensor(key)
        torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-3 * expected.abs().max().item())


def test_selected_detections_equal_reference(golden):
    settings = golden.meta["nms"]
    assert settings
    for tag, score_thr, iou_threshold, multi_label in settings:
        multi_label = golden.meta["nc"] > 1 if multi_label is None else multi_label
        for image, decoded in enumerate(golden.tensor("eval_decoded")):
            ours = select_detections(decoded, score_thr, iou_threshold, multi_label)
            expected = golden.tensor(f"nms_{tag}_img{image}")
            assert torch.equal(ours.labels, expected[:, 5].long())
            torch.testing.assert_close(ours.scores, expected[:, 4], atol=1e-6, rtol=0)
            torch.testing.assert_close(ours.bboxes, expected[:, :4], atol=1e-4, rtol=0)


def test_darknet_decodes_tiny_as_our_darknet_coder_does(golden):
    if golden.kind != "yolov4tiny":
        pytest.skip("Darknet's decoding is given for tiny alone")
    detector = golden.build(eps=1e-5).eval()  # Darknet's own
    detector.bbox_head.bbox_coder = DarknetBBoxCoder()
    with torch.no_grad():
        raw = detector(golden.inputs, mode="tensor")
    for level, ours in enumerate(raw):
        torch.testing.assert_close(ours, golden.level("eval_raw_darknet_l{}", level), atol=1e-4, rtol=0)
    in_file = [golden.level("eval_raw_darknet_l{}", level) for level in range(len(raw))]
    decoded = golden.decoded("eval_decoded_darknet")
    torch.testing.assert_close(detector.bbox_head.decode(in_file), decoded, atol=1e-4, rtol=2.4e-7)


def test_tiny_takes_the_second_half_of_the_channels(golden_dir):
    (wrong,) = golden_dir.glob("yolov4tiny_firsthalf_*.npz")
    golden = Golden(wrong)
    with torch.no_grad():
        raw = golden.build().eval()(golden.inputs, mode="tensor")
    assert all((ours - golden.level("eval_raw_l{}", level)).abs().max() > 0.01 for level, ours in enumerate(raw))
