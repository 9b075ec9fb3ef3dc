"""Facts about reading VOC folders and annotations."""

import os

import numpy as np
import pytest

from yolo_plugins.datasets import voc
from yolo_plugins.datasets.voc import (
    VOC_CLASSES,
    PictureFolder,
    annotation_path,
    image_path,
    parse_split,
    read_annotation,
    read_split,
)
from yolo_plugins.errors import UsageError

SIZE = "<size><width>100</width><height>80</height><depth>3</depth></size>"


def box(xmin, ymin, xmax, ymax):
    return f"<bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox>"


def voc_object(name="cat", corners=(10, 20, 30, 40), difficult="<difficult>0</difficult>", parts=""):
    return f"<object><name>{name}</name>{difficult}{parts}{box(*corners)}</object>"


@pytest.fixture
def write(tmp_path):
    def _write(body, head=""):
        path = tmp_path / "000007.xml"
        path.write_text(f"{head}<annotation><filename>000007.jpg</filename>{body}</annotation>", encoding="utf-8")
        return path

    return _write


def test_classes_are_the_twenty_official_names_in_order():
    assert len(VOC_CLASSES) == 20
    assert list(VOC_CLASSES) == sorted(VOC_CLASSES)
    assert VOC_CLASSES[0] == "aeroplane"
    assert VOC_CLASSES[14] == "person"
    assert VOC_CLASSES[19] == "tvmonitor"


def test_inclusive_pixel_box_becomes_the_area_it_covers(write):
    annotation = read_annotation(write(SIZE + voc_object(corners=(1, 1, 100, 80))))
    assert annotation.bboxes.tolist() == [[0, 0, 100, 80]]
    assert annotation.bboxes.dtype == np.float32
    assert (annotation.width, annotation.height, annotation.filename) == (100, 80, "000007.jpg")


def test_labels_and_difficult_flags_are_read(write):
    body = voc_object("dog", difficult="<difficult>1</difficult>") + voc_object("tvmonitor")
    annotation = read_annotation(write(SIZE + body))
    assert annotation.labels.tolist() == [11, 19]
    assert annotation.labels.dtype == np.int64
    assert annotation.difficult.tolist() == [True, False]
    assert annotation.difficult.dtype == bool


def test_labels_follow_the_given_classes(write):
    assert read_annotation(write(SIZE + voc_object("dog")), ("dog", "cat")).labels.tolist() == [0]


def test_missing_difficult_means_not_difficult(write):
    assert not read_annotation(write(SIZE + voc_object(difficult=""))).difficult.any()


def test_float_coordinates_are_kept(write):
    annotation = read_annotation(write(SIZE + voc_object(corners=("10.5", "20.25", "30.75", "40"))))
    np.testing.assert_allclose(annotation.bboxes, [[9.5, 19.25, 30.75, 40]])


def test_parts_of_a_person_are_not_objects_nor_boxes(write):
    part = f"<part><name>head</name>{box(1, 2, 3, 4)}</part>"
    annotation = read_annotation(write(SIZE + voc_object("person", parts=part)))
    assert annotation.bboxes.tolist() == [[9, 19, 30, 40]]


def test_odd_white_space_is_ignored(write):
    body = voc_object("\n\u3000cat\u00a0\t", corners=("\u300010 ", "\t20", "30\n", "\u00a040"))
    annotation = read_annotation(write(SIZE + body, head='\n\n<?xml version="1.0" encoding="utf-8"?>\n'))
    assert annotation.labels.tolist() == [7]
    assert annotation.bboxes.tolist() == [[9, 19, 30, 40]]


@pytest.mark.parametrize("mark", ["\ufeff", "\ufeff\n", "\n\ufeff\n"])
def test_byte_order_mark_is_no_part_of_the_text(write, mark):
    annotation = read_annotation(write(SIZE + voc_object(), head=f'{mark}<?xml version="1.0" encoding="utf-8"?>'))
    assert annotation.labels.tolist() == [7]


def test_chinese_file_names_are_read(tmp_path):
    path = tmp_path / "图片.xml"
    path.write_text(f"<annotation>{SIZE}{voc_object()}</annotation>", encoding="utf-8")
    assert read_annotation(path).filename == "图片.jpg"


def test_picture_without_objects_gives_empty_arrays(write):
    annotation = read_annotation(write(SIZE))
    assert annotation.bboxes.shape == (0, 4)
    assert annotation.labels.shape == (0,)
    assert annotation.difficult.shape == (0,)


def test_box_one_pixel_over_the_border_is_clipped(write):
    assert read_annotation(write(SIZE + voc_object(corners=(0, 0, 101, 81)))).bboxes.tolist() == [[0, 0, 100, 80]]


