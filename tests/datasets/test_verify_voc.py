"""Facts about the check of a VOCdevkit folder: each fault is planted and found."""

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from yolo_plugins.datasets.synthetic_voc import make_synthetic_voc
from yolo_plugins.datasets.verify_voc import OFFICIAL_COUNTS, SplitCounts, verify_config, verify_voc
from yolo_plugins.datasets.voc import annotation_path, image_path, read_split, split_path
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


def edit(root, old, new):
    """Replaces the first `old` in the first annotation; returns its path."""
    path = annotation_path(root, "VOC2007", name_of(root))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def missing_image(root):
    path = image_path(root, "VOC2007", name_of(root))
    path.unlink()
    return path, "no such image"


def missing_annotation(root):
    path = annotation_path(root, "VOC2007", name_of(root))
    path.unlink()
    return path, "cannot read the annotation"


def truncated_jpeg(root):
    path = image_path(root, "VOC2007", name_of(root))
    path.write_bytes(path.read_bytes()[:-400])
    return path, "cannot decode the image"


def other_size(root):
    path = image_path(root, "VOC2007", name_of(root))
    cv2.imwrite(str(path), np.zeros((11, 17, 3), np.uint8))
    return path, "is 17x11, its annotation says"


def unknown_class(root):
    return edit(root, "<name>aeroplane</name>", "<name>zeppelin</name>"), "unknown class 'zeppelin'"


def inverted_box(root):
    return edit(root, "<xmax>", "<xmax>-"), "inverted box"


def outside_box(root):
    return edit(root, "<ymax>", "<ymax>9"), "is outside the"


def box_without_number(root):
    return edit(root, "<xmin>", "<xmin>x"), "is not four numbers"


def malformed_xml(root):
    return edit(root, "</annotation>", ""), "malformed XML"


def empty_split(root):
    path = split_path(root, "VOC2007", "train")
    path.write_text("\n")
    return path, "the split is empty"


def missing_split(root):
    path = split_path(root, "VOC2007", "train")
    path.unlink()
    return path, "cannot read the split"


def double_name(root):
    path = split_path(root, "VOC2007", "train")
    path.write_text(path.read_text() + name_of(root) + "\n")
    return path, "2 times"


FAULTS = (
    missing_image,
    missing_annotation,
    truncated_jpeg,
    other_size,
    unknown_class,
    inverted_box,
    outside_box,
    box_without_number,
    malformed_xml,
    empty_split,
    missing_split,
    double_name,
)


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_planted_fault_is_found_with_its_file(root, plant):
    path, expected = plant(root)
    (fault,) = verify_voc(root).faults
    assert fault.startswith(f"{path}: ")
    assert expected in fault
    assert "\n" not in fault


def test_every_fault_is_listed_at_once(root):
    annotation_path(root, "VOC2012", "2012_000002").unlink()
    image_path(root, "VOC2012", "2012_000002").unlink()
    image_path(root, "VOC2007", name_of(root, 2)).write_bytes(b"")
    edit(root, "<name>aeroplane</name>", "<name>zeppelin</name>")
    edit(root, "<xmax>", "<xmax>-")
    split_path(root, "VOC2007", "test").write_text("")
    report = verify_voc(root)
    assert len(report.faults) == 6
    assert ["zeppelin" in fault for fault in report.faults].index(True) == 0  # in the order of the sets and their lists
    assert report.counts["VOC2012/train"].present == 3


def test_difficult_objects_are_counted_apart(root):
    before = verify_voc(root).counts["VOC2007/train"]
    edit(root, "<difficult>0</difficult>", "<difficult>1</difficult>")
    after = verify_voc(root).counts["VOC2007/train"]
    assert (after.objects, after.non_difficult) == (before.objects, before.non_difficult - 1)


def test_chosen_sets_only_are_checked(root):
    missing_image(root)
    report = verify_voc(root, ["VOC2007/test"])
    assert report.faults == ()
    assert list(report.counts) == ["VOC2007/test"]


def test_official_counts_are_demanded_on_request_only(root):
    assert verify_voc(root).faults == ()
    faults = verify_voc(root, official=True).faults
    assert len(faults) == 3
    assert "4 of 4 pictures" in faults[0]
    assert "2501 of 2501 pictures, 7844 objects, 6301 non-difficult" in faults[0]


