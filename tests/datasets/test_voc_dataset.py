"""Facts about the VOC data set: its keys, its determinism, what it refuses."""

import pickle
import random
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from yolo_plugins.datasets import detection_dataset
from yolo_plugins.datasets.collate import collate_training
from yolo_plugins.datasets.samplers import SeededSampler
from yolo_plugins.datasets.voc_dataset import VOCDataset
from yolo_plugins.errors import UsageError
from yolo_plugins.evaluation.detection_metric import DetectionMetric
from yolo_plugins.registry import DATASETS
from yolo_plugins.structures import TrainingSamples, stack_targets

S = 64
SHAPES_HW = [(48, 96), (96, 48), (80, 80), (60, 96), (96, 72), (40, 96)]
TRAIN = [
    {"type": "MosaicAffine", "degrees": 5},
    {"type": "MixUp", "prob": 0.5},
    {"type": "HSVJitter"},
    {"type": "RandomFlip"},
    {"type": "PackTrain"},
]
EVAL = [{"type": "Letterbox"}, {"type": "PackEval"}]


def xml(h, w, objects):
    body = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{box[0]}</xmin>"
        f"<ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"
        for name, difficult, box in objects
    )
    return f"<annotation><size><width>{w}</width><height>{h}</height></size>{body}</annotation>"


@pytest.fixture
def voc(tmp_path):
    """Six noise pictures in VOC2007/train; each holds a cat and a difficult dog, the last one nothing."""
    root = tmp_path / "VOCdevkit"
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / "VOC2007" / folder).mkdir(parents=True)
    rng = np.random.default_rng(1)
    for number, (h, w) in enumerate(SHAPES_HW):
        Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)).save(root / f"VOC2007/JPEGImages/{number}.jpg")
        objects = [("cat", 0, (11, 9, 40, 36)), ("dog", 1, (1, 1, w, h))] if number < 5 else []
        (root / f"VOC2007/Annotations/{number}.xml").write_text(xml(h, w, objects))
    (root / "VOC2007/ImageSets/Main/train.txt").write_text("0\n1\n2\n3\n4\n5\n")
    return root


@pytest.fixture
def build(voc, tmp_path):
    def _build(**config):
        config = {"splits": ["VOC2007/train"], "img_size": S, "pipeline": TRAIN, **config}
        return DATASETS.build({"type": "VOCDataset", "data_root": str(voc), "cache_dir": str(tmp_path / "c"), **config})

    return _build


def rows_of(sample):
    """(n, 6) rows of a sample or of a batch."""
    samples = sample["data_samples"]
    return stack_targets(samples if isinstance(samples, TrainingSamples) else [samples])


def equal(a, b):
    return torch.equal(a["inputs"], b["inputs"]) and torch.equal(rows_of(a), rows_of(b))


def test_train_sample_is_a_uint8_picture_and_its_objects(build):
    dataset = build()
    assert len(dataset) == 6
    sample = dataset[(0, 0, 1)]
    assert sample["inputs"].shape == (3, S, S) and sample["inputs"].dtype == torch.uint8
    truth = sample["data_samples"].gt_instances
    assert truth.bboxes.shape[1] == 4 and truth.bboxes.dtype == torch.float32
    assert set(truth.labels.tolist()) <= {7}  # cats; the difficult dogs are not trained on
    assert sample["data_samples"].img_path.endswith("1.jpg") and sample["data_samples"].img_shape == (S, S)


def test_sample_depends_on_seed_epoch_and_index_only(build):
    dataset = build()
    assert equal(dataset[(1, 2, 3)], dataset[(1, 2, 3)])
    assert equal(dataset[3], dataset[(0, 0, 3)]) and equal(dataset[-1], dataset[5])
    assert not any(equal(dataset[(1, 2, 3)], dataset[key]) for key in [(2, 2, 3), (1, 3, 3), (1, 2, 4)])
    assert equal(build()[(1, 2, 3)], dataset[(1, 2, 3)])
    with pytest.raises(IndexError):
        dataset[6]


