"""Costs by size, on axes that are as short as they can be."""

import errno
import multiprocessing
import os
import signal
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path

import cv2
import pytest

from yolo_plugins.config import find_config, load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.testing import benchmark_scale as scale
from yolo_plugins.testing.benchmark_figure import draw_costs
from yolo_plugins.testing.benchmark_scale import Axes, Cost, benchmark_scale

TINY = ["img_size=64,96", "model.backbone.widen_factor=0.125", "model.neck.widen_factor=0.125"]
AXES = Axes(pictures=(2, 2000), workers=(1,), batches=(1, 2), classes=(3,), long_side=64, loaded=2, repeats=1)
QUANTITIES = {
    "pictures": ["first_read_s", "read_s", "first_batch_s", "memory_mb"],
    "workers": ["loader_img_per_s"],
    "batch": ["train_img_per_s", "loss_ms"],
    "classes": ["train_step_ms", "loss_ms", "eval_s"],
}


@pytest.fixture(scope="module")
def config():
    return load_config("yolov5_n_voc", [*TINY, "train_dataloader.batch_size=2"])


@pytest.fixture(scope="module")
def costs(config) -> list[Cost]:
    return list(benchmark_scale(config, AXES))


def of(costs: Iterable[Cost], axis: str, quantity: str) -> list[Cost]:
    return [cost for cost in costs if (cost.axis, cost.quantity) == (axis, quantity)]


def test_every_axis_has_its_quantities_at_each_value(costs):
    values = {"pictures": AXES.pictures, "workers": AXES.workers, "batch": AXES.batches, "classes": AXES.classes}
    assert [(cost.axis, cost.value, cost.quantity) for cost in costs] == [
        (axis, value, quantity) for axis in QUANTITIES for value in values[axis] for quantity in QUANTITIES[axis]
    ]
    assert all(0 <= cost.low <= cost.figure <= cost.high for cost in costs)
    assert all(cost.figure > 0 for cost in costs if cost.quantity != "memory_mb")


@pytest.mark.parametrize("quantity", ["first_read_s", "read_s", "memory_mb"])
def test_what_reading_costs_grows_with_the_pictures_though_they_were_read_before(costs, quantity):
    few, many = of(costs, "pictures", quantity)
    assert many.low > few.high


def test_a_point_is_the_median_of_the_rounds_with_their_range():
    rounds = [dict(read_s=second, memory_mb=1.0) for second in (3.0, 1.0, 9.0)]
    assert list(scale._costs("pictures", 5, rounds)) == [
        Cost("pictures", 5, "read_s", 3.0, 1.0, 9.0),
        Cost("pictures", 5, "memory_mb", 1.0, 1.0, 1.0),
    ]


def test_the_loader_is_that_of_a_training(config, tmp_path, monkeypatch):
    """By MMEngine's a batch leaves its worker as hundreds of tensors: twice the CPU time of a picture."""
    scale._make_pictures(tmp_path, (2, 4), long_side=64)
    build, built = scale.YOLORunner.build_dataloader, []
    monkeypatch.setattr(
        scale.YOLORunner,
        "build_dataloader",
        lambda *args, **options: built.append(build(*args, **options)) or built[-1],
    )
    scale._load(config.to_dict(), tmp_path, 4, 0, Axes(workers=(0,), loaded=0))
    assert [loader.collate_fn.func.__name__ for loader in built] == ["collate_training"] * 2
    assert [len(loader.dataset) for loader in built] == [2, 4]
    assert cv2.getNumThreads() == 1


def test_each_picture_is_one_of_its_own(tmp_path):
    scale._make_pictures(tmp_path, (2, 5), long_side=64)
    folder = tmp_path / "VOCdevkit" / "VOC2007"
    names = (folder / "ImageSets" / "Main" / "first5.txt").read_text().split()
    assert len({(folder / "JPEGImages" / f"{name}.jpg").read_bytes() for name in names}) == 5


def test_a_full_disk_is_told_with_the_remedy(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match=r"disk full while writing 9 pictures;.* TMPDIR"):
        scale._make_pictures(tmp_path, (9,), long_side=64)


def test_a_measuring_process_is_another_one():
    assert scale._in_fresh_process(os.getpid) != os.getpid()


def test_a_measuring_process_that_is_killed_is_told():
    with pytest.raises(UsageError, match="ended from outside"):
        scale._in_fresh_process(os._exit, 9)


@pytest.mark.parametrize(
    ("measure", "kind", "words"),
    [(find_config, UsageError, "config 'nowhere' does not exist"), (int, ValueError, "invalid literal")],
)
def test_a_fault_in_a_measuring_process_is_that_of_the_benchmark(measure, kind, words):
    with pytest.raises(kind, match=words) as fault:
        scale._in_fresh_process(measure, "nowhere")
    assert "Traceback" in str(fault.value.__cause__)  # that of the other process


def test_a_benchmark_that_is_stopped_leaves_no_measuring_process():
    def stop(number, frame):
        raise KeyboardInterrupt

    earlier = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            scale._in_fresh_process(time.sleep, 600)
    finally:
        signal.signal(signal.SIGALRM, earlier)
    assert multiprocessing.active_children() == []


@pytest.fixture
def texts():
    costs = [
        Cost(axis, value, name, 2.5, 2.0, 4.0) for axis in QUANTITIES for name in QUANTITIES[axis] for value in (1, 20)
    ]
    drawn = draw_costs(costs, "Medians & ranges; the machine was idle.")
    assert len(drawn) < 200_000
    assert drawn == draw_costs(costs, "Medians & ranges; the machine was idle.")
    return [element.text for element in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]


def test_the_figure_has_a_panel_with_its_units_for_each_axis_and_quantity(texts):
    panels = sum(map(len, QUANTITIES.values()))
    assert texts.count("0") == 2 * panels
    labels = {"training pictures": 4, "worker processes": 1, "pictures in a batch": 2, "classes": 3}
    assert {label: texts.count(label) for label in labels} == labels
    units = {"s": 4, "MB": 1, "pictures/s": 2, "ms": 3}
    assert {unit: texts.count(unit) for unit in units} == units


def test_the_figure_says_how_it_was_measured(texts):
    assert "Medians & ranges; the machine was idle." in texts
