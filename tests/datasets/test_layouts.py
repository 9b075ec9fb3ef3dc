"""Facts about own pictures: the layout is found, the config follows, and the layout makes no difference."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets.three_layouts import CLASSES, WRITERS, as_coco, as_text, as_xml, draw, write_all

from yolo_plugins.config import load_config
from yolo_plugins.datasets.layouts import find_layout, use_data
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import DATASETS

BOTH = ["train_dataloader", "val_dataloader"]


@pytest.fixture(scope="module")
def layouts(tmp_path_factory) -> dict[str, Path]:
    return write_all(tmp_path_factory.mktemp("own"))


@pytest.fixture
def drawn(tmp_path):
    """Pictures in a folder, and what is on them."""
    (tmp_path / "drawn").mkdir()
    return tmp_path / "drawn", draw(tmp_path / "drawn")


def config_with(data, *, name="yolov5_n_demo", classes=None, loaders=BOTH, options=()):
    config = load_config(name, options)
    use_data(config, str(data), classes, loaders)
    return config


def build(config, loader, **changes):
    return DATASETS.build({**config[loader].dataset, **changes})


@pytest.mark.parametrize("name", WRITERS)
def test_layout_is_recognised_with_its_splits_and_classes(layouts, name):
    layout = find_layout(layouts[name])
    assert layout.dataset.lower() == f"{name}dataset"
    assert set(layout.splits) == {"train", "val"}
    assert layout.classes == CLASSES


def test_layout_makes_no_difference_to_boxes_samples_and_checksum(layouts):
    for loader in BOTH:
        voc, coco, yolo = (build(config_with(layouts[name]), loader) for name in ("voc", "coco", "yolo"))
        assert len(voc) > 3
        for other in (coco, yolo):
            assert other.checksum() == voc.checksum()
            assert len(other) == len(voc)
            for index in range(len(voc)):
                sample, expected = other[(1, 2, index)], voc[(1, 2, index)]
                assert torch.equal(sample["inputs"], expected["inputs"])
                ours, theirs = (item["data_samples"].gt_instances for item in (sample, expected))
                assert torch.equal(ours.bboxes, theirs.bboxes) and torch.equal(ours.labels, theirs.labels)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    "config_name", ["yolov5_n_voc", "yolov4_csp_coco", "rtmdet_tiny_voc", "retinanet_resnet18_voc"]
)
def test_every_config_takes_data_and_number_of_classes_and_keeps_the_rest(layouts, name, config_name):
    before = load_config(config_name)
    config = config_with(layouts[name], name=config_name, loaders=[*BOTH, "test_dataloader"])
    assert config.model.bbox_head.num_classes == 3
    for loader in (*BOTH, "test_dataloader"):
        dataset, earlier = config[loader].dataset, before[loader].dataset
        assert dataset.metainfo.classes == CLASSES
        changed = {"type", "data_root", "splits", "metainfo", "_scope_"}
        assert {k: v for k, v in dataset.items() if k not in changed} == {
            k: v for k, v in earlier.items() if k not in changed
        }
        assert {k: v for k, v in config[loader].items() if k != "dataset"} == {
            k: v for k, v in before[loader].items() if k != "dataset"
        }
    assert config.val_dataloader.dataset.splits == config.test_dataloader.dataset.splits
    assert config.val_evaluator == before.val_evaluator


def test_known_names_keep_the_order_of_the_config(layouts, tmp_path):
    own = f"train_dataloader.dataset.metainfo.classes={[*reversed(CLASSES)]}"
    config = config_with(layouts["yolo"], options=[own])
    assert config.train_dataloader.dataset.metainfo.classes == (*reversed(CLASSES),)
    assert config.val_dataloader.dataset.metainfo.classes == (*reversed(CLASSES),)


@pytest.mark.parametrize("name", WRITERS)
def test_chosen_classes_leave_the_others_as_background_unless_the_config_says_ignore(layouts, name):
    config = config_with(layouts[name], classes=["owl", "cat"])
    assert config.model.bbox_head.num_classes == 2
    everything = build(config_with(layouts[name]), "val_dataloader")
    kept = build(config, "val_dataloader")
    for record, full in zip(kept.data_list, everything.data_list, strict=True):
        wanted = full["ori_labels"] != CLASSES.index("dog")
        assert np.array_equal(record["ori_bboxes"], full["ori_bboxes"][wanted])
        names = [("owl", "cat")[label] for label in record["ori_labels"]]
        assert names == [CLASSES[label] for label in full["ori_labels"][wanted]]
    ignoring = config_with(
        layouts[name], classes=["owl", "cat"], options=["val_dataloader.dataset.others=ignore"]
    ).val_dataloader.dataset
    assert ignoring.others == "ignore"


def test_classes_alone_choose_from_those_of_the_config():
    config = load_config("yolov5_n_voc")
    use_data(config, None, ["dog", "cat"])
    assert config.train_dataloader.dataset.metainfo.classes == ("dog", "cat")
    assert config.train_dataloader.dataset.splits == ["VOC2007/train", "VOC2012/train"]
    assert config.model.bbox_head.num_classes == 2
    with pytest.raises(UsageError, match=r"--classes 'cta': no class of the config's data; did you mean 'cat'\?"):
        use_data(load_config("yolov5_n_voc"), None, ["cta"])


def test_unknown_class_is_refused_where_names_are_stated(layouts):
    for name in ("coco", "yolo"):
        with pytest.raises(UsageError, match=r"--classes 'dgo': no class of .*; did you mean 'dog'\?"):
            config_with(layouts[name], classes=["dgo", "cat"])
    assert config_with(layouts["voc"], classes=["cat", "zebra"]).model.bbox_head.num_classes == 2
    with pytest.raises(UsageError, match="no class of"):
        config_with(layouts["voc"], classes=["zebra"])


# --- recognition


def test_missing_path_and_folder_of_pictures_only_are_one_line(drawn, tmp_path):
    with pytest.raises(UsageError, match=r"nowhere: no such file or folder; give a YOLO data\.yaml, COCO"):
        find_layout(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"drawn: no annotated pictures found; looked for a YOLO data\.yaml, COCO"):
        find_layout(drawn[0])


def test_two_layouts_in_one_folder_are_told_and_each_can_be_named(layouts, tmp_path):
    root = shutil.copytree(layouts["yolo"], tmp_path / "both")
    shutil.copytree(layouts["coco"], root, dirs_exist_ok=True)
    with pytest.raises(UsageError, match=r"both: is in YOLO and in COCO layout at once; name the data\.yaml"):
        find_layout(root)
    assert find_layout(root / "data.yaml").name == "YOLO"
    (root / "other.yaml").write_text("names: [a]")
    with pytest.raises(UsageError, match=r"both: holds data\.yaml, other\.yaml; name the one"):
        find_layout(root)


def test_missing_split_is_told_only_where_it_is_needed(layouts, tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text(f"path: {layouts['yolo']}\ntrain: images/train\nnames: {[*CLASSES]}\n")
    assert config_with(path, loaders=["train_dataloader"]).val_dataloader.dataset.splits == []
    with pytest.raises(
        UsageError, match=r"one\.yaml: has no val or test split, which the val_dataloader takes; it has train"
    ):
        config_with(path)
    path.write_text(f"path: {layouts['yolo']}\ntrain: images/train\ntest: images/val\nnames: {[*CLASSES]}\n")
    assert config_with(path).val_dataloader.dataset.splits == ["test"]


def test_single_annotation_file_is_for_test_and_names_no_split(layouts, tmp_path):
    root = shutil.copytree(layouts["coco"] / "train2017", tmp_path / "one")
    content = (layouts["coco"] / "annotations" / "instances_train2017.json").read_text()
    (root / "labels.json").write_text(content)
    for path in (root, root / "labels.json"):
        config = config_with(path, loaders=["test_dataloader"])
        assert len(build(config, "test_dataloader")) == 6
        with pytest.raises(UsageError, match="has no val or test split"):
            config_with(path)


def test_fault_of_the_only_annotation_file_is_told(layouts, tmp_path):
    (tmp_path / "labels.json").write_text('{"images": [')
    with pytest.raises(UsageError, match=r"labels\.json: malformed JSON"):
        find_layout(tmp_path / "labels.json")
    root = shutil.copytree(layouts["voc"], tmp_path / "voc")
    for path in root.glob("VOC2007/Annotations/*.xml"):
        path.write_text("<annotation>")
    with pytest.raises(UsageError, match=r"train_00.\.xml: malformed XML"):
        find_layout(root)


def test_export_of_roboflow_in_each_format_is_read_alike(drawn, tmp_path):
    source, splits = drawn
    names = {"train": "train", "val": "valid"}
    for kind in ("voc", "coco", "yolo"):
        for split, pictures in splits.items():
            folder = tmp_path / kind / names[split] / ("images" if kind == "yolo" else "")
            folder.mkdir(parents=True)
            for picture in pictures:
                shutil.copy(source / picture.name, folder)
                if kind == "voc":
                    (folder / picture.name).with_suffix(".xml").write_text(as_xml(picture))
                if kind == "yolo":
                    labels = folder.parent / "labels"
                    labels.mkdir(exist_ok=True)
                    (labels / picture.name).with_suffix(".txt").write_text(as_text(picture))
            if kind == "coco":
                content = as_coco(pictures)
                for category in content["categories"]:
                    category["supercategory"] = "animals"
                content["categories"].insert(0, {"id": 0, "name": "animals", "supercategory": "none"})
                (folder / "_annotations.coco.json").write_text(json.dumps(content))
    (tmp_path / "yolo" / "data.yaml").write_text(
        f"train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 3\nnames: {[*CLASSES]}\n"
        "roboflow:\n  workspace: x\n"
    )
    sums = {build(config_with(tmp_path / kind), loader).checksum() for kind in WRITERS for loader in BOTH}
    assert len(sums) == 2
    assert {find_layout(tmp_path / kind).classes for kind in WRITERS} == {CLASSES}


def test_one_year_of_a_devkit_is_enough_from_any_folder(layouts, monkeypatch):
    monkeypatch.chdir(layouts["voc"] / "VOC2007")
    whole = build(config_with(".."), "train_dataloader").checksum()
    assert build(config_with("."), "train_dataloader").checksum() == whole
    monkeypatch.chdir("..")
    assert build(config_with("VOC2007"), "train_dataloader").checksum() == whole
