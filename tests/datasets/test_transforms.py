"""Facts about the training transforms; the mosaic is compared with one that paints the whole canvas."""

import math

import cv2
import numpy as np
import pytest
import torch

from yolo_plugins.datasets.images import scaled_hw
from yolo_plugins.datasets.transforms import HSVJitter, MixUp, MosaicAffine, PackEval, PackTrain, RandomFlip
from yolo_plugins.errors import UsageError

S = 96
SHAPES_HW = [(96, 70), (60, 96), (96, 96), (41, 96), (96, 33)]


class Pictures:
    """What the mosaic needs of a data set: smooth pictures that just fit in the input, and boxes."""

    def __init__(self, boxes_per_picture=12, input_hw=(S, S)):
        rng = np.random.default_rng(7)
        self.loaded = []
        for label, (h, w) in enumerate(scaled_hw(shape, input_hw) for shape in SHAPES_HW):
            noise = rng.integers(0, 256, (h, w, 3), dtype=np.uint8)
            img = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
            img.flags.writeable = False  # as the cache's views
            corners = np.sort(rng.uniform(0, (w, h), (boxes_per_picture, 2, 2)), axis=1)
            self.loaded.append((img, corners.reshape(-1, 4).astype(np.float32), np.full(boxes_per_picture, label)))

    def __len__(self):
        return len(self.loaded)

    def load(self, index):
        return self.loaded[index]


def results_of(dataset, seed=0, index=0, **others):
    return {"dataset": dataset, "index": index, "img_size": S, "rng": np.random.default_rng(seed), **others}


def paint_canvas(dataset, index, prob, draws, input_hw):
    """The textbook way: pictures on a canvas, which of them each pixel belongs to (0: none), and boxes on it."""
    height, width = input_hw
    factor = 2 if draws[0] < prob else 1
    canvas_h, canvas_w = factor * height, factor * width
    canvas, owner = np.full((canvas_h, canvas_w, 3), 114, np.uint8), np.zeros((canvas_h, canvas_w), np.uint8)
    if factor == 1:
        h, w = dataset.load(index)[0].shape[:2]
        corners = [(index, round((width - w) / 2 - 0.1), round((height - h) / 2 - 0.1))]
    else:
        xc, yc = int(width / 2 + draws[1] * width), int(height / 2 + draws[2] * height)
        others = [int(u * len(dataset)) for u in draws[4:7]]
        slot = int(draws[3] * 4)
        corners = []
        for place, i in enumerate([*others[:slot], index, *others[slot:]]):
            h, w = dataset.load(i)[0].shape[:2]
            corners.append((i, *[(xc - w, yc - h), (xc, yc - h), (xc - w, yc), (xc, yc)][place]))
    boxes, labels = [], []
    for number, (i, left, top) in enumerate(corners, start=1):
        img, bboxes, classes = dataset.load(i)
        h, w = img.shape[:2]
        x1, y1, x2, y2 = max(left, 0), max(top, 0), min(left + w, canvas_w), min(top + h, canvas_h)
        canvas[y1:y2, x1:x2] = img[y1 - top : y2 - top, x1 - left : x2 - left]
        owner[y1:y2, x1:x2] = number
        moved = bboxes + np.array([left, top, left, top], np.float64)
        boxes.append(np.clip(moved, 0, [canvas_w, canvas_h, canvas_w, canvas_h]))
        labels.append(classes)
    return canvas, owner, np.concatenate(boxes), np.concatenate(labels)