def test_batches_are_the_same_for_any_number_of_workers(build):
    dataset = build()
    runs = []
    for workers in (0, 1, 2):
        sampler = SeededSampler(dataset, seed=4)
        sampler.set_epoch(2)
        runs.append(list(DataLoader(dataset, 2, sampler=sampler, num_workers=workers, collate_fn=collate_training)))
    for other in runs[1:]:
        assert len(other) == 3 and all(equal(a, b) for a, b in zip(runs[0], other, strict=True))


def test_pickled_dataset_yields_the_same_samples(build):
    dataset = build()
    data = pickle.dumps(dataset)
    assert len(data) < 20_000  # no pixels
    assert equal(pickle.loads(data)[(0, 1, 2)], dataset[(0, 1, 2)])  # noqa: S301


def test_borrowed_transforms_draw_repeatably_from_the_global_generators(build):
    dataset = build(pipeline=[lambda results: (random.random(), np.random.rand(), results["rng"].random())])
    assert dataset[(0, 0, 1)] == dataset[(0, 0, 1)]
    assert len(set(dataset[(0, 0, 1)])) == 3
    assert not set(dataset[(0, 0, 1)]) & set(dataset[(0, 1, 1)])


def test_evaluation_leaves_the_global_generators_alone(build):
    dataset = build(pipeline=EVAL, test_mode=True)
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()
    dataset[0]
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_borrowed_mmdet_transform_runs_in_the_pipeline(build):
    borrowed = [TRAIN[0], {"type": "mmdet.YOLOXHSVRandomAug"}, {"type": "mmdet.PhotoMetricDistortion"}, TRAIN[-1]]
    dataset = build(pipeline=borrowed)
    assert equal(dataset[(0, 0, 1)], dataset[(0, 0, 1)])


def test_load_gives_the_cached_picture_with_boxes_in_its_pixels(build):
    img, bboxes, labels = build().load(0)  # 48 x 96 scaled to 32 x 64
    assert img.shape == (32, 64, 3) and not img.flags.writeable
    np.testing.assert_allclose(bboxes, np.array([[10, 8, 40, 36]]) * 2 / 3, rtol=1e-6)
    assert labels.tolist() == [7]
    assert build().load(5)[1].shape == (0, 4)


def test_eval_sample_has_ground_truth_in_original_pixels(build):
    sample = build(pipeline=EVAL, test_mode=True)[1]
    meta = sample["data_samples"]
    assert sample["inputs"].shape == (3, S, S)
    assert meta.img_id == "VOC2007/1" and meta.img_path.endswith("JPEGImages/1.jpg")
    assert meta.ori_shape == (96, 48) and meta.img_shape == (S, S)
    assert meta.scale_factor == pytest.approx((2 / 3, 2 / 3)) and meta.pad_param == (0, 0, 16, 16)
    assert meta.gt_instances.bboxes.tolist() == [[10, 8, 40, 36]] and meta.gt_instances.labels.tolist() == [7]
    assert meta.ignored_instances.bboxes.tolist() == [[0, 0, 48, 96]] and meta.ignored_instances.labels.tolist() == [11]


def test_rectangles_have_one_shape_a_batch_and_hold_every_picture_once(build):
    dataset = build(pipeline=EVAL, test_mode=True, rect_batch_size=2)
    shapes = [tuple(dataset[i]["inputs"].shape[1:]) for i in range(6)]
    assert shapes[0::2] == shapes[1::2]
    assert shapes[0] == (64, 96)  # two flat pictures; ceil(64 * 0.5 / 32 + 0.5) = 2, ceil(64 / 32 + 0.5) = 3
    assert sorted(dataset[i]["data_samples"].img_id for i in range(6)) == [f"VOC2007/{i}" for i in range(6)]


