"""Facts about the COCO data set: what it reads, what it shares with VOC's, what it refuses; and about its configs."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.datasets import CocoDataset
from torch.utils.data import DataLoader

from yolo_plugins.config import input_hw, load_config
from yolo_plugins.datasets.annotation import Annotation
from yolo_plugins.datasets.coco import COCO_CLASSES, read_instances
from yolo_plugins.datasets.collate import collate_detection, collate_training
from yolo_plugins.datasets.detection_dataset import without_loading
from yolo_plugins.datasets.voc import VOC_CLASSES, annotation_path, image_path, read_annotation, read_split
from yolo_plugins.errors import UsageError
from yolo_plugins.registry import DATASETS

REPO = Path(__file__).resolve().parents[2]
S = 64
COCO_IDS = [number for number in range(1, 91) if number not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]
CATEGORIES = [{"id": number, "name": name} for number, name in zip(COCO_IDS, COCO_CLASSES, strict=True)]
TRAIN = [
    {"type": "MosaicAffine", "degrees": 5},
    {"type": "MixUp", "prob": 0.5},
    {"type": "HSVJitter"},
    {"type": "RandomFlip"},
    {"type": "PackTrain"},
]
EVAL = [{"type": "Letterbox"}, {"type": "PackEval"}]
CONFIGS = sorted(path.stem for path in (REPO / "configs").glob("*_coco.py"))


def renamed(name: str) -> str:
    """COCO's name of a class of the synthetic VOC."""
    return {"aeroplane": "airplane"}.get(name, name)


def box(image_id: int, category_id: int, xywh: list, crowd: int = 0) -> dict:
    """An object as an instances file has it."""
    outline = [[1.5, 2.5, 3.5, 4.5, 5.5, 6.5]]
    return dict(image_id=image_id, category_id=category_id, bbox=xywh, iscrowd=crowd, segmentation=outline)


def write_split(root: Path, split: str, content: dict) -> Path:
    path = root / "annotations" / f"instances_{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


SPLITS = {"train2017": ["VOC2007/train", "VOC2012/train"], "val2017": ["VOC2007/test"]}


@pytest.fixture(scope="module")
def coco(synthetic_voc, tmp_path_factory) -> Path:
    """The synthetic VOC as a COCO folder: its training pictures as train2017, those for test as val2017."""
    root = tmp_path_factory.mktemp("coco")
    for split, sources in SPLITS.items():
        images, boxes = [], []
        (root / split).mkdir()
        for source in sources:
            sub, _, voc_split = source.partition("/")
            for image_id in read_split(synthetic_voc, sub, voc_split):
                annotation = read_annotation(annotation_path(synthetic_voc, sub, image_id))
                name, number = f"{sub}_{image_id}.jpg", 1000 - len(images)
                shutil.copy(image_path(synthetic_voc, sub, image_id), root / split / name)
                images.append({"id": number, "file_name": name, "width": annotation.width, "height": annotation.height})
                boxes += [box(number, *found) for found in as_coco(annotation)]
        boxes.sort(key=lambda entry: entry["image_id"])  # not the order of the pictures
        write_split(root, split, {"images": images, "annotations": boxes, "categories": CATEGORIES})
    return root


def as_coco(annotation: Annotation) -> list[tuple]:
    """Category id, x, y, width, height, and crowd of each object of a VOC picture."""
    return [
        (COCO_IDS[COCO_CLASSES.index(renamed(VOC_CLASSES[label]))], [x1, y1, x2 - x1, y2 - y1], int(difficult))
        for (x1, y1, x2, y2), label, difficult in zip(
            annotation.bboxes.tolist(), annotation.labels, annotation.difficult, strict=True
        )
    ]


@pytest.fixture
def build(coco):
    def _build(**config):
        config = {"data_root": str(coco), "splits": ["train2017"], "img_size": S, "pipeline": TRAIN, **config}
        return DATASETS.build({"type": "COCODataset", **config})

    return _build


@pytest.fixture
def small(tmp_path) -> dict:
    """An instances file's content: two pictures, four boxes, in the order of no picture."""
    return {
        "images": [
            {"id": 7, "file_name": "a.jpg", "width": 100, "height": 80},
            {"id": 3, "file_name": "b.jpg", "width": 50, "height": 60},
            {"id": 5, "file_name": "c.jpg", "width": 50, "height": 60},
        ],
        "annotations": [
            box(3, 90, [10, 20, 30.5, 10.25]),
            box(7, 1, [-5, 70, 20, 20]),
            box(3, 13, [0, 0, 50, 60], crowd=1),
            box(7, 2, [296.65, 38.33, 1.03, 0.0]),
        ],
        "categories": [dict(entry) for entry in CATEGORIES],
    }


