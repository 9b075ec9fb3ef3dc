"""The detector as a whole: wiring, sizes, samples."""

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from yolo_plugins.errors import UsageError
from yolo_plugins.models.detectors.onednn_guard import guard_strided_1x1
from yolo_plugins.registry import MODELS
from yolo_plugins.structures import stack_targets


def sample(ori_shape=(64, 64), scale_factor=(1.0, 1.0), pad_param=(0, 0, 0, 0)) -> DetDataSample:
    return DetDataSample(metainfo=dict(ori_shape=ori_shape, scale_factor=scale_factor, pad_param=pad_param))


def batch(n: int = 2, size: int = 64) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_detector_reads_channels_and_strides_of_its_parts(build_yolov5):
    detector = build_yolov5()
    assert detector.bbox_head.strides == detector.backbone.out_strides
    assert [p.in_channels for p in detector.bbox_head.predictors] == detector.neck.out_channels


@pytest.mark.parametrize(
    ("hw", "told"),
    [
        ((320, 330), r"input size 320x330 .* largest stride 32; use img_size=320"),
        ((72, 150), r"input size 72x150 .* largest stride 32; use img_size=\(64, 160\)"),
    ],
)
def test_sizes_that_the_strides_do_not_divide_are_refused_with_the_remedy(build_yolov5, hw, told):
    with pytest.raises(UsageError, match=told):
        build_yolov5()(torch.zeros(1, 3, *hw), mode="tensor")


def test_rectangular_inputs_are_accepted(build_yolov5):
    raw = build_yolov5()(torch.zeros(1, 3, 64, 96), mode="tensor")
    assert [tuple(level.shape) for level in raw] == [(1, 3, 8, 12, 25), (1, 3, 4, 6, 25), (1, 3, 2, 3, 25)]


def test_loss_is_the_sum_of_terms_times_images(build_yolov5):
    targets = torch.tensor([[0, 3, 10.0, 10, 40, 50], [1, 0, 5, 5, 20, 30]])
    losses = build_yolov5().loss(batch().float() / 255, targets)
    assert losses["loss"].item() == pytest.approx(
        2 * sum(losses[f"loss_{name}"].item() for name in ("box", "obj", "cls"))
    )
    assert losses["loss"].requires_grad
    assert not losses["loss_box"].requires_grad


def test_samples_of_mmdetection_and_rows_give_the_same_loss(build_yolov5):
    detector = build_yolov5().eval()
    rows = torch.tensor([[0, 3, 10.0, 10, 40, 50], [1, 0, 5, 5, 20, 30]])
    samples = [sample(), sample()]
    for row, each in zip(rows, samples, strict=True):
        each.gt_instances = InstanceData(bboxes=row[None, 2:], labels=row[None, 1].long())
    assert torch.equal(stack_targets(samples), rows)
    inputs = batch().float() / 255
    assert torch.equal(detector.loss(inputs, samples)["loss"], detector.loss(inputs, rows)["loss"])


def test_train_step_returns_the_logged_terms(build_yolov5):
    detector = build_yolov5()
    data = detector.data_preprocessor(dict(inputs=batch(), data_samples=torch.zeros(0, 6)), training=True)
    _, log = detector.parse_losses(detector(**data, mode="loss"))
    assert set(log) == {"loss", "loss_box", "loss_obj", "loss_cls"}


def test_predicted_boxes_are_in_original_pixels_and_inside_the_picture(build_yolov5):
    detector = build_yolov5().eval()
    detector.bbox_head.test_cfg = dict(score_thr=1e-5)
    # a 100 x 200 picture scaled by .32 to 32 x 64 and padded by 16 above and below
    padded = ((100, 200), (0.32, 0.32), (16, 16, 0, 0))
    inputs = batch(1).float() / 255
    with torch.no_grad():
        (original,) = detector.predict(inputs, [sample(*padded)])
        (network,) = detector.predict(inputs, [sample(*padded)], rescale=False)
    expected = (network.pred_instances.bboxes - torch.tensor([0, 16, 0, 16])) / 0.32
    limit = torch.tensor([200.0, 100, 200, 100])
    assert len(expected) > 0
    torch.testing.assert_close(original.pred_instances.bboxes, expected.clamp(min=0).minimum(limit))


