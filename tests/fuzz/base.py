"""What the inputs start from, made once: a data set, a broken-off run, records, tables and laws."""

import copy
import json
import shutil
from pathlib import Path

from fuzz.cases import CLASSES, CONFIGS, TOOLS
from fuzz.inputs_recommend import RECOMMEND
from fuzz.server import Server


def make_base(folder: Path, server: Server) -> Path:
    """Fills a folder with the parts that `Input.needs` names."""
    folder.mkdir()
    for name, text in CONFIGS.items():
        (folder / name).write_text(text)
    run = _Runner(folder, server)
    run("make_synthetic_voc.py", "VOCdevkit", "--train", "8", "--test", "4", "--classes", str(len(CLASSES)))
    _make_coco(folder)
    run("print_config.py", "own.py", "--out", "full.py")
    run("train.py", "long.py", "--work-dir", "run", prelude="killed_in_epoch_3")
    shutil.copyfile(next((folder / "run").glob("best_*.pth")), folder / "best.pth")
    run(
        "export.py",
        "best.pth",
        "--format",
        "onnx",
        "openvino",
        "torchscript",
        "torch_export",
        "--no-test",
        "--out",
        "exported",
    )
    run("train.py", "own.py", "--work-dir", "complete")
    _make_study(folder)
    (folder / "tables").mkdir()
    run("analysis/collect_runs.py", "study", "--out", "tables/runs.csv")
    run("frontier.py", "study", "--y", "ap50", "--out", "fits")
    run("recommend.py", *RECOMMEND)
    return folder


class _Runner:
    def __init__(self, folder: Path, server: Server) -> None:
        self._folder, self._server = folder, server

    def __call__(self, tool: str, *arguments: str, prelude: str = "") -> None:
        environment = {"YOLO_PLUGINS_CACHE": "cache"}
        answer = self._server.run(
            [str(TOOLS / tool), *arguments], self._folder, 300, environment=environment, prelude=prelude
        )
        assert answer["status"] == 0, (tool, answer, (self._folder / "stderr").read_text())


def _make_coco(folder: Path) -> None:
    """The training pictures of the data set in COCO's layout, with a box each."""
    from PIL import Image

    pictures = sorted((folder / "VOCdevkit").glob("VOC2012/JPEGImages/*.jpg"))
    (folder / "coco/train").mkdir(parents=True)
    (folder / "coco/annotations").mkdir()
    images, objects = [], []
    for number, path in enumerate(pictures, 1):
        shutil.copy(path, folder / "coco/train" / path.name)
        with Image.open(path) as picture:
            images.append(dict(id=number, file_name=path.name, width=picture.width, height=picture.height))
        objects.append(
            dict(id=number, image_id=number, category_id=1 + number % 2, bbox=[4, 5, 30, 20], area=600, iscrowd=0)
        )
    categories = [dict(id=number, name=name) for number, name in enumerate(CLASSES, 1)]
    content = dict(images=images, annotations=objects, categories=categories)
    (folder / "coco/annotations/instances_train.json").write_text(json.dumps(content))


def _make_study(folder: Path) -> None:
    """Records of five models, of growing size and score, after that of a run."""
    record = json.loads((folder / "complete/record.json").read_text())
    for number in range(5):
        made = copy.deepcopy(record)
        made["config_name"], made["config_sha256"] = f"model_{number}", f"{number:064d}"
        for row in made["epochs"]:
            row["scores"] = dict.fromkeys(row["scores"], 0.2 + 0.1 * number)
            row["train_loss"] = 1 / (1 + number)
        _scale(made["complexity"], 2**number)
        path = folder / f"study/model_{number}_seed0/record.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(made))


def _scale(value: object, factor: int) -> None:
    """Multiplies the counts in the complexity of a record."""
    if isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, int) and name.startswith(("params", "macs", "flops")):
                value[name] = item * factor
            else:
                _scale(item, factor)
    elif isinstance(value, list):
        for item in value:
            _scale(item, factor)