def test_classes_are_coco_s_in_coco_s_order():
    assert CocoDataset.METAINFO["classes"] == COCO_CLASSES


def test_boxes_become_corners_clipped_to_the_picture_and_crowds_difficult(small, tmp_path):
    annotations = read_instances(write_split(tmp_path, "x", small))
    assert list(annotations) == [7, 3, 5]
    assert [annotation.without_area for annotation in annotations.values()] == [1, 0, 0]
    assert (annotations[3].filename, annotations[3].width, annotations[3].height) == ("b.jpg", 50, 60)
    assert annotations[3].bboxes.tolist() == [[10, 20, 40.5, 30.25], [0, 0, 50, 60]]
    assert annotations[3].labels.tolist() == [79, 11] and annotations[3].difficult.tolist() == [False, True]
    assert annotations[7].bboxes.tolist() == [[0, 70, 15, 80]] and annotations[7].labels.tolist() == [0]
    assert annotations[5].bboxes.shape == (0, 4) and annotations[5].labels.shape == (0,)


def test_pictures_without_any_box_are_read(small, tmp_path):
    annotations = read_instances(write_split(tmp_path, "x", small | {"annotations": []}))
    assert [len(annotation.labels) for annotation in annotations.values()] == [0, 0, 0]


def as_voc(labels: torch.Tensor) -> list[int]:
    """VOC's labels instead of COCO's."""
    names = [renamed(name) for name in VOC_CLASSES]
    return [names.index(COCO_CLASSES[label]) for label in labels.tolist()]


@pytest.mark.parametrize("cache_images", [True, False])
def test_training_samples_are_those_of_the_same_data_in_voc_s_form(build, synthetic_voc, cache_images):
    voc = build(type="VOCDataset", data_root=str(synthetic_voc), splits=["VOC2007/train", "VOC2012/train"])
    ours = build(cache_images=cache_images)
    assert len(ours) == len(voc) == 24
    for key in [(0, 0, 0), (3, 1, 7), (3, 2, 23), -1]:
        sample, expected = ours[key], voc[key]
        assert torch.equal(sample["inputs"], expected["inputs"])
        truth, expected = (item["data_samples"].gt_instances for item in (sample, expected))
        assert len(expected) and torch.equal(truth.bboxes, expected.bboxes)
        assert as_voc(truth.labels) == expected.labels.tolist()


@pytest.mark.parametrize("cache_images", [True, False])
def test_evaluation_samples_are_those_of_the_same_data_in_voc_s_form(build, synthetic_voc, cache_images):
    test = {"pipeline": EVAL, "test_mode": True, "rect_batch_size": 3}
    voc = build(type="VOCDataset", data_root=str(synthetic_voc), splits=["VOC2007/test"], **test)
    ours = build(splits=["val2017"], cache_images=cache_images, **test)
    for sample, expected in zip(ours, voc, strict=True):
        assert torch.equal(sample["inputs"], expected["inputs"])
        sample, expected = sample["data_samples"], expected["data_samples"]
        assert Path(sample.img_path).stem.endswith(Path(expected.img_path).stem)
        for part in ("gt_instances", "ignored_instances"):
            assert torch.equal(sample.get(part).bboxes, expected.get(part).bboxes)
    assert sum(len(sample["data_samples"].ignored_instances) for sample in ours)


def test_pictures_of_several_splits_stand_in_the_order_of_their_names_and_ids_are_coco_s(build):
    dataset = build(splits=["val2017", "train2017"], pipeline=EVAL, test_mode=True, cache_images=False)
    assert len(dataset) == 32
    names = [Path(record["img_path"]).name for record in dataset.data_list]
    assert names == sorted(names) and {"VOC2007_000001.jpg", "VOC2012_2012_000001.jpg"} <= set(names)
    assert dataset[0]["data_samples"].img_id == 1000


def test_classes_may_be_the_user_s(small, tmp_path):
    categories = [{"id": 4, "name": "screw"}, {"id": 9, "name": "nut"}, {"id": 0, "name": "never used"}]
    for entry, number in zip(small["annotations"], [9, 4, 9, 4], strict=True):
        entry["category_id"] = number
    path = write_split(tmp_path, "x", small | {"categories": categories})
    assert read_instances(path, ("nut", "screw"))[7].labels.tolist() == [1]
    with pytest.raises(
        UsageError, match=r"instances_x\.json: unknown class 'nut', one of 3 categories \(name it in metainfo=.*others="
    ):
        read_instances(path)


