"""What becomes of unfinished runs: told from their records, for a reader, and for a study that stops some of them."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from yolo_plugins.errors import UsageError
from yolo_plugins.record import Record, read_record
from yolo_plugins.study.laws.forecast import backtest, chance_of_front
from yolo_plugins.study.laws.forecast import forecast as forecast_curve
from yolo_plugins.study.laws.stopping import LEAST_CHANCE, SHARES, judge, replay
from yolo_plugins.study.tables.collect import find_records, models_table
from yolo_plugins.study.tables.curves import Curve, curve_of_record, curves_of_tables
from yolo_plugins.study.tables.quantities import DEFAULT_COST, QUANTITIES, Quantity, performances
from yolo_plugins.study.tables.schema import COMPLEXITY, EPOCHS, RUNS, epochs_of_one_loss, of_one_loss, read_table

_TOLD = ("train_loss", "ap50_95")  # where nothing else is asked for


class _Schedule(NamedTuple):
    """What runs have in common whose curves go on alike."""

    protocol_sha256: str
    epochs: int
    loss: str | None


def forecast(sources: Sequence[Path], y: str | None) -> str:
    """What the runs that are not complete will end with, and their chances to be on the front.

    Args:
        sources: Folders above records, at any depth.
        y: Performance; None for the loss and the score.

    Raises:
        UsageError: A folder or a record is wrong, or every run is complete.
    """
    records = [read_record(path) for path in find_records(sources)]
    schedules: dict[_Schedule, list[Record]] = {}
    for record in records:
        schedules.setdefault(_schedule(record), []).append(record)
    if all(record["status"] == "complete" for record in records):
        told = ", ".join(map(str, sources))
        raise UsageError(f"{told}: every run is complete ({len(records)}): give the folder of a run that is not")
    lines: list[str] = []
    for alike in schedules.values():
        if any(record["status"] != "complete" for record in alike):
            for name in (y,) if y else _TOLD:
                lines += _tell_schedule(alike, QUANTITIES[name])
    return "\n".join(lines)


def reason_to_stop(record: Record, others: Sequence[Record], y: str, share: float) -> str | None:
    """Why a run is to be stopped early, empty where it goes on; None as long as that is not to be judged.

    Args:
        record: Of the run.
        others: Records of the other runs of the study; those of the same schedule count.
        y: Performance of the front; its cost is the usual one.
        share: As for `stopping.judge`.
    """
    quantity, run = QUANTITIES[y], curve_of_record(record, DEFAULT_COST, y)
    finished = _finished([other for other in others if _schedule(other) == _schedule(record)], y)
    chance = judge(run, record["max_epochs"], share, finished, quantity)
    if chance is None or chance >= LEAST_CHANCE:
        return None if chance is None else ""
    return _tell_chance(chance, quantity)


def tell_replay(folder: Path, jobs: int = 2) -> str:
    """A study that was trained to its end, forecast and run again with early stopping, from its tables.

    A line for each front tells how well forecasts of all runs would have done, each by the runs of other models, and
    what stopping would have saved. Models of another loss than most are left out.

    Args:
        folder: With runs.csv, complexity.csv and epochs.csv.
        jobs: Runs at a time, in the order in which they were started.

    Raises:
        UsageError: A table is missing or wrong, or a run was stopped already.
    """
    runs, complexity, epochs = (read_table(folder / table.name, table) for table in (RUNS, COMPLEXITY, EPOCHS))
    if runs["stopped"].notna().any():
        raise UsageError(
            f"{folder / RUNS.name}: some runs were stopped early: give a study that was trained to its end"
        )
    models = models_table(runs, complexity)
    alike = of_one_loss(models)
    lines = [f"left out, of another loss: {', '.join(models.loc[~alike, 'model'])}"] if not alike.all() else []
    models, epochs = models[alike], epochs_of_one_loss(epochs, models)
    started = {(row["model"], row["seed"]): row["started"] for _, row in runs.iterrows()}
    for y in (name for name in performances() if runs[name].notna().all()):
        curves = curves_of_tables(models, epochs, DEFAULT_COST, y)
        curves.sort(key=lambda curve: started[curve.model, curve.seed])
        for share in SHARES:
            found = replay(curves, QUANTITIES[y], jobs, share)
            lost = ", ".join(sorted(found.front - found.kept_front))
            lines.append(
                f"{QUANTITIES[y].title}, judged after {100 * share:.0f} % of the epochs: "
                f"{_tell_backtest(curves, share, QUANTITIES[y])}; {len(found.stopped)} of "
                f"{len(curves)} runs stop, {100 * found.epochs_saved:.1f} % of the epochs and "
                f"{100 * found.seconds_saved:.1f} % of the time saved, front of {len(found.front)} models "
                + ("kept" if found.front == found.kept_front else f"changed, lost: {lost or 'none'}")
            )
    return "\n".join(lines)


def _tell_backtest(curves: Sequence[Curve], share: float, quantity: Quantity) -> str:
    try:
        found = backtest(curves, share, quantity)
    except ValueError as error:
        return f"no forecasts: {error}"
    return f"forecasts off by {_tell_error(found.error, quantity)}, {found.held} of {found.runs} intervals hold"


def _schedule(record: Record) -> _Schedule:
    return _Schedule(record["protocol_sha256"], record["max_epochs"], record["loss"])


def _finished(records: Sequence[Record], y: str) -> list[Curve]:
    return [curve_of_record(record, DEFAULT_COST, y) for record in records if record["status"] == "complete"]


def _tell_schedule(records: Sequence[Record], quantity: Quantity) -> Iterator[str]:
    """A heading, then a line for each run that is not complete."""
    finished = _finished(records, quantity.name)
    models = len({curve.model for curve in finished})
    alike = _schedule(records[0])
    yield (
        f"{quantity.title} after {alike.epochs} epochs of protocol {alike.protocol_sha256[:12]}, loss {alike.loss}, "
        f"95 % interval, by {len(finished)} finished runs of {models} models"
    )
    for record in records:
        if record["status"] != "complete":
            run = curve_of_record(record, DEFAULT_COST, quantity.name)
            yield f"  {run} ({record['status']}, {run.epochs} epochs done): {_tell_run(run, finished, quantity)}"


def _tell_run(run: Curve, finished: Sequence[Curve], quantity: Quantity) -> str:
    try:
        found = forecast_curve(run, finished, quantity)
    except ValueError as error:
        return f"cannot be said: {error}"
    try:
        chance = _tell_chance(chance_of_front(run, finished, quantity), quantity)
    except ValueError as error:
        chance = f"no chance of the front: {error}"
    return (
        f"{found.expected:.4g} [{found.low:.4g}, {found.high:.4g}] by {found.predictors}; leave-one-out error "
        f"{_tell_error(found.error, quantity)}; {chance}"
    )


def _tell_error(error: float, quantity: Quantity) -> str:
    return f"{error:.4f}" if quantity.is_score else f"x {math.exp(error):.3f}"


def _tell_chance(chance: float, quantity: Quantity) -> str:
    return f"chance {100 * chance:.1f} % to reach the front of {quantity.title} and {QUANTITIES[DEFAULT_COST].title}"
