"""What the pictures of a data set show: the samples of a training, boxes where the objects are, every label counted."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from PIL import Image

from yolo_plugins.config import load_config
from yolo_plugins.datasets.contact_sheet import first_keys, read_objects, write_contact_sheet
from yolo_plugins.datasets.labels_overview import draw_labels
from yolo_plugins.datasets.transforms import Letterbox, PackEval
from yolo_plugins.datasets.voc_dataset import VOCDataset
from yolo_plugins.engine import YOLORunner
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import DATASETS


@pytest.fixture(scope="module")
def build(synthetic_voc):
    """The data set of a split of YOLOv5-n's config, on synthetic pictures."""
    config = load_config("yolov5_n_voc", [f"data_root={synthetic_voc}", "img_size=96"])
    return lambda split: DATASETS.build(config[f"{split}_dataloader"].dataset)


def test_the_samples_are_those_that_a_training_with_the_seed_sees_first(build, synthetic_voc):
    options = ["img_size=96", "train_dataloader.batch_size=5", "train_dataloader.num_workers=0"]
    loader = load_config("yolov5_n_voc", [f"data_root={synthetic_voc}", *options]).train_dataloader
    with DefaultScope.overwrite_default_scope("yolo_plugins"):
        seen = next(iter(YOLORunner.build_dataloader(loader, seed=3)))["inputs"]
    dataset = build("train")
    ours = torch.stack([dataset[key]["inputs"] for key in first_keys(dataset, 5, seed=3)])
    assert torch.equal(ours, seen)


def test_boxes_of_a_test_sample_are_in_the_pixels_of_the_letterboxed_picture(build, synthetic_voc):
    packed = build("test")
    letterboxed = VOCDataset(str(synthetic_voc), ["VOC2007/test"], 96, [Letterbox()], test_mode=True)
    difficult = 0
    for index in range(len(packed)):
        bboxes, labels, ignored = read_objects(packed[index])
        expected = letterboxed[index]
        np.testing.assert_allclose(bboxes[~ignored], expected["gt_bboxes"], atol=1)
        assert labels[~ignored].tolist() == expected["gt_bboxes_labels"].tolist()
        difficult += int(ignored.sum())
    assert difficult == sum(int(record["difficult"].sum()) for record in packed.data_list) > 0


def test_boxes_of_a_training_sample_are_those_that_the_network_gets(build):
    sample = build("train")[0]
    bboxes, labels, ignored = read_objects(sample)
    assert len(bboxes) == len(labels) == len(ignored) > 0
    assert not ignored.any()
    assert torch.equal(bboxes, sample["data_samples"].gt_instances.bboxes)
    assert bboxes.min() >= 0 and bboxes.max() <= 96


@pytest.mark.parametrize(("split", "num", "tiles"), [("train", 5, (3, 2)), ("test", 99, (3, 3))])
def test_the_sheet_has_a_tile_for_each_sample_or_for_all_there_are(build, tmp_path, split, num, tiles):
    for stem in ("first", "again"):
        write_contact_sheet(build(split), tmp_path / f"{stem}.png", num, seed=1)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    columns, rows = tiles
    with Image.open(tmp_path / "first.png") as sheet:
        assert sheet.size == (columns * 406 + 6, rows * 424 + 6)
    assert len(list(tmp_path.iterdir())) == 2


def test_pictures_of_unequal_shapes_have_room_on_one_sheet(synthetic_voc, tmp_path):
    pipeline = [Letterbox(), PackEval()]
    dataset = VOCDataset(str(synthetic_voc), ["VOC2007/test"], 96, pipeline, test_mode=True, rect_batch_size=1)
    assert len({dataset[index]["inputs"].shape for index in range(len(dataset))}) > 1
    write_contact_sheet(dataset, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (3 * 406 + 6, 3 * 424 + 6)


@pytest.mark.parametrize(("name", "num"), [("sheet.jpg", 4), ("sheet.png", 0)])
def test_what_cannot_be_drawn_is_refused(build, tmp_path, name, num):
    with pytest.raises(UsageError, match=r"give the name of a \.png file, and a number from 1 on"):
        write_contact_sheet(build("train"), tmp_path / name, num)
    assert not Path(tmp_path / name).exists()


def test_samples_that_the_pipeline_does_not_pack_are_refused(synthetic_voc, tmp_path):
    dataset = VOCDataset(str(synthetic_voc), ["VOC2007/test"], img_size=64, pipeline=[], test_mode=True)
    with pytest.raises(UsageError, match="the pipeline returns no `inputs`: let it end with PackTrain"):
        write_contact_sheet(dataset, tmp_path / "sheet.png")


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_overview_counts_every_object(build, split):
    dataset = build(split)
    objects = sum(len(record["gt_bboxes"]) for record in dataset.data_list)
    figure = draw_labels(dataset)
    classes, sizes, centres, pictures = figure.axes[:4]
    assert sum(bar.get_width() for bar in classes.patches) == objects
    assert sum(bar.get_height() for bar in pictures.patches) == len(dataset)
    for heat_map in (sizes, centres):
        assert heat_map.collections[0].get_array().sum() == objects
    difficult = sum(int(record["difficult"].sum()) for record in dataset.data_list) if split == "test" else 0
    assert f"{len(dataset)} pictures, {objects} objects" in figure.get_suptitle()
    assert ("difficult" in figure.get_suptitle()) == bool(difficult)


def test_the_overview_counts_an_object_that_all_classes_ignore_once(synthetic_voc):
    metainfo = {"classes": ("bird", "cat", "dog")}
    pipeline = [Letterbox(), PackEval()]
    given = dict(splits=["VOC2007/test"], img_size=96, pipeline=pipeline, test_mode=True, metainfo=metainfo)
    dataset = VOCDataset(str(synthetic_voc), **given, others="ignore")
    annotations = [picture.annotation for picture in dataset.read_pictures()]
    difficult = sum(int(annotation.difficult.sum()) for annotation in annotations)
    assert any(annotation.others for annotation in annotations)
    assert f"and {difficult} difficult ones" in draw_labels(dataset).get_suptitle()


def test_a_data_set_without_objects_has_an_overview(build):
    dataset = build("train")
    for record in dataset.data_list:
        record.update(gt_bboxes=np.zeros((0, 4), np.float32), gt_bboxes_labels=np.zeros(0, np.int64))
    assert "24 pictures, 0 objects" in draw_labels(dataset).get_suptitle()