def test_objects_of_other_classes_are_left_out_or_kept_to_be_ignored(small, tmp_path):
    path = write_split(tmp_path, "x", small)
    chosen = ("toothbrush", "person")
    background = read_instances(path, chosen, others="background")
    assert background[3].labels.tolist() == [0] and background[3].others == ("stop sign",)
    assert background[7].labels.tolist() == [1] and background[7].without_area == 0  # the bicycle has no area
    assert background[7].others == ("bicycle",)
    ignored = read_instances(path, chosen, others="ignore")
    assert ignored[3].labels.tolist() == [0, -1] and ignored[3].difficult.tolist() == [False, True]
    assert ignored[3].bboxes.tolist() == [[10, 20, 40.5, 30.25], [0, 0, 50, 60]]


@pytest.mark.parametrize(("written", "crowd"), [(0, False), ("0", False), (False, False), (1, True), ("1", True)])
def test_crowd_may_be_a_text_or_missing(small, tmp_path, written, crowd):
    small["annotations"][0]["iscrowd"] = written
    del small["annotations"][2]["iscrowd"]
    assert read_instances(write_split(tmp_path, "x", small))[3].difficult.tolist() == [crowd, False]


def test_byte_order_mark_is_no_part_of_the_text(small, tmp_path):
    path = write_split(tmp_path, "x", small)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert list(read_instances(path)) == [7, 3, 5]


def test_boxes_over_the_border_are_refused_without_clip(small, tmp_path):
    path = write_split(tmp_path, "x", small)
    with pytest.raises(UsageError) as caught:
        read_instances(path, clip=False)
    assert str(caught.value) == (
        f"{path}: annotations[1]: box [-5, 70, 20, 20] is outside the 100x80 picture by more than a pixel; "
        "correct it, or say in the data set clip=True; fix the file"
    )
    small["annotations"][1]["bbox"] = [-1, 61, 20, 20]
    del small["annotations"][3]
    assert read_instances(write_split(tmp_path, "x", small), clip=False)[7].bboxes.tolist() == [[0, 61, 19, 80]]


def test_pictures_are_read_only_with_and_without_a_cache(build):
    for cache_images in (True, False):
        img, bboxes, labels = build(cache_images=cache_images).load(0)
        assert max(img.shape[:2]) == S
        assert not any(array.flags.writeable for array in (img, bboxes, labels))


def test_pickled_dataset_yields_the_same_samples(build):
    dataset = build(cache_images=False)
    copy = pickle.loads(pickle.dumps(dataset))  # noqa: S301
    assert torch.equal(copy[(0, 1, 2)]["inputs"], dataset[(0, 1, 2)]["inputs"])


def without(part: str, key: str):
    def damage(content: dict) -> None:
        del content[part][1][key]

    return damage