def warp_canvas(canvas, owner, boxes, labels, option, draws, input_hw):
    """The affine by matrices, the pixels not beside a seam, the box rule one by one."""
    height, width = input_hw
    u = [2 * d - 1 for d in draws]
    to_origin, zoom, shear, shift = np.eye(3), np.eye(3), np.eye(3), np.eye(3)
    to_origin[:2, 2] = -canvas.shape[1] / 2, -canvas.shape[0] / 2
    gain = 1 + option["scale"] * u[0]
    zoom[:2] = cv2.getRotationMatrix2D((0, 0), option["degrees"] * u[3], gain)
    shear[0, 1], shear[1, 0] = (math.tan(math.radians(option["shear"] * v)) for v in u[4:6])
    shift[:2, 2] = [(0.5 + option["translate"] * v) * side for v, side in zip(u[1:3], (width, height), strict=True)]
    matrix = shift @ shear @ zoom @ to_origin
    img = cv2.warpAffine(canvas, matrix[:2], (width, height), borderValue=(114, 114, 114))
    matrix_to_margin = matrix[:2] + np.array([[0, 0, 1], [0, 0, 1]])  # a seam just outside the output is a seam too
    owner = cv2.warpAffine(owner, matrix_to_margin, (width + 2, height + 2), flags=cv2.INTER_NEAREST, borderValue=0)
    inside = (cv2.erode(owner, np.ones((3, 3))) == cv2.dilate(owner, np.ones((3, 3))))[1:-1, 1:-1]
    kept = []
    for box, label in zip(boxes, labels, strict=True):
        x1, y1, x2, y2 = box
        points = np.array([[x1, y1, 1], [x2, y1, 1], [x2, y2, 1], [x1, y2, 1]]) @ matrix.T
        x1, y1 = np.clip(points[:, :2].min(0), 0, (width, height))
        x2, y2 = np.clip(points[:, :2].max(0), 0, (width, height))
        w, h = x2 - x1, y2 - y1
        area = (box[2] - box[0]) * (box[3] - box[1]) * gain**2
        if area > 0 and w > 2 and h > 2 and max(w / h, h / w) < 100 and w * h / area > 0.1:
            kept.append([x1, y1, x2, y2, label])
    return img, inside, np.array(kept).reshape(-1, 5)


@pytest.mark.parametrize(
    "option",
    [
        {"prob": 1.0, "translate": 0.1, "scale": 0.5, "degrees": 0.0, "shear": 0.0},
        {"prob": 1.0, "translate": 0.2, "scale": 0.9, "degrees": 20.0, "shear": 5.0},
        {"prob": 0.0, "translate": 0.1, "scale": 0.5, "degrees": 0.0, "shear": 0.0},
        {"prob": 0.0, "translate": 0.1, "scale": 0.5, "degrees": 180.0, "shear": 0.0},
    ],
    ids=["mosaic", "mosaic rotated and sheared", "letterbox", "letterbox rotated"],
)
@pytest.mark.parametrize("input_hw", [(S, S), (S, 160)], ids=["square", "wide"])
def test_fused_mosaic_equals_the_painted_canvas(option, input_hw):
    dataset, transform = Pictures(input_hw=input_hw), MosaicAffine(**option)
    compared = kept_boxes = 0
    for seed in range(40):
        index = seed % len(dataset)
        img, bboxes, labels = transform.sample(dataset, index, input_hw, np.random.default_rng(seed))
        draws = np.random.default_rng(seed).random(13)
        painted = paint_canvas(dataset, index, option["prob"], draws, input_hw)
        expected_img, inside, expected = warp_canvas(*painted, option, draws[7:], input_hw)
        np.testing.assert_allclose(np.column_stack([bboxes, labels]), expected, rtol=0, atol=1e-4)
        # A pixel beside a seam blends two pictures there and not here; all others are the same.
        difference = np.abs(img.astype(int) - expected_img)[inside]
        assert difference.max(initial=0) <= 1  # OpenCV rounds coordinates to 1/32 pixel, from another origin
        assert (difference > 0).mean() < 0.01
        compared += inside.mean() / 40
        kept_boxes += len(bboxes)
    assert compared > 0.75
    assert kept_boxes > 200


