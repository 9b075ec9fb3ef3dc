"""What a run costs against its size: pictures, workers, batch, classes.

Pictures are made on the spot. Whatever loads them does so in a fresh process that is set up as a training is: a process
keeps the memory of what it read before. Points take turns, round after round, so that all see the same machine.
"""

import copy
import gc
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.utils import import_modules_from_strings
from mmengine.utils.dl_utils import set_multi_processing
from tqdm import tqdm

from yolo_plugins.config import with_num_classes
from yolo_plugins.datasets.synthetic_voc import make_synthetic_voc
from yolo_plugins.datasets.voc import annotation_path, split_path
from yolo_plugins.engine import YOLORunner
from yolo_plugins.engine.memory import keep_freed_memory
from yolo_plugins.engine.runner import process_settings
from yolo_plugins.errors import UsageError
from yolo_plugins.files import is_disk_full
from yolo_plugins.testing.benchmark import benchmark_eval, benchmark_train

_FOLDER = "VOC2007"


@dataclass(frozen=True)
class Axes:
    """What is measured, and how often.

    Attributes:
        pictures: Sizes of the training set.
        workers: Processes of the data loader.
        batches: Pictures of a training step.
        classes: That the network tells apart.
        long_side: Of the pictures, in pixels; VOC's have 500.
        loaded: Batches of the data loader that are timed.
        repeats: Rounds; each point is their median.
    """

    pictures: tuple[int, ...] = (1_000, 5_000, 10_000, 20_000)
    workers: tuple[int, ...] = (0, 1, 2, 4)
    batches: tuple[int, ...] = (1, 4, 16, 32)
    classes: tuple[int, ...] = (1, 20, 80)
    long_side: int = 500
    loaded: int = 40
    repeats: int = 3

    @property
    def ahead(self) -> int:
        """Batches that may be under way when the clock starts or stops: two a worker, the loader's default."""
        return 2 * max(*self.workers, 1)


class Cost(NamedTuple):
    """One row: the median of the rounds, the least and the greatest, in the unit that `quantity` ends in."""

    axis: str
    value: int
    quantity: str
    figure: float
    low: float
    high: float


def benchmark_scale(config: Config, axes: Axes | None = None) -> Iterator[Cost]:
    """Costs along all four axes; each axis changes one thing of the config.

    Pictures: `first_read_s`, to read a data set and to cache its pictures; `read_s`, to open it in a later process;
    `first_batch_s`, from there to the first batch; `memory_mb`, by which the resident memory of that process grows
    until the data set is open (the pictures stay in the cache's file). Workers: `loader_img_per_s`, of the loader
    alone. Batch and classes: as `benchmark_train` and `benchmark_eval`.

    Args:
        config: Its training pictures are replaced by made-up ones of VOC's size.
        axes: By default 1,000 to 20,000 pictures, which take about ten minutes on two cores and some 7 GB of the folder
            for temporary files.

    Raises:
        UsageError: The disk is full, or a process was ended from outside.
    """
    axes = axes or Axes()
    init_default_scope("yolo_plugins")
    plain = config.to_dict()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        to_load = config.train_dataloader.batch_size * (axes.ahead + axes.loaded + axes.ahead)
        _make_pictures(folder, (2, *axes.pictures, to_load), axes.long_side)
        measures: dict[str, tuple[tuple[int, ...], Callable[[int], dict[str, float]]]] = {
            "pictures": (axes.pictures, lambda count: _of_pictures(plain, folder, count)),
            "workers": (axes.workers, lambda workers: _in_fresh_process(_load, plain, folder, to_load, workers, axes)),
            "batch": (axes.batches, lambda batch: _of_batch(config, batch)),
            "classes": (axes.classes, lambda classes: _of_classes(config, classes)),
        }
        total = axes.repeats * sum(len(values) for values, _ in measures.values())
        with tqdm(total=total, unit="measurement", disable=None) as bar:
            for axis, (values, measure) in measures.items():
                found: dict[int, list[dict[str, float]]] = {value: [] for value in values}
                for _ in range(axes.repeats):
                    for value in values:
                        found[value].append(measure(value))
                        bar.update()
                for value, rounds in found.items():
                    yield from _costs(axis, value, rounds)


def _costs(axis: str, value: int, rounds: list[dict[str, float]]) -> Iterator[Cost]:
    for quantity in rounds[0]:
        figures = [one[quantity] for one in rounds]
        yield Cost(axis, value, quantity, statistics.median(figures), min(figures), max(figures))


