"""Facts about the check of all files: each fault is planted and found. Faults of each layout: test_faulty_data.py."""

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from yolo_plugins.datasets.from_config import find_datasets
from yolo_plugins.datasets.synthetic_voc import make_synthetic_voc
from yolo_plugins.datasets.verify import OFFICIAL_COUNTS, SplitCounts, verify
from yolo_plugins.datasets.voc import VOC_CLASSES, annotation_path, image_path, read_split, split_path
from yolo_plugins.errors import UsageError

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return make_synthetic_voc(tmp_path_factory.mktemp("sound") / "VOCdevkit", train=8, test=4)


@pytest.fixture
def root(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "VOCdevkit")


def name_of(root, number=0):
    return read_split(root, "VOC2007", "train")[number]


def verify_folder(root, classes=None, official=False):
    return verify(find_datasets(None, data=str(root), classes=classes), official)


def edit(root, old, new):
    """Replaces the first `old` in the first annotation; returns its path."""
    path = annotation_path(root, "VOC2007", name_of(root))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def test_every_fault_is_listed_at_once(root):
    annotation_path(root, "VOC2012", "2012_000002").unlink()
    image_path(root, "VOC2012", "2012_000002").unlink()
    image_path(root, "VOC2007", name_of(root, 2)).write_bytes(b"")
    edit(root, "<name>aeroplane</name>", "<name>zeppelin</name>")
    edit(root, "<xmax>", "<xmax>-")
    split_path(root, "VOC2007", "test").write_text("")
    report = verify(find_datasets("yolov5_n_voc", [f"data_root={root}"]))
    assert len(report.faults) == 6
    assert ["zeppelin" in fault for fault in report.faults].index(True) == 0
    assert report.counts["VOC2012/train"].pictures == 3


def test_difficult_objects_are_counted_apart(root):
    before = verify_folder(root).counts["VOC2007/train"]
    edit(root, "<difficult>0</difficult>", "<difficult>1</difficult>")
    after = verify_folder(root).counts["VOC2007/train"]
    assert (after.objects, after.non_difficult) == (before.objects, before.non_difficult - 1)


def test_official_counts_are_demanded_on_request_only(root):
    assert verify_folder(root).faults == []
    faults = verify_folder(root, official=True).faults
    assert len(faults) == 3
    assert "4 pictures" in faults[0]
    assert "2501 pictures, 7844 objects, 6301 non-difficult" in faults[0]


def test_official_counts_add_up_to_the_study():
    train = [OFFICIAL_COUNTS["VOC2007/train"], OFFICIAL_COUNTS["VOC2012/train"]]
    assert sum(counts.pictures for counts in train) == 8218
    assert sum(counts.objects for counts in train) == 23618
    assert sum(counts.non_difficult for counts in train) == 19910
    assert OFFICIAL_COUNTS["VOC2007/test"] == SplitCounts(4952, 14976, 12032)


def test_nothing_to_look_at_is_refused():
    with pytest.raises(UsageError, match="no pictures are named: give own ones by --data, or a config by --config"):
        find_datasets(None)
    with pytest.raises(UsageError, match="--cfg-options changes a config: give one by --config"):
        find_datasets(None, ["img_size=96"], "somewhere")


def test_pictures_of_any_suffix_are_sound_and_two_of_one_stem_are_not(root):
    path = image_path(root, "VOC2007", name_of(root))
    path.rename(path.with_suffix(".JPEG"))
    assert verify_folder(root).faults == []
    cv2.imwrite(str(path.with_suffix(".png")), np.zeros((11, 17, 3), np.uint8))
    (fault,) = verify_folder(root).faults
    assert fault.endswith(f"{path.stem}.JPEG and {path.stem}.png are pictures of one name; remove all but one")


def test_boxes_without_area_and_other_classes_are_counted(root):
    edit(root, "<name>aeroplane</name>", "<name>zeppelin</name>")
    classes = [*VOC_CLASSES]
    before = verify_folder(root, classes)
    assert before.faults == [] and before.counts["VOC2007/train"].others == 1
    path = annotation_path(root, "VOC2007", name_of(root, 1))
    path.write_text(
        re.sub(
            r"<xmin>\d+</xmin>(\s*<ymin>\d+</ymin>\s*)<xmax>\d+<",
            r"<xmin>0</xmin>\1<xmax>0<",
            path.read_text(),
            count=1,
        )
    )
    after = verify_folder(root, classes)
    assert after.faults == [] and after.counts["VOC2007/train"].without_area == 1
    assert after.counts["VOC2007/train"].objects == before.counts["VOC2007/train"].objects - 1


def test_the_same_picture_and_the_same_object_twice_are_warnings(root):
    first, second = (
        image_path(root, sub, name) for sub, name in (("VOC2007", name_of(root)), ("VOC2012", "2012_000001"))
    )
    shutil.copy(first, second)
    shutil.copy(annotation_path(root, "VOC2007", name_of(root)), annotation_path(root, "VOC2012", "2012_000001"))
    path = annotation_path(root, "VOC2007", name_of(root, 1))
    text = path.read_text()
    one = text[text.index("<object>") : text.index("</object>") + len("</object>")]
    path.write_text(text.replace(one, one + one, 1))
    report = verify_folder(root)
    assert report.faults == []
    twice, same = sorted(report.warnings, key=lambda line: "same picture" in line)
    assert twice.startswith(f"{path}: the box (") and "2 times for one class; keep one" in twice
    assert same == f"{second} (VOC2012/train): the same picture as {first} (VOC2007/train); keep one of them"


CONFIG = """
_base_ = {base!r}
data_root = {root!r}
val_dataloader = dict(dataset=dict(splits=["VOC2007/test", "VOC2007/train"]))
"""


def test_config_says_where_what_and_by_which_rules(root, tmp_path):
    config = tmp_path / "own.py"
    config.write_text(CONFIG.format(base=str(REPO / "configs" / "yolov5_n_voc.py"), root=str(root)))
    report = verify(find_datasets(str(config)))
    assert [*report.counts] == ["VOC2007/train", "VOC2012/train", "VOC2007/test"] and report.faults == []
    options = [f"{split}_dataloader.dataset.metainfo.classes=['cat','dog']" for split in ("train", "val", "test")]
    report = verify(find_datasets(str(config), options))
    assert "unknown class 'aeroplane'" in report.faults[0]
    report = verify(find_datasets(str(config), ["train_dataloader.dataset.others=background", *options]))
    assert [name.split()[0] for name in report.counts] == [
        *("VOC2007/train", "VOC2012/train", "VOC2007/test", "VOC2007/train")
    ]
    assert [*report.counts][3].endswith(", cat, dog, others=None, clip=False)")
    assert report.faults


def test_table_shows_every_set(root):
    lines = verify_folder(root).table().splitlines()
    assert len(lines) == 4
    assert lines[1].split()[:3] == ["VOC2007/train", "4", "17"]