def test_pictures_of_a_mosaic_leave_no_gap_between_them():
    white = Pictures()
    white.loaded = [(np.full((S, S, 3), 255, np.uint8), np.zeros((0, 4), np.float32), np.zeros(0, np.int64))]
    for degrees in (0.0, 30.0):
        transform = MosaicAffine(translate=0.0, scale=0.3, degrees=degrees)
        for seed in range(20):
            img, _, _ = transform.sample(white, 0, S, np.random.default_rng(seed))
            # Four full squares around the centre cover the canvas from the centre to at least a quarter of it.
            assert (img[S // 3 : -S // 3, S // 3 : -S // 3] == 255).all()


def test_augmentation_without_strength_is_the_letterbox():
    dataset = Pictures()
    results = MosaicAffine(prob=0.0, translate=0.0, scale=0.0).transform(results_of(dataset, index=1))
    img, bboxes, _ = dataset.load(1)
    assert (results["img"][18:78] == img).all()
    assert (results["img"][:18] == 114).all() and (results["img"][78:] == 114).all()
    large = (bboxes[:, 2:] - bboxes[:, :2]).min(1) > 2
    np.testing.assert_allclose(results["gt_bboxes"], bboxes[large] + [0, 18, 0, 18], atol=1e-4)
    assert results["img_shape"] == (S, S)


def test_sample_is_a_function_of_the_generator_and_leaves_the_source_alone():
    dataset = Pictures()
    before = [img.copy() for img, _, _ in dataset.loaded]
    pipeline = [MosaicAffine(degrees=5), MixUp(prob=0.5), HSVJitter(), RandomFlip(), PackTrain()]

    def run(seed):
        results = results_of(dataset, seed)
        for transform in pipeline:
            results = transform(results)
        return results

    for seed in range(4):
        first, second, third = run(seed), run(seed), run(seed + 100)
        assert torch.equal(first["inputs"], second["inputs"])
        assert torch.equal(first["data_samples"].gt_instances.bboxes, second["data_samples"].gt_instances.bboxes)
        assert not torch.equal(first["inputs"], third["inputs"])
    assert all((img == copy).all() for (img, _, _), copy in zip(dataset.loaded, before, strict=True))


def test_a_sample_that_is_not_square_goes_through_every_transform():
    dataset = Pictures(input_hw=(S, 160))
    results = results_of(dataset, img_size=(S, 160))
    for transform in (MosaicAffine(degrees=5), MixUp(prob=1.0), HSVJitter(), RandomFlip(prob=1.0), PackTrain()):
        results = transform(results)
    assert results["inputs"].shape == (3, S, 160)
    assert results["data_samples"].img_shape == (S, 160)
    bboxes = results["data_samples"].gt_instances.bboxes
    assert bboxes.min() >= 0 and (bboxes.amax(0) <= torch.tensor([160, S, 160, S])).all()
    assert bboxes[:, 2].max() > S  # they reach into what a square would not have


def test_pictures_without_boxes_make_a_sample_without_boxes():
    dataset = Pictures(boxes_per_picture=0)
    for degrees in (0.0, 10.0):
        results = PackTrain()(MosaicAffine(degrees=degrees)(results_of(dataset)))
        assert results["data_samples"].gt_instances.bboxes.shape == (0, 4)


def test_boxes_off_the_canvas_do_not_come_back_by_rotation():
    dataset = Pictures(boxes_per_picture=0)
    dataset.loaded = [(dataset.load(2)[0], np.array([[-9, 5, 0, 60]], np.float32), np.array([1]))]
    transform = MosaicAffine(prob=0.0, degrees=45.0)
    assert all(len(transform.sample(dataset, 0, S, np.random.default_rng(seed))[1]) == 0 for seed in range(5))


def test_mosaic_holds_its_picture_in_any_quadrant_and_three_others(monkeypatch):
    dataset, loaded, places = Pictures(), [], set()
    monkeypatch.setattr(dataset, "load", lambda index: loaded.append(index) or dataset.loaded[index])
    for seed in range(30):
        loaded.clear()
        MosaicAffine().sample(dataset, 2, S, np.random.default_rng(seed))
        assert len(loaded) == 4 and 2 in loaded
        places.add(loaded.index(2))
    assert places == {0, 1, 2, 3}


def test_mixup_blends_two_mosaics_and_keeps_the_boxes_of_both():
    dataset = Pictures()
    single = MosaicAffine()(results_of(dataset, seed=3))
    mixed = MixUp(prob=1.0)(MosaicAffine()(results_of(dataset, seed=3)))
    count = len(single["gt_bboxes"])
    assert len(mixed["gt_bboxes"]) == len(mixed["gt_bboxes_labels"]) > count
    assert (mixed["gt_bboxes"][:count] == single["gt_bboxes"]).all()
    draw = np.random.default_rng(3)
    draw.random(13), draw.random()
    other, ratio = int(draw.integers(len(dataset))), draw.beta(32, 32)
    assert 0.2 < ratio < 0.8
    second = MosaicAffine().sample(dataset, other, S, draw)[0]
    blend = single["img"] * ratio + second * (1 - ratio)
    assert np.abs(mixed["img"] - blend).max() <= 0.5 + 1e-6


def test_mixup_of_probability_zero_changes_nothing():
    results = MosaicAffine()(results_of(Pictures()))
    img = results["img"]
    assert MixUp(prob=0.0)(results)["img"] is img


def test_mixup_without_a_mosaic_names_the_remedy():
    with pytest.raises(UsageError, match="MosaicAffine"):
        MixUp()(results_of(Pictures()))


def test_hsv_gains_multiply_and_hue_goes_round_the_circle():
    img = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    out = HSVJitter(0.4, 0.7, 0.4)(results_of(None, seed=5, img=img.copy()))["img"]
    gains = 1 + (2 * np.random.default_rng(5).random(3) - 1) * [0.4, 0.7, 0.4]
    hsv = cv2.cvtColor(img, cv2.COLOR_BGR2HSV).astype(np.float64) * gains
    hsv = np.stack([hsv[..., 0] % 180, np.minimum(hsv[..., 1], 255), np.minimum(hsv[..., 2], 255)], axis=2)
    assert (out == cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR)).all()


def test_hsv_leaves_its_input_alone():
    img = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    img.flags.writeable = False
    assert HSVJitter()(results_of(None, img=img))["img"] is not img


def test_flip_mirrors_pixels_and_boxes():
    img = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    bboxes = np.array([[1, 0, 3, 2], [0, 1, 6, 4]], np.float32)
    results = RandomFlip(prob=1.0)(results_of(None, img=img, gt_bboxes=bboxes))
    assert (results["img"] == img[:, ::-1]).all()
    assert results["gt_bboxes"].tolist() == [[3, 0, 5, 2], [0, 1, 6, 4]]
    assert bboxes.tolist() == [[1, 0, 3, 2], [0, 1, 6, 4]]


def test_flip_happens_as_often_as_its_probability_says():
    rng = np.random.default_rng(0)
    img, bboxes = np.zeros((2, 2, 3), np.uint8), np.zeros((0, 4), np.float32)
    flipped = [RandomFlip(0.3)({"rng": rng, "img": img, "gt_bboxes": bboxes})["img"] is not img for _ in range(2000)]
    assert 0.26 < np.mean(flipped) < 0.34


def test_train_sample_is_bgr_planes_and_a_data_sample():
    img = np.zeros((5, 5, 3), np.uint8)
    img[..., 0], img[..., 2] = 7, 9  # blue, red
    packed = PackTrain()({"img": img, "gt_bboxes": np.array([[1, 2, 3, 4.5]]), "gt_bboxes_labels": np.array([11])})
    assert packed["inputs"].dtype == torch.uint8 and packed["inputs"].is_contiguous()
    assert packed["inputs"][:, 0, 0].tolist() == [7, 0, 9]
    truth = packed["data_samples"].gt_instances
    assert (truth.bboxes.dtype, truth.labels.dtype) == (torch.float32, torch.int64)
    assert (truth.bboxes.tolist(), truth.labels.tolist()) == ([[1, 2, 3, 4.5]], [11])
    assert len(packed["data_samples"].ignored_instances) == 0


def test_float_pictures_of_borrowed_transforms_are_rounded_and_cut():
    img = np.full((2, 2, 3), (-3.0, 99.6, 300.0), np.float32)
    packed = PackTrain()({"img": img, "gt_bboxes": np.zeros((0, 4)), "gt_bboxes_labels": np.zeros(0)})
    assert packed["inputs"][:, 0, 0].tolist() == [0, 100, 255]


def test_eval_sample_tells_difficult_objects_apart():
    keys = {"img_id": "VOC2007/1", "img_path": "1.jpg", "ori_shape": (4, 6), "img_shape": (4, 6)}
    keys |= {"scale_factor": (1.0, 1.0), "pad_param": (0, 0, 0, 0), "img": np.zeros((4, 6, 3), np.uint8)}
    boxes = np.array([[0, 0, 1, 1], [2, 2, 4, 4]], np.float32)
    packed = PackEval()(
        {**keys, "ori_bboxes": boxes, "ori_labels": np.array([3, 5]), "difficult": np.array([False, True])}
    )
    sample = packed["data_samples"]
    assert sample.gt_instances.labels.tolist() == [3]
    assert sample.ignored_instances.bboxes.tolist() == [[2, 2, 4, 4]]
    assert sample.img_id == "VOC2007/1" and sample.ori_shape == (4, 6)
    assert "gt_instances" not in PackEval()(keys)["data_samples"]