def with_value(part: str, key: str, value: object):
    def damage(content: dict) -> None:
        content[part][1][key] = value

    return damage


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (
            lambda content: content.pop("annotations"),
            "has no list 'annotations'; give an instances file in COCO's format",
        ),
        (lambda content: content["images"].clear(), "lists no picture; fix the file"),
        (without("images", "file_name"), "images[1] has no 'file_name'; give an instances file in COCO's format"),
        (without("annotations", "bbox"), "annotations[1] has no 'bbox'; give an instances file in COCO's format"),
        (lambda content: content["annotations"].insert(0, None), "annotations[0] has no 'image_id'"),
        (with_value("images", "width", 0), "images[1] has a wrong 'width': 0; fix the file"),
        (with_value("images", "file_name", None), "images[1] has a wrong 'file_name': None"),
        (with_value("images", "id", 7), "images[1]: the id 7 is given twice; fix the file"),
        (with_value("annotations", "image_id", 99), "annotations[1] has an unknown 'image_id': 99; fix the file"),
        (with_value("annotations", "category_id", 12), "annotations[1] has an unknown 'category_id': 12"),
        (with_value("annotations", "bbox", [1, 2, 3]), "annotations[1] has a wrong 'bbox': [1, 2, 3]; fix the file"),
        (
            with_value("annotations", "bbox", [1, 2, 3, np.nan]),
            "annotations[1]: box [1, 2, 3, nan] is not four numbers",
        ),
        (with_value("annotations", "bbox", [1, 2, -3, 4]), "annotations[1]: inverted box [1, 2, -3, 4]; fix the file"),
        (with_value("annotations", "bbox", [1, 2, 3, -np.inf]), "annotations[1]: box [1, 2, 3, -inf] is not four"),
        (with_value("annotations", "bbox", ["1", "2", "3", "4"]), "annotations[1] has a wrong 'bbox': ['1', '2', '3'"),
        (with_value("annotations", "bbox", [True, 2, 3, 4]), "annotations[1] has a wrong 'bbox': [True, 2, 3, 4]"),
        (with_value("annotations", "bbox", [10**400, 2, 3, 4]), "annotations[1] has a wrong 'bbox': [1000"),
        (with_value("annotations", "bbox", None), "annotations[1] has a wrong 'bbox': None"),
        (with_value("annotations", "iscrowd", "yes"), "annotations[1] has a wrong 'iscrowd': 'yes'; fix the file"),
        (with_value("annotations", "iscrowd", [0]), "annotations[1] has a wrong 'iscrowd': [0]; fix the file"),
        (with_value("annotations", "image_id", [7]), "annotations[1] has a wrong 'image_id': [7]; fix the file"),
        (with_value("categories", "name", ["person"]), "categories[1] has a wrong 'name': ['person']; fix the file"),
        (with_value("images", "id", {}), "images[1] has a wrong 'id': {}; fix the file"),
        (with_value("images", "width", 50.5), "images[1] has a wrong 'width': 50.5; fix the file"),
        (with_value("images", "width", "50"), "images[1] has a wrong 'width': '50'; fix the file"),
        (with_value("images", "height", True), "images[1] has a wrong 'height': True; fix the file"),
        (with_value("images", "height", 10**30), "images[1] has a wrong 'height': 1000"),
        (with_value("annotations", "bbox", "1 2 3 4"), "annotations[1] has a wrong 'bbox': '1 2 3 4'"),
    ],
)
def test_faulty_file_is_refused_with_the_place_of_the_fault(small, tmp_path, damage, sentence):
    damage(small)
    path = write_split(tmp_path, "x", small)
    with pytest.raises(UsageError) as caught:
        read_instances(path)
    assert f"{path}: {sentence}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_malformed_files_are_named(small, tmp_path):
    with pytest.raises(
        UsageError, match=r"instances_y\.json: cannot read the annotations \(No such file.*correct splits"
    ):
        read_instances(tmp_path / "instances_y.json")
    path = write_split(tmp_path, "x", small)
    path.write_text(path.read_text()[:-9])
    with pytest.raises(UsageError, match=r"instances_x\.json: malformed JSON \(.*\); restore the file"):
        read_instances(path)
    path.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(UsageError, match=r"instances_x\.json: malformed JSON"):
        read_instances(path)
    path.write_text("[" * 100_000)
    with pytest.raises(UsageError, match=r"instances_x\.json: malformed JSON"):
        read_instances(path)
    path.write_text("[]")
    with pytest.raises(UsageError, match=r"instances_x\.json: has no list 'images'"):
        read_instances(path)


def test_missing_data_root_names_the_remedy(build, tmp_path):
    with pytest.raises(UsageError, match=r"nowhere: no such COCO folder; .*--cfg-options data_root=DIR"):
        build(data_root=str(tmp_path / "nowhere"))


@pytest.fixture
def faulty(coco, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(coco, tmp_path / "faulty"))


@pytest.mark.parametrize("cache_images", [True, False])
def test_missing_picture_is_named_before_anything_runs(build, faulty, cache_images):
    picture = sorted((faulty / "train2017").glob("*.jpg"))[3]
    picture.unlink()
    with pytest.raises(UsageError, match=rf"{picture.name}.*restore the file or take it off its split"):
        build(data_root=str(faulty), cache_images=cache_images)


def test_missing_folder_of_pictures_is_named(build, faulty):
    shutil.rmtree(faulty / "train2017")
    with pytest.raises(UsageError, match=r"train2017/.*\.jpg: no such image"):
        build(data_root=str(faulty), cache_images=False)


def test_faulty_picture_without_a_cache_is_named_when_it_is_needed(build, faulty):
    first, second = (faulty / "train2017" / f"VOC2007_00000{k}.jpg" for k in (1, 2))
    first.write_bytes(first.read_bytes()[:600])
    shutil.copy(faulty / "train2017" / "VOC2007_000003.jpg", second)
    dataset = build(data_root=str(faulty), cache_images=False)
    with pytest.raises(UsageError, match=rf"{first.name}: cannot decode the image"):
        dataset.load(0)
    with pytest.raises(
        UsageError, match=rf"{second.name}: the picture is \d+x\d+ but .*instances_train2017\.json says"
    ):
        dataset.load(1)