def test_an_input_need_not_be_square(build):
    train, test = build(img_size=[64, 128]), build(img_size=(64, 128), pipeline=EVAL, test_mode=True)
    assert train.img_size == test.img_size == (64, 128)
    assert [dataset[0]["inputs"].shape for dataset in (train, test)] == [(3, 64, 128)] * 2
    assert [train.load(i)[0].shape[:2] for i in range(3)] == [(64, 128), (64, 32), (64, 64)]
    known = test[1]["data_samples"]
    assert (known.scale_factor, known.pad_param) == ((2 / 3, 2 / 3), (0, 0, 48, 48))
    back = (train.load(0)[1] * 96 / 128).tolist()
    np.testing.assert_allclose(back, [[10, 8, 40, 36]], rtol=1e-6)


@pytest.mark.parametrize("cache_images", [True, False])
def test_rectangles_stay_within_an_input_that_is_not_square(build, cache_images):
    options = {"pipeline": EVAL, "test_mode": True, "rect_batch_size": 2, "cache_images": cache_images}
    dataset = build(img_size=(64, 128), **options)
    shapes = [tuple(dataset[i]["inputs"].shape[1:]) for i in range(6)]
    # 48 x 96 fills both sides, 60 x 96 the height and is 102 wide, 96 x 72 is 48 wide; up to 32s, with half a cell more
    assert shapes == [(96, 160)] * 2 + [(96, 128)] * 2 + [(96, 64)] * 2


@pytest.mark.parametrize("img_size", [0, -64, 64.0, "64", (64,), (64, 0), (64, 64, 3), (64, 64.5), True])
def test_a_size_that_is_none_is_named(build, img_size):
    with pytest.raises(UsageError, match=r"img_size=.* is neither a number of pixels nor a height and a width: give"):
        build(img_size=img_size)


def test_indices_keep_a_part(build):
    dataset = build(pipeline=EVAL, test_mode=True, indices=2)
    assert [dataset[i]["data_samples"].img_id for i in range(len(dataset))] == ["VOC2007/0", "VOC2007/1"]


def test_pictures_of_several_splits_stand_in_the_order_of_their_names(build, voc):
    lists = voc / "VOC2007/ImageSets/Main"
    names = (lists / "train.txt").read_text().split()
    (lists / "val.txt").write_text("4\n")
    (lists / "train.txt").write_text("\n".join(name for name in reversed(names) if name != "4"))
    dataset = build(splits=["VOC2007/val", "VOC2007/train"], pipeline=EVAL, test_mode=True)
    assert [record["img_id"] for record in dataset.data_list] == [f"VOC2007/{name}" for name in sorted(names)]


def test_picture_that_is_listed_twice_is_refused(build):
    with pytest.raises(UsageError, match=r"\.jpg: the picture is listed twice in VOCDataset .*; list it once"):
        build(splits=["VOC2007/train", "VOC2007/train"])


def test_classes_may_be_the_user_s(build, voc):
    dataset = build(metainfo={"classes": ("dog", "cat")})
    assert dataset.metainfo["classes"] == ("dog", "cat") and dataset.get_cat_ids(0) == [1]
    with pytest.raises(UsageError, match=r"0\.xml.*'dog'"):
        build(metainfo={"classes": ("cat",)})


def test_a_subset_of_the_classes_is_trained_on_with_the_others_as_background(build):
    dataset = build(metainfo={"classes": ("dog",)}, others="background", pipeline=EVAL, test_mode=True)
    truth = dataset[0]["data_samples"]
    assert len(truth.gt_instances) == 0 and truth.ignored_instances.labels.tolist() == [0]  # the difficult dog
    assert len(dataset) == 6  # pictures without a dog stay in


