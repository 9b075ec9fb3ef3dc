"""The folder of a reader of the pages: what their commands name, but small.

A config of the folder goes before that of the package, so `yolov5_n_voc` trains here for an epoch on a few pictures.
"""

import copy
import json
import re
import shutil
from pathlib import Path

from inference.tiny_pictures import add_video
from official_files import coco_weights
from PIL import Image

from yolo_plugins.datasets.coco import COCO_CLASSES
from yolo_plugins.datasets.synthetic_voc import make_synthetic_voc
from yolo_plugins.datasets.voc import VOC_CLASSES, annotation_path, image_path, read_annotation, read_split
from yolo_plugins.protocol import sha256_of
from yolo_plugins.record import write_record

REPO = Path(__file__).resolve().parents[2]
EPOCHS = (10, 30, 200)  # after which the pages take a checkpoint
_LEAF = """
_base_ = {base!r}
data_root = {data!r}
img_size = {size}
train_cfg = dict(max_epochs=1)
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False)
val_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False)
test_dataloader = val_dataloader
"""
_SIZES = {"retinanet_resnet18_voc": 128}  # its largest stride; those of the others divide 64


def make_folder(folder: Path, configs: set[str]) -> None:
    """Fills a folder with pictures, weights and configs; runs are those of `add_runs`.

    Args:
        folder: To be made.
        configs: Names of the package's configs that are wanted small.
    """
    folder.mkdir()
    (folder / "configs").symlink_to(".")
    for name in ("docs", "tools", "requirements"):
        (folder / name).symlink_to(REPO / name)
    _write_configs(folder, configs)
    _write_data(folder)
    for letter, size in (("n", "yolov5_n_coco"), ("s", "yolov5_s_coco")):
        coco_weights(folder / f"yolov5{letter}.pt", size)
    add_video(folder / "clip.mp4")


def _write_configs(folder: Path, configs: set[str]) -> None:
    leaves = [path for path in (REPO / "configs").glob("*.py") if path.stem in configs]
    for path in leaves:
        data = "data/coco" if path.stem.endswith("_coco") else "data/VOCdevkit"
        text = _LEAF.format(base=str(path), data=data, size=_SIZES.get(path.stem, 64))
        if path.stem.startswith("study_"):
            text = "runs = dict(yolov5_n_voc=[0])\noptions = []\n"
        (folder / path.name).write_text(text)
    (screws,) = re.findall(r'^```python\n("""YOLOv5-s on pictures of screws.*?)^```', _page("data.md"), re.S | re.M)
    (folder / "yolov5_s_screws.py").write_text(screws)
    for name in ("CONFIG", "own"):
        (folder / f"{name}.py").write_text('_base_ = "yolov5_n_voc.py"\n')


def _page(name: str) -> str:
    return (REPO / "docs" / name).read_text(encoding="utf-8")


def _write_data(folder: Path) -> None:
    data = folder / "data"
    voc = data / "synthetic"
    make_synthetic_voc(voc, train=12, test=4, seed=0)
    (data / "VOCdevkit").symlink_to("synthetic")
    (data / "voc_animals").mkdir()
    (data / "voc_animals" / "VOCdevkit").symlink_to("../synthetic")
    _write_screws(voc, data / "screws")
    (folder / "pictures").symlink_to("data/screws")
    (folder / "new_pictures").symlink_to("data/screws/val/images")
    for split, year, names in (("train2017", "VOC2012", "train"), ("val2017", "VOC2007", "test")):
        _write_coco(voc, year, names, data / "coco", split)


def _write_screws(voc: Path, screws: Path) -> None:
    """Pictures of two classes in YOLO's layout."""
    for split, year, names in (("train", "VOC2012", "train"), ("val", "VOC2007", "test")):
        for kind in ("images", "labels"):
            (screws / split / kind).mkdir(parents=True)
        for name in read_split(voc, year, names):
            shutil.copy(image_path(voc, year, name), screws / split / "images")
            truth = read_annotation(annotation_path(voc, year, name), VOC_CLASSES)
            with (screws / split / "labels" / f"{name}.txt").open("w") as file:
                for (x1, y1, x2, y2), label in zip(truth.bboxes.tolist(), (truth.labels % 2).tolist(), strict=True):
                    box = (x1 + x2) / truth.width / 2, (y1 + y2) / truth.height / 2
                    print(label, *box, (x2 - x1) / truth.width, (y2 - y1) / truth.height, file=file)
    (screws / "data.yaml").write_text("train: train/images\nval: val/images\nnames: [screw, nut]\n")