@pytest.mark.parametrize("corners", [(0, 10, 0, 60), (101, 20, 101, 40), (10, 0, 40, 0)])
def test_box_that_the_border_leaves_no_area_is_left_out_and_counted(write, corners):
    annotation = read_annotation(write(SIZE + voc_object() + voc_object("dog", corners)))
    assert annotation.labels.tolist() == [7] and annotation.difficult.tolist() == [False]
    assert annotation.without_area == 1


def test_clip_lets_boxes_leave_their_picture(write):
    path = write(SIZE + voc_object(corners=(-40, 20, 900, 40)) + voc_object(corners=(200, 20, 300, 40)))
    with pytest.raises(UsageError, match=r"box \(-40, 20, 900, 40\) is outside the 100x80 picture .*clip=True"):
        read_annotation(path)
    annotation = read_annotation(path, clip=True)
    assert annotation.bboxes.tolist() == [[0, 19, 100, 40]] and annotation.without_area == 1


def test_objects_of_other_classes_are_refused_left_out_or_kept_to_be_ignored(write):
    path = write(SIZE + voc_object("dog") + voc_object("cat", (1, 1, 9, 9)))
    with pytest.raises(
        UsageError, match=r"unknown class 'cat' \(name it in metainfo=.*others='background' or 'ignore'"
    ):
        read_annotation(path, ("dog",))
    background = read_annotation(path, ("dog",), others="background")
    assert background.labels.tolist() == [0] and background.others == ("cat",)
    ignored = read_annotation(path, ("dog",), others="ignore")
    assert ignored.labels.tolist() == [0, -1] and ignored.difficult.tolist() == [False, True]
    assert ignored.bboxes.tolist() == [[9, 19, 30, 40], [0, 0, 9, 9]] and ignored.others == ("cat",)


def test_box_of_another_class_obeys_the_rules_too(write):
    with pytest.raises(UsageError, match="inverted box"):
        read_annotation(write(SIZE + voc_object("cat", (30, 20, 10, 40))), ("dog",), others="background")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (SIZE + voc_object("unicorn"), "unknown class 'unicorn'"),
        (SIZE + voc_object(corners=(30, 20, 10, 40)), "inverted box (30, 20, 10, 40)"),
        (SIZE + voc_object(corners=(10, 20, 130, 40)), "outside the 100x80 picture"),
        (SIZE + voc_object(corners=(-3, 20, 30, 40)), "outside the 100x80 picture"),
        (SIZE + voc_object(corners=(103, 20, 103, 40)), "outside the 100x80 picture"),
        (SIZE + voc_object(corners=("inf", 20, 30, 40)), "is not four numbers"),
        (SIZE + voc_object(corners=(30, 20, 29, 40)), "inverted box (30, 20, 29, 40)"),
        (SIZE + voc_object(parts=box(1, 2, 3, 4)), "object 1: 2 <bndbox>, an object has one"),
        (SIZE + voc_object(parts="<name>dog</name>"), "object 1: 2 <name>, an object has one"),
        (SIZE + voc_object(corners=("1</xmin><xmin>9", 20, 30, 40)), "object 1: 2 <xmin>, an object has one"),
        (f"{SIZE}<objects>{voc_object()}</objects>", "1 <object> not directly in <annotation>; move them there"),
        (SIZE + voc_object().replace("object>", "Object>"), "1 <object> not directly in <annotation>"),
        (SIZE + voc_object() + f"<o>{voc_object() * 2}</o>", "2 <object> not directly in <annotation>"),
        ("<size><width>100.5</width><height>80</height></size>", "no <size>"),
        (SIZE + voc_object(corners=("", 20, 30, 40)), "is not four numbers"),
        (SIZE + voc_object(corners=("nan", 20, 30, 40)), "is not four numbers"),
        (SIZE + voc_object(difficult="<difficult>maybe</difficult>"), "<difficult> is 'maybe'"),
        (SIZE + "<object><name>cat</name></object>", "is not four numbers"),
        (voc_object(), "no <size>"),
        ("<size><width>0</width><height>80</height></size>", "no <size>"),
        ("<size><width>inf</width><height>80</height></size>", "no <size>"),
        ("<object>", "malformed XML"),
    ],
)
def test_faulty_annotation_is_refused_with_file_and_fault(write, body, expected):
    path = write(body)
    with pytest.raises(UsageError) as caught:
        read_annotation(path)
    assert str(path) in str(caught.value)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["gb2312", "no-such-code"])
def test_undecodable_declared_encoding_is_malformed(write, encoding):
    with pytest.raises(UsageError, match="malformed XML"):
        read_annotation(write(SIZE, head=f'<?xml version="1.0" encoding="{encoding}"?>'))


def test_missing_annotation_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.xml: cannot read the annotation"):
        read_annotation(tmp_path / "nowhere.xml")