def test_preprocessor_scales_pixels_and_stacks_lists(build_yolov5):
    preprocessor, images = build_yolov5().data_preprocessor, batch()
    stacked = preprocessor(dict(inputs=images, data_samples=None))["inputs"]
    assert torch.equal(stacked, images.flip(1).float() / 255)  # BGR comes, RGB goes on
    assert torch.equal(preprocessor(dict(inputs=list(images), data_samples=None))["inputs"], stacked)


def test_gradient_of_a_strided_1x1_convolution_over_few_channels_is_right_in_channels_last_memory():
    conv = torch.nn.Conv2d(3, 16, 1, stride=2)
    guard_strided_1x1(conv)
    x, weights = torch.randn(2, 3, 64, 64), torch.randn(2, 16, 32, 32)
    for _ in range(5):  # without the guard the process crashes, or the numbers are wrong
        conv.zero_grad()
        (conv(x.to(memory_format=torch.channels_last)) * weights).sum().backward()
        expected = torch.einsum("nohw,nihw->oi", weights, x[..., ::2, ::2])
        torch.testing.assert_close(conv.weight.grad[..., 0, 0], expected, rtol=1e-4, atol=1e-3)


def test_detectors_guard_the_convolutions_of_any_backbone():
    repvgg = dict(type="PyramidBackbone", net=dict(type="mmpretrain.RepVGG", arch="A0"))
    config = dict(
        neck=dict(type="YOLOv5PAFPN", widen_factor=0.125), bbox_head=dict(type="YOLOAnchorHead", num_classes=2)
    )
    detector = MODELS.build(dict(type="YOLODetector", backbone=repvgg, **config))
    assert [name for name, module in detector.named_modules() if module._forward_pre_hooks] == [
        "backbone.net.stem.branch_1x1.conv"
    ]


@pytest.mark.parametrize(
    "anchors",
    [5, ["a", "b", "c"], [[1, 2], [3, 4], [5, 6]], [[(1, 2)], [(3, 4)], [(5, -6)]], [[(1, 2)], [(3, 4), (5, 6)]]],
)
def test_anchors_that_are_no_sizes_are_refused(anchors):
    with pytest.raises(
        UsageError, match=r"bbox_head.anchors=.*: give as many \(width, height\) in pixels to each level"
    ):
        MODELS.build(
            dict(type="YOLOAnchorHead", num_classes=2, in_channels=[8] * 3, strides=[8, 16, 32], anchors=anchors)
        )


def test_an_unknown_option_of_the_selection_is_refused_before_the_first_epoch():
    head = dict(type="YOLOAnchorHead", num_classes=2, in_channels=[8] * 3, strides=[8, 16, 32])
    with pytest.raises(UsageError, match=r"model\.test_cfg takes no 'iou_thr'; did you mean 'iou_threshold'\?"):
        MODELS.build(head | dict(test_cfg=dict(iou_thr=0.5)))


def test_settings_of_training_that_a_head_does_not_read_are_refused():
    with pytest.raises(UsageError, match=r"model\.train_cfg is for MMDetection's heads; YOLOAnchorHead takes"):
        MODELS.build(
            dict(
                type="YOLODetector",
                backbone=dict(type="YOLOv5CSP", widen_factor=0.125),
                neck=dict(type="YOLOv5PAFPN", widen_factor=0.125),
                bbox_head=dict(type="YOLOAnchorHead", num_classes=2),
                train_cfg=dict(assigner=dict(type="ShapeAssigner")),
            )
        )