def _write_coco(voc: Path, year: str, names: str, coco: Path, split: str) -> None:
    images, objects = [], []
    for number, name in enumerate(read_split(voc, year, names), 1):
        target = coco / split / f"{number:012d}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image_path(voc, year, name), target)
        with Image.open(target) as picture:
            images.append(dict(id=number, file_name=target.name, width=picture.width, height=picture.height))
        truth = read_annotation(annotation_path(voc, year, name), VOC_CLASSES)
        for (x1, y1, x2, y2), label in zip(truth.bboxes.tolist(), truth.labels.tolist(), strict=True):
            box = dict(bbox=[x1, y1, x2 - x1, y2 - y1], area=(x2 - x1) * (y2 - y1), iscrowd=0)
            objects.append(dict(id=len(objects), image_id=number, category_id=1 + label, **box))
    categories = [dict(id=number, name=name) for number, name in enumerate(COCO_CLASSES, 1)]
    path = coco / "annotations" / f"instances_{split}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(dict(images=images, annotations=objects, categories=categories)))


def add_checkpoints(folder: Path) -> None:
    """What a training of an epoch left, under the names that it would have after more of them."""
    for last in folder.glob("work_dirs/*/epoch_1.pth"):
        for epoch in EPOCHS:
            shutil.copy(last, last.with_name(f"epoch_{epoch}.pth"))


def add_runs(folder: Path) -> None:
    """From a training of yolov5_n_voc: checkpoints of other names, records of studies, and a study that is not done."""
    run = folder / "work_dirs" / "yolov5_n_voc"
    add_checkpoints(folder)
    for name in ("CHECKPOINT", "CHECKPOINT_A", "CHECKPOINT_B"):
        shutil.copy(run / "epoch_1.pth", folder / name)
    record = json.loads((run / "record.json").read_text())
    for study in ("study", "study_voc"):
        for number in range(6):
            _write_record(folder / "work_dirs" / study / f"{number}_seed0", _model(record, study, number))
        half = _model(record, study, 6) | {"status": "interrupted"}
        _write_record(folder / "work_dirs" / study / "half_seed0", half | {"epochs": half["epochs"][:2]})
    for number, pictures in enumerate((40, 80, 160, 320)):
        _write_record(folder / "work_dirs" / "subsets" / f"{pictures}_seed0", _subset(record, number, pictures))


def _write_record(folder: Path, record: dict) -> None:
    folder.mkdir(parents=True)
    write_record(folder / "record.json", record)


def _with_epochs(record: dict, score: float, epochs: int = 4) -> dict:
    """A copy of a record whose run was longer and reached a score."""
    made = copy.deepcopy(record)
    made["max_epochs"] = epochs
    (row,) = made["epochs"]
    made["epochs"] = [copy.deepcopy(row) | {"epoch": epoch} for epoch in range(1, epochs + 1)]
    for done, row in enumerate(made["epochs"], 1):
        row["scores"] = dict.fromkeys(row["scores"], score * done / epochs)
        row["train_loss"] = 1 - score * done / epochs
    return made


def _model(record: dict, study: str, number: int) -> dict:
    """One of the models of a study: each twice as large as the one before it, and better."""
    made = _with_epochs(record, 0.2 + 0.08 * number + 0.02 * (number % 3))
    made |= {"config_name": f"{study}_{number}", "config_sha256": f"{study} {number}"}
    for key in ("params", "macs", "flops"):
        made["complexity"][key] = int(made["complexity"][key] * 2.0 ** (number - 2))
    return made


def _subset(record: dict, number: int, pictures: int) -> dict:
    """A run on some of the pictures."""
    made = _with_epochs(record, 0.2 + 0.1 * number)
    made["config_sha256"], made["dataset_sizes"]["train"] = f"{pictures}", pictures
    made["protocol"] |= {"train_images": pictures, "train_dataloader.dataset.indices": pictures}
    made["protocol_sha256"] = sha256_of(made["protocol"])
    return made


def small(command: str) -> str:
    """A command of a page with what makes it small enough for the folder."""
    for pattern, instead in (
        (r"(make-synthetic-voc \S+)", r"\1 --train 12 --test 4"),
        (r"(yolo-plugins train (?!.*--resume))", r"\1--overwrite "),
        (r"max_epochs=\d+", "max_epochs=1"),
        (r"batch_size=\d+", "batch_size=4"),
        (r"num_workers=\d+", "num_workers=0"),
        (r"img_size=\d+", "img_size=96"),
        (r"data_root=(DIR|/\S+)", "data_root=data/VOCdevkit"),
        (r"/fast/disk", "cache"),
        (r"\bEXPORTED\b", "work_dirs/yolov5_n_voc/epoch_200.onnx"),
        (r"\[(--[^]]*)\]", r"\1"),
    ):
        command = re.sub(pattern, instead, command)
    return command