def _make_pictures(folder: Path, counts: tuple[int, ...], long_side: int) -> None:
    """A VOCdevkit with a list of each so many pictures.

    They are of one content, with bytes behind its end that make each a picture of its own for the image cache.
    """
    root = _root(folder)
    names = [f"r{number:06d}" for number in range(max(counts))]
    try:
        make_synthetic_voc(root, train=2, test=1, long_side_range=(long_side, long_side))
        content = (root / _FOLDER / "JPEGImages" / "000001.jpg").read_bytes()
        annotation = annotation_path(root, _FOLDER, "000001")
        for name in names:
            (root / _FOLDER / "JPEGImages" / f"{name}.jpg").write_bytes(content + name.encode())
            os.link(annotation, annotation_path(root, _FOLDER, name))  # some disks remove 400 files a second
    except OSError as error:
        if is_disk_full(error):
            raise UsageError(
                f"{folder}: disk full while writing {len(names)} pictures; free the space, or set the environment "
                "variable TMPDIR to a folder on another disk"
            ) from error
        raise
    for count in counts:
        split_path(root, _FOLDER, f"first{count}").write_text("\n".join(names[:count]))


def _root(folder: Path) -> Path:
    return folder / "VOCdevkit"


def _cache(folder: Path, count: int) -> Path:
    return folder / f"cache{count}"


def _of_pictures(config: dict, folder: Path, count: int) -> dict[str, float]:
    try:
        return {
            **_in_fresh_process(_first_read, config, folder, count),
            **_in_fresh_process(_read, config, folder, count),
        }
    finally:
        shutil.rmtree(_cache(folder, count), ignore_errors=True)


def _of_batch(config: Config, batch: int) -> dict[str, float]:
    figures = benchmark_train(config, batch)
    return {name: figures[name] for name in ("train_img_per_s", "loss_ms")}


def _of_classes(config: Config, classes: int) -> dict[str, float]:
    changed = copy.deepcopy(config)
    changed.model = with_num_classes(config.model, lambda _: classes)
    figures = benchmark_train(changed) | benchmark_eval(num_classes=classes)
    return {name: figures[name] for name in ("train_step_ms", "loss_ms", "eval_s")}


def _in_fresh_process(measure: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns in a new interpreter, which ends with it, or with the wait for it.

    Raises:
        UsageError: The process was ended from outside.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(measure, *arguments).result()
        except BrokenProcessPool as error:
            raise UsageError(
                "a process that measured was ended from outside, as it is where memory is short: free some, and start "
                "again"
            ) from error
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _first_read(config: dict, folder: Path, count: int) -> dict[str, float]:
    _set_up(config, folder)
    begin = time.perf_counter()
    YOLORunner.build_dataloader(_loader(config, folder, count), seed=0)
    return dict(first_read_s=time.perf_counter() - begin)


def _read(config: dict, folder: Path, count: int) -> dict[str, float]:
    _set_up(config, folder)
    before, begin = _resident_bytes(), time.perf_counter()
    loader = YOLORunner.build_dataloader(_loader(config, folder, count), seed=0)
    opened, after = time.perf_counter(), _resident_bytes()
    batches = iter(loader)
    next(batches)
    return dict(
        read_s=opened - begin,
        first_batch_s=time.perf_counter() - opened,
        memory_mb=max(after - before, 0) / 1e6,
    )


def _load(config: dict, folder: Path, count: int, workers: int, axes: Axes) -> dict[str, float]:
    """Pictures a second in the midst of an epoch: no worker has a batch ready at its start, or is done at its end."""
    _set_up(config, folder)
    warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores: that is to be seen
    loader = YOLORunner.build_dataloader(_loader(config, folder, count, num_workers=workers), seed=0)
    batches = iter(loader)
    for _ in range(axes.ahead):
        next(batches)
    begin = time.perf_counter()
    for _ in range(axes.loaded):
        next(batches)
    return dict(loader_img_per_s=axes.loaded * config["train_dataloader"]["batch_size"] / (time.perf_counter() - begin))


def _set_up(config: dict, folder: Path) -> None:
    """What a training does before it builds its loaders; two pictures are read, so that all is imported."""
    import_modules_from_strings(**(config.get("custom_imports") or dict(imports=[])))
    keep_freed_memory()
    multiprocessing.set_start_method(None, force=True)  # a spawned process starts with that
    set_multi_processing(**process_settings(config.get("env_cfg", {})))
    init_default_scope("yolo_plugins")
    next(iter(YOLORunner.build_dataloader(_loader(config, folder, 2, num_workers=0, batch_size=2), seed=0)))


def _loader(config: dict, folder: Path, count: int, **changes: Any) -> dict:
    """The config's training loader on so many pictures."""
    dataset = config["train_dataloader"]["dataset"] | dict(
        type="VOCDataset",
        data_root=str(_root(folder)),
        splits=[f"{_FOLDER}/first{count}"],
        cache_dir=str(_cache(folder, count)),
        **dict.fromkeys(("metainfo", "others", "share", "indices")),
    )
    return config["train_dataloader"] | dict(dataset=dataset) | changes


def _resident_bytes() -> int:
    gc.collect()
    return psutil.Process().memory_info().rss