@pytest.mark.parametrize("classes", [("dog",), ("cow", "dog")])
@pytest.mark.parametrize("mode", ["area", "coco101"])
def test_a_detection_on_an_ignored_object_counts_neither_way_for_any_class(build, voc, classes, mode):
    """Found are the box of the cat, first, and that of the object itself."""
    boxes = {"cat": (11, 9, 40, 36), "cow": (60, 9, 90, 20), "dog": (60, 21, 90, 36)}
    (voc / "VOC2007/ImageSets/Main/train.txt").write_text("0\n")
    (voc / "VOC2007/Annotations/0.xml").write_text(xml(48, 96, [(name, 0, boxes[name]) for name in ("cat", *classes)]))
    found = {
        "labels": torch.arange(len(classes)).repeat(2),
        "bboxes": torch.tensor([boxes[name] for name in ["cat"] * len(classes) + list(classes)])
        - torch.tensor([1, 1, 0, 0]),
        "scores": torch.tensor([0.9] * len(classes) + [0.8] * len(classes)),
    }
    scores = {}
    for others in ("background", "ignore"):
        dataset = build(metainfo={"classes": classes}, others=others, pipeline=EVAL, test_mode=True)
        metric = DetectionMetric(mode=mode)
        metric.dataset_meta = dataset.metainfo
        metric.process({}, [{**dataset[0]["data_samples"].to_dict(), "pred_instances": found}])
        scores[others] = metric.evaluate(1)["ap50"]
    assert scores == {"background": pytest.approx(0.5, abs=0.01), "ignore": 1.0}


def test_training_leaves_out_objects_of_other_classes_either_way(build):
    for others in ("background", "ignore"):
        dataset = build(metainfo={"classes": ("cat",)}, others=others)
        assert len(dataset) == 6 and [dataset.get_cat_ids(index) for index in range(6)] == [[0]] * 5 + [[]]
        assert [entry["bbox_label"] for entry in dataset.get_data_info(0)["instances"]] == [0]
    assert equal(dataset[(0, 0, 1)], build(metainfo={"classes": ("cat",)}, others="background")[(0, 0, 1)])


def test_training_on_classes_that_no_object_has_is_refused(build):
    with pytest.raises(
        UsageError, match=r"VOC2007/train: no object of Cat, Dog \(left out 10 .*\(cat 5, dog 5\)\); correct"
    ):
        build(metainfo={"classes": ("Cat", "Dog")}, others="background")
    assert len(build(metainfo={"classes": ("Cat",)}, others="background", pipeline=EVAL, test_mode=True)) == 6


def test_what_is_left_out_is_logged(build, voc, monkeypatch):
    told = []
    monkeypatch.setattr(detection_dataset.MMLogger.get_current_instance(), "info", told.append)
    path = voc / "VOC2007/Annotations/0.xml"
    path.write_text(path.read_text().replace("<xmin>11</xmin>", "<xmin>0</xmin>").replace("<xmax>40<", "<xmax>0<"))
    build(metainfo={"classes": ("cat",)}, others="background")
    words = "left out 1 boxes without area; left out 5 objects of other classes (dog 5)"
    assert told == [f"VOCDataset VOC2007/train: {words}"]


def test_boxes_over_the_border_are_clipped_on_request_only(build, voc):
    path = voc / "VOC2007/Annotations/0.xml"
    path.write_text(path.read_text().replace("<xmin>11<", "<xmin>-11<"))
    with pytest.raises(UsageError, match=r"0\.xml: object 1: box \(-11, 9, 40, 36\) is outside .*clip=True"):
        build()
    assert build(clip=True, pipeline=EVAL, test_mode=True)[0]["data_samples"].gt_instances.bboxes[0, 0] == 0


def test_no_picture_is_refused(build):
    for config in ({"splits": []}, {"indices": 0}, {"indices": []}):
        with pytest.raises(UsageError, match=r"VOCDataset.*: no picture; give splits that list some"):
            build(**config)


def test_classes_that_are_one_text_are_refused(build):
    with pytest.raises(UsageError, match=r"metainfo\.classes='cat' is no list of different names"):
        build(metainfo={"classes": ("cat")})


