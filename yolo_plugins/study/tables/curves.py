"""A run as the curve that it has measured so far: from its record, or from the tables of a study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from yolo_plugins.record import Record
from yolo_plugins.study.tables.quantities import QUANTITIES


@dataclass(frozen=True)
class Curve:
    """What one run has measured, epoch by epoch.

    Attributes:
        model: Its model.
        seed: Its seed.
        cost: Of its model; None where that is not known.
        losses: Training loss of each epoch.
        values: A performance after each epoch, None where it was not measured.
        seconds: Wall time of each epoch, with its validation.
    """

    model: str
    seed: int
    cost: float | None
    losses: tuple[float, ...]
    values: tuple[float | None, ...]
    seconds: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.model} seed {self.seed}"

    @property
    def epochs(self) -> int:
        """That are done."""
        return len(self.losses)

    def until(self, epoch: int) -> "Curve":
        """Its first epochs alone."""
        return Curve(self.model, self.seed, self.cost, self.losses[:epoch], self.values[:epoch], self.seconds[:epoch])


def curve_of_record(record: Record, x: str, y: str) -> Curve:
    """The curve of a run of any status.

    Args:
        record: Of the run.
        x: Name of a cost.
        y: Name of a performance.
    """
    rows = [{**row["scores"], **row} for row in record["epochs"]]
    cost = (record["complexity"] or {}).get(QUANTITIES[x].column)
    return _curve(record["config_name"], record["seed"], cost, rows, y)


def curves_of_tables(models: pd.DataFrame, epochs: pd.DataFrame, x: str, y: str) -> list[Curve]:
    """The curves of a study, by model and seed.

    Args:
        models: Of the schema MODELS.
        epochs: Of the schema EPOCHS.
        x: Name of a cost.
        y: Name of a performance.
    """
    costs = models.set_index("model")[QUANTITIES[x].column]
    rows = epochs.astype(object).where(epochs.notna(), None)
    return [
        _curve(model, int(seed), costs.get(model), group.sort_values("epoch").to_dict("records"), y)
        for (model, seed), group in rows.groupby(["model", "seed"])
    ]


def _curve(model: str, seed: int, cost: Any, rows: Sequence[Mapping[str, Any]], y: str) -> Curve:
    losses = tuple(float(row["train_loss"]) for row in rows)
    return Curve(
        model,
        seed,
        None if cost is None else float(cost),
        losses,
        tuple(_inverse_normalized(losses) if y == "inverse_normalized_loss" else (row.get(y) for row in rows)),
        tuple(row["train_seconds"] + (row["val_seconds"] or 0) for row in rows),
    )


def _inverse_normalized(losses: Sequence[float]) -> list[float | None]:
    """The largest loss so far over that of each epoch."""
    return [max(losses[: index + 1]) / loss if loss > 0 else None for index, loss in enumerate(losses)]
