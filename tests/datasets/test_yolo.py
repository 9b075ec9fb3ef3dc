"""Facts about YOLO's layout: where pictures and labels are looked for, and what their lines mean."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from yolo_plugins.config import load_config
from yolo_plugins.datasets.layouts import find_layout, use_data
from yolo_plugins.datasets.yolo import LabelFiles, list_pictures, read_data_yaml, read_labels
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import DATASETS

NAMES = ("cat", "dog")


def put_picture(path, size=(80, 60)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (9, 99, 200)).save(path)
    return path


def put_yaml(folder, text, names="[cat, dog]"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.yaml").write_text(f"{text}\nnames: {names}\n")
    return read_data_yaml(folder / "data.yaml")


def read(folder, text, **rules):
    (folder / "a.txt").write_text(text)
    rules = {"classes": NAMES, **rules}
    return read_labels(folder / "a.txt", Path("a.jpg"), (200, 100), NAMES, **rules)


def names_of(data, split="train"):
    return sorted(path.name for path in list_pictures(data, split))


# --- data.yaml


@pytest.mark.parametrize(
    "names", ["[cat, dog]", "{0: cat, 1: dog}", "{1: dog, 0: cat}", "\n  0: cat\n  1: dog", "\n- cat\n- dog"]
)
def test_names_are_a_list_or_numbered(tmp_path, names):
    assert put_yaml(tmp_path, "train: images", names).names == NAMES


def test_whole_numbers_are_names_too(tmp_path):
    assert put_yaml(tmp_path, "train: images", "[7, 9]").names == ("7", "9")


def test_unknown_keys_and_programs_within_are_only_text(tmp_path):
    data = put_yaml(
        tmp_path, "train: images\ndownload: |\n  import os\n  os.system('touch ran')\nroboflow: {version: 3}"
    )
    assert data.names == NAMES and not (tmp_path / "ran").exists()


@pytest.mark.parametrize("path", ["", "path: .", "path: ../set", "path: {absolute}", "path: ../datasets/elsewhere"])
def test_folders_are_relative_to_path_and_else_to_the_file(tmp_path, path, monkeypatch):
    put_picture(tmp_path / "set" / "images" / "train" / "a.jpg")
    data = put_yaml(tmp_path / "set", f"{path.format(absolute=tmp_path / 'set')}\ntrain: images/train")
    monkeypatch.chdir(tmp_path)
    assert names_of(data) == ["a.jpg"]
    assert names_of(read_data_yaml("set/data.yaml")) == ["a.jpg"]


def test_yaml_of_coco128_finds_the_folder_beside_or_below(tmp_path):
    text = "path: {}\ntrain: images/train2017\nval: images/train2017\ntest:\n\n# Classes\n"
    put_picture(tmp_path / "datasets" / "coco128" / "images" / "train2017" / "000000000009.jpg")
    for folder, path in (
        ("yamls", "../datasets/coco128"),
        ("datasets", "coco128"),
        ("datasets/coco128", "../datasets/coco128"),
    ):
        data = put_yaml(tmp_path / folder, text.format(path), "\n  0: cat\n  1: dog")
        assert names_of(data) == names_of(data, "val") == ["000000000009.jpg"]
        assert set(data.splits) == {"train", "val"}


def test_split_is_a_folder_a_list_of_folders_or_text_files(tmp_path):
    for name in ("one/images/a.jpg", "two/images/b.PNG", "two/images/deep/er/c.jpeg"):
        put_picture(tmp_path / name)
    (tmp_path / "two" / "images" / "notes.md").touch()
    assert names_of(put_yaml(tmp_path, "train: [one/images, two]")) == ["a.jpg", "b.PNG", "c.jpeg"]
    (tmp_path / "train.txt").write_text(f"./one/images/a.jpg\n\n{tmp_path}/two/images/b.PNG\n")
    assert names_of(put_yaml(tmp_path, "train: train.txt")) == ["a.jpg", "b.PNG"]
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "t.txt").write_text("one/images/a.jpg\r\n")
    assert names_of(put_yaml(tmp_path, "train: [lists/t.txt, two/images/deep]")) == ["a.jpg", "c.jpeg"]


def test_links_are_followed_once(tmp_path):
    put_picture(tmp_path / "far" / "a.jpg")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "train").symlink_to(tmp_path / "far")
    (tmp_path / "far" / "again").symlink_to(tmp_path / "far")
    assert names_of(put_yaml(tmp_path, "train: images/train")) == ["a.jpg"]


# --- labels


def label_of(picture):
    return LabelFiles().path(picture)


def test_last_folder_images_becomes_labels(tmp_path):
    picture = put_picture(tmp_path / "images" / "x" / "images" / "train" / "a.b.jpg")
    assert label_of(picture) == tmp_path / "images" / "x" / "labels" / "train" / "a.b.txt"


def test_label_may_lie_beside_its_picture(tmp_path):
    picture = put_picture(tmp_path / "images" / "train" / "a.jpg")
    beside = picture.with_suffix(".txt")
    beside.touch()
    assert label_of(picture) == beside
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train" / "a.txt").touch()
    assert label_of(picture) == tmp_path / "labels" / "train" / "a.txt"
    plain = put_picture(tmp_path / "plain" / "b.jpg")
    assert label_of(plain) == tmp_path / "plain" / "b.txt"


def test_linked_picture_has_the_label_beside_the_link(tmp_path):
    put_picture(tmp_path / "far" / "images" / "z.jpg")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").symlink_to(tmp_path / "far" / "images" / "z.jpg")
    assert label_of(tmp_path / "images" / "a.jpg") == tmp_path / "labels" / "a.txt"


def test_line_is_class_centre_and_size(tmp_path):
    annotation = read(tmp_path, "1 0.5 0.5 0.2 0.4\n\n0.0 .25 .25 .5 .5\r\n")
    assert annotation.labels.tolist() == [1, 0]
    assert annotation.bboxes.tolist() == [[80, 30, 120, 70], [0, 0, 100, 50]]
    assert not annotation.difficult.any() and annotation.filename == "a.jpg"


def test_polygon_becomes_the_box_around_it(tmp_path):
    annotation = read(tmp_path, "1 .1 .2 .3 .1 .25 .6 .2 .4")
    np.testing.assert_allclose(annotation.bboxes, [[20, 10, 60, 60]])


def test_no_file_and_no_text_are_a_picture_without_objects(tmp_path):
    assert len(read(tmp_path, "\n").labels) == 0
    assert read_labels(tmp_path / "none.txt", Path("a.jpg"), (20, 10), NAMES, NAMES).bboxes.shape == (0, 4)


def test_rules_for_boxes_and_classes_are_those_of_all_layouts(tmp_path):
    assert read(tmp_path, "1 .5 .5 0 .2").without_area == 1
    assert read(tmp_path, "1 .1 .5 .209 .2").bboxes[0, 0] == 0  # nine tenths of a pixel over the border
    with pytest.raises(
        UsageError, match=r"line 1: box '1 \.1 \.5 \.3 \.2' is outside the 200x100 picture by more than a pixel"
    ):
        read(tmp_path, "1 .1 .5 .3 .2")
    assert read(tmp_path, "1 .1 .5 .3 .2", clip=True).bboxes[0, 0] == 0
    with pytest.raises(UsageError, match=r"line 2: unknown class 'cat'; name it in metainfo"):
        read(tmp_path, "1 .5 .5 .2 .2\n0 .5 .5 .2 .2", classes=("dog",))
    ignored = read(tmp_path, "1 .5 .5 .2 .2\n0 .5 .5 .2 .2", classes=("dog",), others="ignore")
    assert ignored.labels.tolist() == [0, -1] and ignored.difficult.tolist() == [False, True]
    assert ignored.others == ("cat",)


@pytest.mark.parametrize("cache_images", [True, False])
def test_pictures_of_every_suffix_and_turned_ones_are_trained_on(tmp_path, cache_images):
    for suffix in (".JPG", ".jpeg", ".PNG", ".bmp", ".webp", ".tif", ".gif", ".ppm", ".pgm"):
        put_picture(tmp_path / "images" / "train" / suffix[1:] / f"{suffix[1:]}{suffix}")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (80, 60)).save(tmp_path / "images" / "train" / "turned.jpg", exif=turned)
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train" / "turned.txt").write_text("0 .5 .5 1 1")
    put_yaml(tmp_path, "train: images/train\nval: images/train")
    config = load_config("yolov5_n_demo")
    use_data(config, tmp_path, None, ["train_dataloader", "val_dataloader"])
    dataset = DATASETS.build({**config.train_dataloader.dataset, "cache_images": cache_images})
    assert len(dataset) == 10
    (record,) = [record for record in dataset.data_list if "turned" in record["img_path"]]
    assert record["ori_shape"] == (80, 60) and record["ori_bboxes"].tolist() == [[0, 0, 60, 80]]
    assert all(dataset[(0, 0, index)]["inputs"].shape == (3, 160, 160) for index in range(10))


def test_folder_with_one_data_yaml_is_enough(tmp_path):
    put_picture(tmp_path / "images" / "a.jpg")
    put_yaml(tmp_path, "train: images")
    (tmp_path / "other.yml").write_text("services: {web: 1}\n")
    assert find_layout(tmp_path).data_root == os.fspath(tmp_path / "data.yaml")
