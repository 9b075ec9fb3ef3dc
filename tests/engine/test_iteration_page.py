"""docs/iteration.md tells each hook, its name, priority and stages in the order that a built runner has."""

import re
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import get_priority
from toy_training import toy_config

from yolo_plugins.config import load_config
from yolo_plugins.engine import YOLORunner
from yolo_plugins.files import REPO

PAGE = (REPO / "docs" / "iteration.md").read_text()


def rows(text: str) -> list[list[str]]:
    """Cells of the tables in a piece of the page, without their heads."""
    tables = re.findall(r"^\|.*\n\|-.*\n((?:\|.*\n)+)", f"{text}\n", flags=re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for table in tables for line in table.splitlines()]


def test_the_names_are_those_of_a_leaf():
    named = load_config("yolov5_n_voc").default_hooks
    assert named.pop("visualization").type == "mmdet.DetVisualizationHook"  # told of beneath the table
    _, table, *_ = re.split(r"^## ", PAGE.partition("\n### ")[0], flags=re.MULTILINE)
    assert {name.strip("`"): hook for name, hook, *_ in rows(table)} == {name: named[name].type for name in named}
    assert set(toy_config(Path())["default_hooks"]) == set(named)


def test_names_and_priorities_are_in_the_order_of_a_runner(make_runner):
    hooks = make_runner().hooks
    expected = [(type(hook).__name__, str(get_priority(hook.priority))) for hook in hooks]
    assert [(hook, priority) for _, hook, priority, _ in rows(PAGE.partition("\n### ")[0])] == expected


def test_each_stage_of_a_training_lists_its_hooks_in_their_order(make_runner):
    hooks = make_runner().hooks
    stages = {
        stage: [
            [str(get_priority(hook.priority)), type(hook).__name__]
            for hook in hooks
            if stage in hook.get_triggered_stages()
        ]
        for stage in Hook.stages
        if "test" not in stage
    }
    told = {}
    for section in PAGE.split("\n### ")[1:]:
        stage, _, text = section.partition("\n")
        told[stage.strip("`")] = [row[:2] for row in rows(text)]
    assert told == {stage: listed for stage, listed in stages.items() if listed}


def test_stages_are_told_in_the_order_in_which_they_come(make_runner):
    called = []

    class Watched(YOLORunner):
        def call_hook(self, fn_name, **kwargs):
            called.append(fn_name)
            super().call_hook(fn_name, **kwargs)

    runner = make_runner(max_epochs=1)
    runner.__class__ = Watched
    runner.train()
    told = re.findall(r"^### `(\w+)`", PAGE, flags=re.MULTILINE)
    first_calls = [stage for stage in dict.fromkeys(called) if stage in told and stage != "before_save_checkpoint"]
    assert first_calls == [stage for stage in told if stage not in ("before_save_checkpoint", "after_load_checkpoint")]
