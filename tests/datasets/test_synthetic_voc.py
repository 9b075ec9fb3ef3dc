"""Facts about the synthetic data set."""

import json
import time

import cv2
import numpy as np
import pytest

from yolo_plugins.datasets.from_config import find_datasets
from yolo_plugins.datasets.images import read_image
from yolo_plugins.datasets.synthetic_voc import make_synthetic_voc
from yolo_plugins.datasets.verify import verify
from yolo_plugins.datasets.voc import VOC_CLASSES, annotation_path, image_path, read_annotation, read_split
from yolo_plugins.errors import UsageError

SPLITS = (("VOC2007", "train"), ("VOC2012", "train"), ("VOC2007", "test"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_synthetic_voc(tmp_path_factory.mktemp("synthetic") / "VOCdevkit", train=24, test=12, num_classes=5)


def pictures(root):
    """(sub-folder, split, name) of every picture."""
    return [(sub, split, name) for sub, split in SPLITS for name in read_split(root, sub, split)]


def contents(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "SYNTHETIC.json"
    }


def test_synthetic_data_passes_verification(small):
    report = verify(find_datasets(None, data=str(small)))
    assert report.faults == []
    assert [counts.pictures for counts in report.counts.values()] == [12, 12, 12]


def test_train_and_test_share_no_picture(small):
    names = [(sub, name) for sub, _, name in pictures(small)]
    assert len(set(names)) == len(names) == 36


def test_every_split_has_every_class_and_only_those(small):
    for sub, split in SPLITS:
        names = read_split(small, sub, split)
        labels = [label for name in names for label in read_annotation(annotation_path(small, sub, name)).labels]
        assert set(labels) == set(range(5))


def test_every_split_has_difficult_and_truncated_objects_and_every_picture_a_plain_one(small):
    for sub, split in SPLITS:
        paths = [annotation_path(small, sub, name) for name in read_split(small, sub, split)]
        difficult = [read_annotation(path).difficult for path in paths]
        assert any(flags.any() for flags in difficult)
        assert not any(flags.all() for flags in difficult)
        assert any("<truncated>1</truncated>" in path.read_text() for path in paths)


def test_pictures_are_not_square_and_have_the_stated_size(small):
    for sub, _, name in pictures(small):
        height, width, _ = read_image(image_path(small, sub, name)).shape
        assert height != width
        assert 200 <= max(height, width) <= 280


def test_truncated_objects_touch_the_border(small):
    for sub, _, name in pictures(small):
        path = annotation_path(small, sub, name)
        annotation = read_annotation(path)
        truncated = [text.startswith("1") for text in path.read_text().split("<truncated>")[1:]]
        far = (annotation.width, annotation.height)
        for (x1, y1, x2, y2), is_truncated in zip(annotation.bboxes, truncated, strict=True):
            assert not is_truncated or x1 == 0 or y1 == 0 or x2 == far[0] or y2 == far[1]


def test_boxes_frame_the_drawn_pixels(tmp_path):
    """A lone saturated object on a greyish ground: its strong pixels fill the box from side to side."""
    root = make_synthetic_voc(tmp_path / "VOCdevkit", train=2, test=40, num_classes=20)
    checked = 0
    for name in read_split(root, "VOC2007", "test"):
        annotation = read_annotation(annotation_path(root, "VOC2007", name))
        if len(annotation.labels) != 1:
            continue
        img = read_image(image_path(root, "VOC2007", name)).astype(int)
        strong = cv2.morphologyEx(
            ((img.max(2) - img.min(2)) > 60).astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)
        )
        ys, xs = np.nonzero(strong)
        np.testing.assert_allclose(
            annotation.bboxes[0], [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], atol=3, err_msg=name
        )
        checked += 1
    assert checked >= 3


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path):
    first = contents(make_synthetic_voc(tmp_path / "a", train=4, test=2, seed=3))
    assert contents(make_synthetic_voc(tmp_path / "b", train=4, test=2, seed=3)) == first
    assert contents(make_synthetic_voc(tmp_path / "c", train=4, test=2, seed=4)) != first


def test_more_pictures_leave_the_first_ones_unchanged(tmp_path):
    few = contents(make_synthetic_voc(tmp_path / "few", train=4, test=2))
    many = contents(make_synthetic_voc(tmp_path / "many", train=8, test=3))
    assert all(many[path] == data for path, data in few.items() if not path.endswith(".txt"))


def test_annotations_are_real_voc(small):
    text = annotation_path(small, "VOC2007", "000001").read_text()
    for tag in ("folder", "filename", "size", "depth", "segmented", "pose", "truncated", "difficult", "bndbox"):
        assert f"<{tag}>" in text


def test_earlier_synthetic_data_is_replaced_whole(tmp_path):
    root = make_synthetic_voc(tmp_path / "VOCdevkit", train=8, test=4)
    make_synthetic_voc(root, train=2, test=1)
    assert len(list(root.rglob("*.jpg"))) == 3
    assert json.loads((root / "SYNTHETIC.json").read_text())["train"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["VOCdevkit"]


def test_empty_folder_is_used(tmp_path):
    make_synthetic_voc(tmp_path / "empty" / "VOCdevkit", train=2, test=1)
    (tmp_path / "other").mkdir()
    make_synthetic_voc(tmp_path / "other", train=2, test=1)


@pytest.mark.parametrize("content", ["VOC2007/real.jpg", "SYNTHETIC.json"])
def test_a_folder_with_other_content_is_never_touched(tmp_path, content):
    kept = tmp_path / "VOCdevkit" / content
    kept.parent.mkdir(parents=True)
    kept.write_text("[]")
    with pytest.raises(UsageError, match="holds something other than a synthetic data set"):
        make_synthetic_voc(tmp_path / "VOCdevkit", train=2, test=1)
    assert kept.read_text() == "[]"
    with pytest.raises(UsageError, match="holds something other"):
        make_synthetic_voc(kept, train=2, test=1)


def test_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr("yolo_plugins.datasets.synthetic_voc._object_xml", fail)
    with pytest.raises(RuntimeError):
        make_synthetic_voc(tmp_path / "VOCdevkit", train=2, test=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [{"train": 1}, {"test": 0}, {"num_classes": 0}, {"num_classes": 21}, {"long_side_range": (300, 200)}],
)
def test_senseless_numbers_are_refused(tmp_path, wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        make_synthetic_voc(tmp_path / "VOCdevkit", **({"train": 2, "test": 1} | wrong))
    assert list(tmp_path.iterdir()) == []


def test_twenty_classes_are_pairwise_distinct_in_shape_or_hue():
    from yolo_plugins.datasets import synthetic_voc as module

    looks = {(label % len(module._SHAPES), module._class_hue(label)) for label in range(len(VOC_CLASSES))}
    hues = [module._class_hue(label) for label in range(len(VOC_CLASSES))]
    assert len(looks) == 20
    assert all((hues[label + 10] - hues[label]) % 180 == 90 for label in range(10))


def test_small_pictures_work(tmp_path):
    root = make_synthetic_voc(tmp_path / "VOCdevkit", train=6, test=4, num_classes=20, long_side_range=(64, 80))
    assert verify(find_datasets(None, data=str(root))).faults == []


def test_a_hundred_pictures_take_under_two_and_a_half_seconds(tmp_path):
    start = time.process_time()
    make_synthetic_voc(tmp_path / "VOCdevkit", train=80, test=20)
    assert time.process_time() - start < 2.5  # 10 s for 400
