"""What a run costs against its size: pictures, workers, batch, classes; and the seconds to its first iteration.

Pictures are made on the spot. What is read is a table of rows `axis`, `value`, `quantity`, `figure`.
"""

import copy
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from yolo_plugins.datasets.synthetic_voc import make_synthetic_voc
from yolo_plugins.datasets.voc import annotation_path, split_path
from yolo_plugins.errors import UsageError
from yolo_plugins.files import json_text
from yolo_plugins.registry import DATASETS, HOOKS
from yolo_plugins.testing.benchmark import benchmark_eval, benchmark_train

PICTURES, WORKERS, BATCHES, CLASSES = (1_000, 5_000, 10_000, 20_000), (0, 1, 2, 4), (1, 4, 16, 32), (1, 20, 80)
_LOADED = 30  # batches of the loader that are timed
_CLASS_KEYS = "model.bbox_head.num_classes"
_imported = time.time()  # by the training process, as the last thing that its config imports


class Cost(NamedTuple):
    """One row: `figure` is in the unit that `quantity` ends in."""

    axis: str
    value: int
    quantity: str
    figure: float


@HOOKS.register_module()
class StartClockHook(Hook):
    """Writes the seconds from the start of the command to each stage of a training, the first iteration last.

    Args:
        begin: When the command was given, seconds since the epoch.
        out: JSON file to write.
    """

    def __init__(self, begin: float, out: str) -> None:
        self._begin, self._out = begin, Path(out)
        self._times = [begin, _imported, time.time()]

    def before_train(self, runner: Runner) -> None:
        """The loaders are there."""
        self._times.append(time.time())

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Writes the file after the first iteration."""
        if runner.iter == 0:
            self._times.append(time.time())
            names = ("import_s", "build_s", "data_s", "first_iteration_s")
            parts = {name: self._times[k + 1] - self._times[k] for k, name in enumerate(names)}
            self._out.write_text(json_text({"start_s": self._times[-1] - self._begin, **parts}))


def benchmark_start(config: Config) -> dict[str, float]:
    """Seconds from the command `yolo-plugins train` to its first iteration, and of what: import, build, data, it.

    Raises:
        UsageError: The training breaks off.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name), Path(name) / "start.json"
        config = copy.deepcopy(config)
        root = make_synthetic_voc(folder / "VOCdevkit", train=64, test=8)
        for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
            config[loader].dataset.update(data_root=str(root), cache_dir=str(folder / "cache"))
        config.train_cfg.max_epochs = 1
        config.custom_imports = dict(imports=[__name__])
        config.custom_hooks = [dict(type="StartClockHook", begin=0.0, out=str(out))]
        config.dump(folder / "start.py")
        begin = f"custom_hooks.0.begin={time.time()}"
        command: list[str | Path] = ["train", folder / "start.py", "--work-dir", folder / "run", "--cfg-options", begin]
        ended = subprocess.run(
            [sys.executable, "-m", "yolo_plugins", *command], capture_output=True, text=True, check=False
        )
        if not out.is_file():
            raise UsageError(f"the training broke off: {(ended.stderr.strip().splitlines() or ['no word'])[-1]}")
        return json.loads(out.read_text())


def benchmark_scale(config: Config) -> Iterator[Cost]:
    """Costs along all four axes; each axis changes one thing of the config."""
    init_default_scope("yolo_plugins")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "VOCdevkit"
        make_synthetic_voc(root, train=2, test=1, long_side_range=(64, 80))
        for count in PICTURES:
            _repeat_pictures(root, count)
            yield from _of_pictures(config, root, count)
        for workers in WORKERS:
            yield Cost("workers", workers, "loader_img_per_s", _loaded_per_second(config, root, workers))
    for batch in BATCHES:
        for quantity, figure in benchmark_train(config, batch, repeats=3).items():
            yield Cost("batch", batch, quantity, figure)
    for classes in CLASSES:
        changed = copy.deepcopy(config)
        changed.merge_from_dict({_CLASS_KEYS: classes})
        figures = benchmark_train(changed, repeats=3) | benchmark_eval(num_classes=classes, repeats=1)
        for quantity in ("train_step_ms", "loss_ms", "eval_s"):
            yield Cost("classes", classes, quantity, figures[quantity])


def draw(costs: list[Cost]) -> bytes:
    """One small plot for each axis and quantity, as SVG."""
    import matplotlib.pyplot as plt

    lines: dict[tuple[str, str], list[Cost]] = {}
    for cost in costs:
        lines.setdefault((cost.axis, cost.quantity), []).append(cost)
    rows = -(-len(lines) // 3)
    figure, axes = plt.subplots(rows, 3, figsize=(9, 2.5 * rows), layout="constrained", squeeze=False)
    for panel in axes.flat[len(lines) :]:
        panel.remove()
    for panel, ((axis, quantity), points) in zip(axes.flat, lines.items(), strict=False):
        panel.plot([p.value for p in points], [p.figure for p in points], "o-", color="#0072B2")
        panel.set(xlabel=axis, title=quantity, ylim=(0, None), xlim=(0, None))
        panel.grid(color="#e3e3e3")
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", facecolor="white", metadata={"Date": None})
    plt.close(figure)
    return drawn.getvalue()


def _repeat_pictures(root: Path, count: int) -> None:
    """Brings VOC2007 train to so many pictures of one content; bytes behind its end make each a file of its own."""
    folder = root / "VOC2007" / "JPEGImages"
    picture, annotation = folder / "000001.jpg", annotation_path(root, "VOC2007", "000001")
    content = picture.read_bytes()
    names = ["000001", *(f"r{number:06d}" for number in range(1, count))]
    for name in names[1:]:
        target = folder / f"{name}.jpg"
        if not target.exists():
            target.write_bytes(content + name.encode())
            shutil.copyfile(annotation, annotation_path(root, "VOC2007", name))
    split_path(root, "VOC2007", "train").write_text("\n".join(names))


def _train_loader(config: Config, root: Path, workers: int) -> dict:
    loader = copy.deepcopy(config.train_dataloader)
    dataset = dict(data_root=str(root), splits=["VOC2007/train"], cache_dir=str(root.parent / "cache"))
    loader.dataset.update(dataset)
    loader.update(num_workers=workers, persistent_workers=False)
    return loader


def _of_pictures(config: Config, root: Path, count: int) -> Iterator[Cost]:
    """Seconds to read and cache a data set, to open it once more, to its first batch; memory of its annotations."""
    loader = _train_loader(config, root, 0)
    begin = time.perf_counter()
    DATASETS.build(loader["dataset"])
    cached = time.perf_counter()
    before = psutil.Process().memory_info().rss
    loader["dataset"] = DATASETS.build(loader["dataset"])
    opened = time.perf_counter()
    memory = psutil.Process().memory_info().rss - before
    next(iter(Runner.build_dataloader(loader, seed=0)))
    yield Cost("pictures", count, "first_read_s", cached - begin)
    yield Cost("pictures", count, "read_s", opened - cached)
    yield Cost("pictures", count, "first_batch_s", time.perf_counter() - opened)
    yield Cost("pictures", count, "memory_mb", max(memory, 0) / 1e6)


def _loaded_per_second(config: Config, root: Path, workers: int) -> float:
    loader = Runner.build_dataloader(_train_loader(config, root, workers), seed=0)
    batches = iter(loader)
    next(batches)
    begin = time.perf_counter()
    for _ in range(_LOADED):
        next(batches)
    return _LOADED * loader.batch_size / (time.perf_counter() - begin)