def test_official_counts_add_up_to_the_study():
    train = [OFFICIAL_COUNTS["VOC2007/train"], OFFICIAL_COUNTS["VOC2012/train"]]
    assert sum(counts.listed for counts in train) == 8218
    assert sum(counts.objects for counts in train) == 23618
    assert sum(counts.non_difficult for counts in train) == 19910
    assert OFFICIAL_COUNTS["VOC2007/test"] == SplitCounts(4952, 4952, 14976, 12032)


def test_wrong_questions_are_refused(root, tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        verify_voc(tmp_path / "nowhere")
    for text in ("VOC2007", "VOC2007:train"):
        with pytest.raises(UsageError, match=f"{text!r} is not of the form 'VOC2007/train'"):
            verify_voc(root, [text])
    with pytest.raises(UsageError, match=r"metainfo\.classes='cat' is no list"):
        verify_voc(root, classes="cat")
    with pytest.raises(UsageError, match="VOC2007/val: its official counts are not known"):
        verify_voc(root, ["VOC2007/val"], official=True)


def test_pictures_of_any_suffix_are_sound_and_two_of_one_stem_are_not(root):
    path = image_path(root, "VOC2007", name_of(root))
    path.rename(path.with_suffix(".JPEG"))
    assert verify_voc(root).faults == ()
    cv2.imwrite(str(path.with_suffix(".png")), np.zeros((11, 17, 3), np.uint8))
    (fault,) = verify_voc(root).faults
    assert fault.endswith(f"{path.stem}.JPEG and {path.stem}.png are pictures of one name; remove all but one")


def test_boxes_without_area_and_other_classes_are_counted(root):
    edit(root, "<name>aeroplane</name>", "<name>zeppelin</name>")
    before = verify_voc(root, ["VOC2007/train"], others="background")
    assert before.faults == () and before.counts["VOC2007/train"].others == 1
    ignored = verify_voc(root, ["VOC2007/train"], others="ignore").counts
    assert ignored == before.counts
    path = annotation_path(root, "VOC2007", name_of(root, 1))
    path.write_text(
        re.sub(
            r"<xmin>\d+</xmin>(\s*<ymin>\d+</ymin>\s*)<xmax>\d+<",
            r"<xmin>0</xmin>\1<xmax>0<",
            path.read_text(),
            count=1,
        )
    )
    after = verify_voc(root, ["VOC2007/train"], others="background")
    assert after.faults == () and after.counts["VOC2007/train"].without_area == 1
    assert after.counts["VOC2007/train"].objects == before.counts["VOC2007/train"].objects - 1


CONFIG = """
_base_ = {base!r}
data_root = {root!r}
val_dataloader = dict(dataset=dict(splits=["VOC2007/test", "VOC2007/train"]))
"""


def test_config_says_where_what_and_by_which_rules(root, tmp_path):
    config = tmp_path / "own.py"
    config.write_text(CONFIG.format(base=str(REPO / "configs" / "yolov5_n_voc.py"), root=str(root)))
    (report,) = verify_config(str(config))
    assert list(report.counts) == ["VOC2007/train", "VOC2012/train", "VOC2007/test"] and report.faults == ()
    options = [f"{split}_dataloader.dataset.metainfo.classes=['cat','dog']" for split in ("train", "val", "test")]
    (report,) = verify_config(str(config), options)
    assert "unknown class 'aeroplane'" in report.faults[0]
    reports = verify_config(str(config), ["train_dataloader.dataset.others=background", *options])
    assert [list(report.counts) for report in reports] == [
        ["VOC2007/train", "VOC2012/train"],
        ["VOC2007/test", "VOC2007/train"],
    ]
    assert reports[0].faults == () and reports[1].faults != ()


def test_config_without_a_voc_folder_is_refused():
    with pytest.raises(UsageError, match="config yolov5_n_coco: its COCODataset is no VOCdevkit folder"):
        verify_config("yolov5_n_coco")


def test_table_shows_every_set(root):
    lines = verify_voc(root).table().splitlines()
    assert len(lines) == 4
    assert lines[1].split()[:3] == ["VOC2007/train", "4", "4"]