@pytest.mark.parametrize("suffix", ["png", "JPEG", "webp"])
def test_pictures_of_any_suffix_are_read_by_any_number_of_workers(build, voc, suffix):
    before = build()[(0, 0, 1)]
    for path in (voc / "VOC2007/JPEGImages").iterdir():
        with Image.open(path) as image:
            options = {"webp": {"lossless": True}, "JPEG": {"quality": 100}}.get(suffix, {})
            image.save(path.with_suffix(f".{suffix}"), **options)
        path.unlink()
    dataset = build()
    assert equal(dataset[(0, 0, 1)], before) or suffix == "JPEG"
    sampler = SeededSampler(dataset, seed=4)
    batches = [
        list(DataLoader(dataset, 3, sampler=sampler, num_workers=n, collate_fn=collate_training)) for n in (0, 1)
    ]
    assert all(equal(one, other) for one, other in zip(*batches, strict=True))


def test_two_pictures_of_one_stem_are_refused(build, voc):
    (voc / "VOC2007/JPEGImages/3.png").touch()
    with pytest.raises(UsageError, match=r"JPEGImages: 3\.jpg and 3\.png are pictures of one name"):
        build()


def test_missing_data_root_names_the_remedies(build, tmp_path):
    with pytest.raises(UsageError, match=r"nowhere.*yolo-plugins download-voc.*--cfg-options data_root=DIR"):
        build(data_root=str(tmp_path / "nowhere"))


def test_missing_split_is_named(build):
    with pytest.raises(UsageError, match=r"VOC2012.*train\.txt"):
        build(splits=["VOC2012/train"])


def test_split_without_a_folder_is_refused(build):
    with pytest.raises(UsageError, match="'train' is not of the form"):
        build(splits=["train"])


def test_picture_of_another_size_than_its_annotation_names_both(build, voc):
    path = voc / "VOC2007/Annotations/2.xml"
    path.write_text(path.read_text().replace("<width>80<", "<width>90<"))
    with pytest.raises(UsageError, match=r"2\.jpg: the picture is 80x80 but .*2\.xml says 90x80"):
        build()


def test_corrupt_picture_is_named(build, voc):
    path = voc / "VOC2007/JPEGImages/3.jpg"
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(UsageError, match=r"3\.jpg"):
        build()


def test_failing_transform_raises_instead_of_taking_another_picture(build):
    dataset = build(pipeline=[lambda results: None])
    with pytest.raises(UsageError, match=r"2\.jpg: the pipeline returned no sample"):
        dataset[2]


def test_registry_error_keeps_the_sentence_of_the_usage_error(build):
    with pytest.raises(UsageError) as caught:
        build(splits=["train"])
    assert str(caught.value).splitlines()[-1].endswith("write FOLDER/SPLIT")


def test_real_pictures_train_and_evaluate(voc_root, tmp_path):
    config = {"data_root": str(voc_root), "img_size": 320, "cache_dir": str(tmp_path), "indices": 16}
    train = VOCDataset(splits=["VOC2012/train"], pipeline=TRAIN, **config)
    samples = [train[(0, 0, i)] for i in range(16)]
    rows = torch.cat([rows_of(sample)[:, 1:] for sample in samples])
    assert len(rows) > 16
    assert (rows[:, 1:] >= 0).all() and (rows[:, 1:] <= 320).all()
    assert ((rows[:, 3:] - rows[:, 1:3]) > 2).all()
    test = VOCDataset(splits=["VOC2012/train"], pipeline=EVAL, test_mode=True, **config)
    assert all(len(test[i]["data_samples"].gt_instances) for i in range(16))


def test_shares_of_the_pictures_lie_within_each_other_and_are_not_the_first_names(build):
    shares = [[record["img_id"] for record in build(share=share).data_list] for share in (0.01, 0.34, 0.5, 1.0)]
    assert [*map(len, shares)] == [1, 2, 3, 6]
    assert all(set(small) <= set(large) for small, large in pairwise(shares))
    assert all(share == sorted(share) for share in shares)
    assert shares[2] != shares[3][:3]