def test_inspection_lists_every_fault_and_keeps_the_sound_objects(write):
    body = voc_object("unicorn", corners=(30, 20, 10, 40)) + voc_object() + voc_object(corners=(1, 1, 900, 2))
    path, faults = write(SIZE + body), []
    annotation = read_annotation(path, report=faults.append)
    assert [fault.split(": ")[:2] for fault in faults] == [[str(path), f"object {k}"] for k in (1, 1, 3)]
    assert annotation.bboxes.tolist() == [[9, 19, 30, 40]]


def test_split_is_read_in_file_order_without_blank_lines(tmp_path):
    path = tmp_path / "VOC2007" / "ImageSets" / "Main" / "train.txt"
    path.parent.mkdir(parents=True)
    path.write_text("\ufeff000012\r\n000005 \r\n\r\n图片\r\n", encoding="utf-8")
    assert read_split(tmp_path, "VOC2007", "train") == ["000012", "000005", "图片"]


def test_missing_data_root_missing_split_and_empty_split_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no such data folder.*download-voc"):
        read_split(tmp_path / "nowhere", "VOC2007", "train")
    with pytest.raises(UsageError, match=r"train\.txt: cannot read the split"):
        read_split(tmp_path, "VOC2007", "train")
    path = tmp_path / "VOC2007" / "ImageSets" / "Main" / "train.txt"
    path.parent.mkdir(parents=True)
    path.write_text("\n \n")
    with pytest.raises(UsageError, match=r"train\.txt: the split is empty"):
        read_split(tmp_path, "VOC2007", "train")
    path.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(UsageError, match="not UTF-8 text"):
        read_split(tmp_path, "VOC2007", "train")


def test_annotations_lie_where_voc_puts_them(tmp_path):
    assert annotation_path(tmp_path, "VOC2012", "a") == tmp_path / "VOC2012" / "Annotations" / "a.xml"


@pytest.fixture
def pictures(tmp_path):
    """The folder of the pictures of VOC2007."""
    folder = tmp_path / "VOC2007" / "JPEGImages"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("name", ["a.jpg", "a.JPG", "a.jpeg", "a.Png", "a.webp", "a.bmp", "a.tif", "a.TIFF", "a.gif"])
def test_picture_is_found_by_its_stem(tmp_path, pictures, name):
    for other in (name, "a.b.jpg", "aa.jpg", "a.xml", "a.txt", "a"):
        (pictures / other).touch()
    assert image_path(tmp_path, "VOC2007", "a") == pictures / name
    assert image_path(tmp_path, "VOC2007", "a.b") == pictures / "a.b.jpg"


def test_two_pictures_of_one_stem_are_refused_by_name(tmp_path, pictures):
    for name in ("a.png", "a.JPG", "b.jpg"):
        (pictures / name).touch()
    with pytest.raises(UsageError, match=r"JPEGImages: a\.JPG and a\.png are pictures of one name; remove all but one"):
        image_path(tmp_path, "VOC2007", "a")
    assert image_path(tmp_path, "VOC2007", "b") == pictures / "b.jpg"


def test_missing_picture_is_named_with_the_suffixes_that_were_looked_for(tmp_path, pictures):
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError, match=r"JPEGImages/a\.jpg: no such image, nor one .*\.jpg, .*\.webp.*restore"):
            image_path(root, "VOC2007", "a")


def test_each_folder_of_pictures_is_listed_once(tmp_path, pictures, monkeypatch):
    (pictures / "more").mkdir()
    names = [f"{number:03}" for number in range(50)]
    for name in names:
        (pictures / f"{name}.jpg").touch()
        (pictures / "more" / f"{name}.png").touch()
    listed = []
    monkeypatch.setattr(
        voc.os, "listdir", lambda folder, list_folder=os.listdir: listed.append(folder) or list_folder(folder)
    )
    folder = PictureFolder(pictures)
    assert [folder.path(name) for name in names] == [pictures / f"{name}.jpg" for name in names]
    assert folder.path("more/007") == pictures / "more" / "007.png"
    assert len(listed) == 2


def test_split_is_written_with_a_slash():
    assert parse_split("VOC2007/train") == ("VOC2007", "train")
    for text in ("train", "VOC2007:train", "/train", "VOC2007/", 7):
        with pytest.raises(UsageError, match=r"is not of the form 'VOC2007/train', nor .*; write FOLDER/SPLIT"):
            parse_split(text)


def test_real_boxes_lie_within_their_pictures(voc_root):
    annotations = [
        read_annotation(annotation_path(voc_root, "VOC2007", name)) for name in read_split(voc_root, "VOC2007", "train")
    ]
    assert sum(len(annotation.labels) for annotation in annotations) > 0
    for annotation in annotations:
        x1, y1, x2, y2 = annotation.bboxes.T
        assert (x1 >= 0).all()
        assert (y1 >= 0).all()
        assert (x2 > x1).all()
        assert (y2 > y1).all()
        assert (x2 <= annotation.width).all()
        assert (y2 <= annotation.height).all()
