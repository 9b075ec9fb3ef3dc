"""What answers for mmcv's operators where they are not compiled: the same results, or one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import mmcv._ext as installed
import mmcv.ops
import pytest
import torch
from torch.nn.functional import conv2d

from yolo_plugins import mmcv_hook, mmcv_ops
from yolo_plugins.errors import UsageError

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture
def operators(monkeypatch):
    """Puts the stand-in, or what is installed, under a module of mmcv: `operators("roi_align", mmcv_ops)`."""

    def put(module, operators):
        monkeypatch.setattr(sys.modules[f"mmcv.ops.{module}"], "ext_module", operators)

    return put


def run(code, *paths):
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(map(str, [*paths, REPO])))
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


@pytest.mark.parametrize("compiled", [True, False])
def test_compiled_operators_go_before_the_stand_in(tmp_path, compiled):
    package = tmp_path / "mmcv"
    package.mkdir()
    (package / "__init__.py").touch()
    if compiled:
        (package / "_ext.py").touch()
    (file,) = run("import yolo_plugins, importlib.util as u; print(u.find_spec('mmcv._ext').origin)", tmp_path)
    assert Path(file) == (package / "_ext.py" if compiled else Path(mmcv_ops.__file__))


def test_hook_knows_one_name_and_loads_nothing():
    assert mmcv_hook.find_spec("mmcv.ops") is None
    assert run("import yolo_plugins, sys; print({'torch', 'mmcv'} & set(sys.modules))") == ["set()"]


def test_operator_that_nothing_stands_in_for_is_one_sentence():
    with pytest.raises(UsageError, match=r"^mmcv's operator softnms is not compiled .*`make setup OPS=1`$"):
        mmcv_ops.softnms(1, x=2)


def test_report_on_the_environment_says_that_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr("mmcv.ops.info.ext_module", mmcv_ops)
    assert mmcv.ops.get_compiler_version() == "not compiled"


def boxes(n=60, side=40.0):
    """Boxes and scores, no two scores alike: mmcv leaves the order of equal ones open."""
    corner = (torch.rand(n, 2) * side).round()  # whole numbers: many an IoU lies on the threshold
    return torch.cat([corner, corner + (torch.rand(n, 2) * side).round()], 1), torch.randperm(n) / n


def call_nms():
    return [mmcv.ops.nms(*boxes(), threshold, offset)[1] for threshold in (0.3, 0.5) for offset in (0, 1)]


def with_gradients(function, *inputs):
    """Result and gradients of all inputs for one and the same gradient of the result."""
    inputs = [value.requires_grad_() for value in inputs]
    result = function(*inputs)
    result.backward(torch.linspace(-1, 1, result.numel()).view_as(result))
    return [result.detach(), *(value.grad for value in inputs)]


def call_roi_align():
    start = torch.rand(9, 2) * 40
    rois = torch.cat([torch.arange(9)[:, None] % 2, start, start + torch.rand(9, 2) * 60], 1)  # some end outside
    options = [(scale, ratio, "avg", aligned) for scale in (0.25, 1.0) for ratio in (0, 2) for aligned in (True, False)]
    found = []
    for option in options:
        found += with_gradients(lambda x, o=option: mmcv.ops.roi_align(x, rois, (7, 5), *o), torch.randn(2, 3, 12, 16))
    return found


def deform_inputs(groups=2, deform_groups=4):
    image, weight = torch.randn(2, 8, 9, 11), torch.randn(4, 8 // groups, 3, 3)
    return image, torch.randn(2, deform_groups * 18, 5, 11) * 2, torch.rand(2, deform_groups * 9, 5, 11), weight


def call_deform_conv():
    image, offset, _, weight = deform_inputs()
    return with_gradients(
        lambda *values: mmcv.ops.deform_conv2d(*values, (2, 1), (1, 2), (1, 2), 2, 4), image, offset, weight
    )


def call_modulated_deform_conv():
    inputs = deform_inputs()
    options = [(2, 1), (1, 2), (1, 2), 2, 4]
    with_bias = with_gradients(lambda *v: mmcv.ops.modulated_deform_conv2d(*v, *options), *inputs, torch.randn(4))
    without = with_gradients(lambda *v: mmcv.ops.modulated_deform_conv2d(*v, None, *options), *deform_inputs())
    return with_bias + without


CALLS = {
    "nms": call_nms,
    "roi_align": call_roi_align,
    "deform_conv": call_deform_conv,
    "modulated_deform_conv": call_modulated_deform_conv,
}


@pytest.mark.skipif(installed.__file__ == mmcv_ops.__file__, reason="nothing to compare with: make setup OPS=1")
@pytest.mark.parametrize("module", CALLS)
def test_stand_in_gives_what_compiled_operators_give(operators, module):
    results = []
    for source in (installed, mmcv_ops):
        operators(module, source)
        torch.manual_seed(0)
        results.append(CALLS[module]())
    for compiled, served in zip(*results, strict=True):
        torch.testing.assert_close(served, compiled, rtol=1e-5, atol=2e-5)


def test_boxes_of_whole_pixels_are_one_wider():
    pair = torch.tensor([[0.0, 0, 9, 9], [5, 0, 14, 9]])  # 10 pixels wide, 5 of them shared: IoU 1/3, else 4/14
    scores = torch.tensor([0.9, 0.8])
    assert mmcv_ops.nms(pair, scores, iou_threshold=0.3, offset=1).tolist() == [0]
    assert mmcv_ops.nms(pair, scores, iou_threshold=0.3, offset=0).tolist() == [0, 1]


def test_roi_align_of_a_ramp_is_the_place_of_each_cell(operators):
    operators("roi_align", mmcv_ops)
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)  # pixel x holds x, its centre is at x + 0.5
    rois = torch.tensor([[0.0, 4, 4, 12, 12]])
    for aligned, shift in ((True, 0.5), (False, 0.0)):
        cells = mmcv.ops.roi_align(ramp, rois, (2, 4), 1.0, 0, "avg", aligned)
        torch.testing.assert_close(cells[0, 0], torch.tensor([5.0, 7, 9, 11]).sub(shift).expand(2, 4))
    with pytest.raises(UsageError, match="roi_align with pool_mode='max'"):
        mmcv.ops.roi_align(ramp, rois, (2, 4), 1.0, 0, "max", True)


def test_deformable_convolution_without_offsets_is_a_convolution(operators):
    for module in ("deform_conv", "modulated_deform_conv"):
        operators(module, mmcv_ops)
    image, _, _, weight = deform_inputs()
    offset, mask = torch.zeros(2, 18, 5, 11), torch.full((2, 9, 5, 11), 0.5)
    options = [(2, 1), (1, 2), (1, 2), 2]
    expected = with_gradients(lambda x, w: conv2d(x, w, None, *options), image.clone(), weight.clone())
    first = with_gradients(
        lambda x, w: mmcv.ops.deform_conv2d(x, offset, w, *options, 1), image.clone(), weight.clone()
    )
    second = with_gradients(
        lambda x, w: mmcv.ops.modulated_deform_conv2d(x, offset, mask, 2 * w, None, *options, 1), image, weight
    )
    for found in (first, second):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_focal_loss_is_that_of_mmdetection(operators):
    from mmdet.models.losses.focal_loss import py_sigmoid_focal_loss

    operators("focal_loss", mmcv_ops)
    logits, target = torch.randn(7, 3) * 4, torch.tensor([0, 1, 2, 3, 3, 0, 1])  # 3: the background
    one_hot = torch.eye(4)[target][:, :3]
    found = with_gradients(lambda x: mmcv.ops.sigmoid_focal_loss(x, target, 1.5, 0.3, None, "none"), logits.clone())
    expected = with_gradients(
        lambda x: py_sigmoid_focal_loss(x, one_hot, gamma=1.5, alpha=0.3, reduction="none"), logits
    )
    torch.testing.assert_close(found[0], expected[0])
    with pytest.raises(UsageError, match="class weights"):
        mmcv.ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, torch.ones(3), "none")


PREDICT = """
import sys
from pathlib import Path
from yolo_plugins import mmcv_hook
sys.meta_path.insert(0, mmcv_hook)  # as where nothing is compiled
import mmdet, numpy, torch
from mmdet.apis import inference_detector, init_detector
from mmengine.config import Config
picture = numpy.random.default_rng(0).integers(0, 256, (60, 90, 3), numpy.uint8)
for name in NAMES:
    torch.manual_seed(0)
    config = Config.fromfile(Path(mmdet.__file__).parent / ".mim" / "configs" / name)
    config.model.backbone.init_cfg = None
    config.model.test_cfg.setdefault("rcnn", {}).update(score_thr=0.0)
    config.model.test_cfg.score_thr = 0.0
    for step in config.test_dataloader.dataset.pipeline:
        if step.type == "Resize":
            step.scale = (96, 96)
    detector = init_detector(config, device="cpu")
    result = inference_detector(detector, picture)
    print("detections:", len(result.pred_instances) > 0)
"""


def test_detectors_of_mmdetection_predict_without_compiled_operators():
    names = ["retinanet/retinanet_r18_fpn_1x_coco.py", "fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py"]
    names += ["rtmdet/rtmdet_tiny_8xb32-300e_coco.py", "yolox/yolox_tiny_8xb8-300e_coco.py"]
    names += ["faster_rcnn/faster-rcnn_r18_fpn_8xb8-amp-lsj-200e_coco.py"]
    lines = [line for line in run(PREDICT.replace("NAMES", repr(names))) if line.startswith("detections:")]
    assert lines == ["detections: True"] * 5