# --- configs

SIZES = {"yolov4_tiny": 416, "yolov4_csp": (512, 640), "yolov4_p5": 896, "yolov4_p6": 1280, "yolov4_p7": 1536}


@pytest.mark.parametrize("name", CONFIGS)
def test_config_states_the_release_s_sizes_and_coco_s_classes_and_scoring(name):
    config = load_config(name)
    sizes = SIZES.get(name.removesuffix("_coco"), 640)
    train, test = sizes if isinstance(sizes, tuple) else (sizes, sizes)
    assert (config.train_dataloader.dataset.img_size, input_hw(config)) == (train, (test, test))
    assert config.val_dataloader.dataset == config.test_dataloader.dataset
    assert config.model.bbox_head.num_classes == 80
    assert config.val_evaluator.mode == config.test_evaluator.mode == "coco101"
    assert config.train_dataloader.dataset.splits == ["train2017"]
    assert config.val_dataloader.dataset.splits == config.test_dataloader.dataset.splits == ["val2017"]


@pytest.mark.parametrize("name", CONFIGS)
def test_config_makes_batches(name, coco):
    config = load_config(name, [f"data_root={coco}", f"img_size={S}"])
    batches = []
    for loader, collate in ((config.train_dataloader, collate_training), (config.val_dataloader, collate_detection)):
        dataset = DATASETS.build(loader.dataset)
        assert len(dataset.metainfo["classes"]) == config.model.bbox_head.num_classes
        batches.append(next(iter(DataLoader(dataset, batch_size=4, collate_fn=collate))))
    assert all(batch["inputs"].shape == (4, 3, S, S) for batch in batches)
    assert len(batches[0]["data_samples"].rows)
    assert len(batches[1]["data_samples"]) == 4


def test_larger_models_of_yolov5_take_its_stronger_augmentation_and_its_gains():
    for name in CONFIGS:
        config = load_config(name)
        mosaic, *others = without_loading(config.train_dataloader.dataset.pipeline)
        large = name in {"yolov5_m_coco", "yolov5_l_coco", "yolov5_x_coco"}
        assert (mosaic.scale, [step.prob for step in others if step.type == "MixUp"]) == (
            (0.9, [0.1]) if large else (0.5, [])
        )
        assert mosaic.translate == (0.0 if name.startswith("yolov4") else 0.1)
        if name.startswith("yolov5"):
            loss = config.model.bbox_head.get("loss", {})
            weights = [loss.get(f"loss_{name}", {}).get("weight") for name in ("obj", "cls")]
            assert weights == ([0.7, 0.3] if large else [None, None])


# --- tools


def train(data_root: Path, work_dir: Path, *options: str) -> subprocess.CompletedProcess:
    """Two iterations and an evaluation of a narrow YOLOv5-n, as a user starts them."""
    tiny = ["img_size=64", "model.backbone.widen_factor=0.125", "model.neck.widen_factor=0.125"]
    loop = ["train_dataloader.batch_size=12", "train_cfg.max_epochs=1"]
    workers = [f"{loader}_dataloader.num_workers=0" for loader in ("train", "val")]
    command = [sys.executable, REPO / "tools" / "train.py", "yolov5_n_coco", "--work-dir", work_dir, "--cfg-options"]
    return subprocess.run(
        [*map(str, command), f"data_root={data_root}", *tiny, *loop, *workers, *options],
        cwd=work_dir.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_training_and_evaluation_run(coco, tmp_path):
    result = train(coco, tmp_path / "run")
    assert result.returncode == 0, result.stderr
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert (record["status"], record["schedule"], record["dataset_sizes"]) == (
        "complete",
        "linear",
        {"train": 24, "val": 8},
    )
    (epoch,) = record["epochs"]
    assert epoch["images"] == 24 and epoch["losses"]["cls"] > 0
    assert 0 <= epoch["scores"]["ap50_95"] <= epoch["scores"]["ap50"] <= 1


def test_corrupt_picture_stops_training_with_one_line_from_a_worker(faulty, tmp_path):
    for picture in (faulty / "train2017").glob("*.jpg"):
        picture.write_bytes(picture.read_bytes()[:600])
    result = train(faulty, tmp_path / "run", "train_dataloader.num_workers=1")
    assert result.returncode == 1 and "Traceback" not in result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert ".jpg: cannot decode the image" in line
