"""What the one table of quantities promises to those that read it."""

import subprocess
import sys

from yolo_plugins.study.tables.quantities import (
    DEFAULT_COST,
    DEFAULT_PERFORMANCE,
    QUANTITIES,
    costs,
    curves,
    of_source,
    performances,
)


def test_importing_the_quantities_loads_no_library():
    code = "import sys, yolo_plugins.study.tables.quantities\nprint({'numpy', 'pandas', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_only_a_cost_has_a_column_of_another_name():
    assert all(row.column == name for name, row in QUANTITIES.items() if row.role != "cost")
    assert len({row.column for row in QUANTITIES.values()}) == len(QUANTITIES)


def test_every_source_fits_its_role():
    assert {row.source for row in costs().values()} == {"counted", "measured"}
    assert {row.source for row in performances().values()} == {"loss", "summary", "score"}
    assert not any(row.nullable for row in of_source("counted"))
    assert all(row.scale == 1 for row in performances().values())
    assert DEFAULT_COST in costs() and DEFAULT_PERFORMANCE in performances()


def test_values_are_told_in_the_unit_of_headings():
    told = {
        name: QUANTITIES[name].tell(value) for name, value in {"params": 7.2e6, "macs": 8e9, "latency": 0.0125}.items()
    }
    assert told == {"params": "7.2 million parameters", "macs": "16 GFLOPs", "latency": "12.5 ms latency"}
    assert all(text.endswith(QUANTITIES[name].heading) for name, text in told.items())


def test_every_term_of_a_loss_is_a_curve_the_unknown_ones_last():
    found = curves(["model", "loss_dfl", "epoch", "lr", "box", "train_loss"])
    assert {name: row.title for name, row in found.items()} == {
        **{"train_loss": "training loss", "box": "box loss", "lr": "learning rate"},
        **{"loss_dfl": "dfl loss"},
    }
    assert list(found)[-1] == "loss_dfl"
    assert found["loss_dfl"].low is None
