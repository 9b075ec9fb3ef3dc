"""How many pictures, or epochs, one model needs to score as wanted: from a few runs that differ in that alone.

Files in, sentences out, no torch. The law is that of `laws.budget_law`, of one point for each number of pictures or
epochs, the mean of its seeds.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from yolo_plugins.errors import UsageError
from yolo_plugins.protocol import sha256_of
from yolo_plugins.study.laws.budget_law import FEWEST, REACH, BudgetLaw, fit_budget_law, transform
from yolo_plugins.study.laws.power_law import Interval
from yolo_plugins.study.tables import schema
from yolo_plugins.study.tables.collect import collect, find_records, folders_among, with_tables
from yolo_plugins.study.tables.protocols import refuse_mixture
from yolo_plugins.study.tables.quantities import QUANTITIES, Quantity

Of = Literal["pictures", "epochs"]
_COLUMNS = {"pictures": "train_images", "epochs": "epochs"}  # of runs.csv
_DIFFER = {  # the keys of a protocol in which runs of several amounts differ
    "pictures": (
        *("train_images", "train_objects"),
        *(f"train_dataloader.dataset.{key}" for key in ("splits", "share", "indices", "ann_file", "data_prefix.img")),
    ),
    "epochs": ("epochs",),
}
_SHOWN = (2, 4, 10)  # times the largest amount


@dataclass(frozen=True)
class _Points:
    """What a law is fitted to.

    Attributes:
        model: Name of the model.
        table: `amount`, `value`, the mean over its runs, and `runs`, by amount.
        notes: What was left out and what to know, a sentence each.
    """

    model: str
    table: pd.DataFrame
    notes: tuple[str, ...]


def budget(
    sources: Sequence[Path], want: float, y: str, of: Of, model: str | None = None, allow_mixed: bool = False
) -> str:
    """How many pictures or epochs a wanted performance takes.

    Args:
        sources: Folders above records of runs, at any depth; or tables of runs, with those of their protocols.
        want: The performance.
        y: Its name.
        of: What the runs differ in.
        model: Whose runs count; None where all are of one.
        allow_mixed: Whether the runs may differ in more than that.

    Returns:
        The points, the law, what it expects of more, and the number that is needed with its interval; or that this
        cannot be said, and why.

    Raises:
        UsageError: The sources are not valid; the runs are of several models or protocols; they have too few amounts;
            or what is wanted is no value of this performance.
    """
    quantity, told = QUANTITIES[y], ", ".join(map(str, sources))
    bounded, sign = quantity.is_score, 1 if quantity.larger_is_better else -1
    try:
        transform(want, bounded, sign)
    except ValueError as error:
        raise UsageError(f"--want {error}: give a value that {quantity.title} can have") from error
    points = _read_points(sources, quantity, of, model, allow_mixed)
    table = points.table
    if len(table) < FEWEST:
        found = ", ".join(f"{amount:,}" for amount in table["amount"]) or "none"
        raise UsageError(
            f"{told}: a law needs {FEWEST} numbers of {of}, the runs of {points.model} have {len(table)} ({found}): "
            f"add runs with others{''.join(f'; {note}' for note in points.notes)}"
        )
    amounts, values, runs = (table[name].tolist() for name in ("amount", "value", "runs"))
    law = fit_budget_law(amounts, values, runs, bounded, sign)
    lines = [*_tell_points(points, quantity, of), _tell_law(law, quantity, of), *_tell_more(law, quantity, of)]
    few = (f"{FEWEST} numbers of {of} cannot show where the curve levels off",) if law.n == FEWEST else ()
    notes = [f"note: {note}" for note in (*few, *points.notes)]
    return "\n".join([*lines, _answer(law, want, quantity, of), *notes])


def _read_points(sources: Sequence[Path], y: Quantity, of: Of, model: str | None, allow_mixed: bool) -> _Points:
    """The points of one model; arguments and errors as of `budget`."""
    runs, protocols, notes = _read_runs(sources)
    names = sorted(runs["model"].unique())
    told = ", ".join(map(str, sources))
    if len(names) > 1 if model is None else model not in names:
        wanted = "of several models" if model is None else f"without {model!r}"
        raise UsageError(f"{told}: runs {wanted}: give --model {' or --model '.join(names)}")
    runs = runs[runs["model"] == (model or names[0])]
    if y.by_loss and runs["loss"].nunique() > 1:
        raise UsageError(f"{told}: runs of several losses, whose {y.title} does not compare: give --y ap50")
    notes += refuse_mixture(*_without(runs, protocols, _DIFFER[of]), allow_mixed)
    amount = _COLUMNS[of]
    if runs.duplicated([amount, "seed"]).any():
        twice = runs[runs.duplicated([amount, "seed"])].iloc[0]
        raise UsageError(f"{told}: two runs of {twice[amount]:,} {of} with seed {twice['seed']}: leave one out")
    lacking = runs[runs[y.column].isna()]
    if len(lacking):
        notes += (f"without {y.title}, left out: {', '.join(_tell_runs(lacking, amount, of))}",)
    groups = runs.dropna(subset=[y.column]).groupby(amount)[y.column]
    table = groups.agg(value="mean", runs="size").rename_axis("amount").reset_index()
    inside = schema.is_inside(table["value"], y)
    if not inside.all():
        ends = ", ".join(f"{row.amount:,} {of} ({row.value:g})" for row in table[~inside].itertuples())
        notes += (f"{y.title} at an end of its scale, left out: {ends}",)
    return _Points(model or names[0], table[inside], notes)


def _read_runs(sources: Sequence[Path]) -> tuple[pd.DataFrame, pd.DataFrame | None, tuple[str, ...]]:
    """Runs, their protocols where they are known, and a note on each run that is left out."""
    sources = with_tables(sources, (schema.RUNS.name, schema.PROTOCOLS.name))
    if folders := folders_among(sources):
        found = collect(find_records(folders), lambda record: (record["dataset_sizes"]["train"], len(record["epochs"])))
        return found.runs, found.protocols, tuple(f"left out: {reason}" for reason in found.left_out)
    tables: dict[str, list[pd.DataFrame]] = {schema.RUNS.name: [], schema.PROTOCOLS.name: []}
    for source in sources:
        table = schema.identify(source)
        if table.name not in tables:
            raise UsageError(f"{source}: it has the columns of {table.name}: give {' and '.join(tables)}, or work dirs")
        tables[table.name].append(schema.read_table(source, table))
    runs, protocols = tables.values()
    if not runs:
        raise UsageError(f"{sources[0]}: no table of runs: give runs.csv with it")
    return pd.concat(runs), pd.concat(protocols).drop_duplicates() if protocols else None, ()


def _without(
    runs: pd.DataFrame, protocols: pd.DataFrame | None, keys: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Runs and protocols as if these keys were none of a protocol."""
    if protocols is None:
        return runs, None
    kept = protocols[~protocols["key"].isin(keys)]
    groups = kept.groupby("protocol_sha256")
    hashes = {sha256: sha256_of(sorted(zip(rows["key"], rows["value"], strict=True))) for sha256, rows in groups}
    rename = {"protocol_sha256": lambda frame: frame["protocol_sha256"].replace(hashes)}
    return runs.assign(**rename), kept.assign(**rename).drop_duplicates()


def _tell_runs(runs: pd.DataFrame, amount: str, of: Of) -> Iterator[str]:
    return (f"{row[amount]:,} {of} with seed {row['seed']}" for _, row in runs.iterrows())


def _tell_points(points: _Points, y: Quantity, of: Of) -> list[str]:
    lines = [f"{points.model}: {y.title} against {of}", f"{of:>12}  runs  {y.title}"]
    return lines + [f"{row.amount:>12,}  {row.runs:>4}  {row.value:.4g}" for row in points.table.itertuples()]


def _tell_law(law: BudgetLaw, y: Quantity, of: Of) -> str:
    what = f"{y.title} / (1 - {y.title})" if law.bounded else y.title
    ends = sorted(2 ** (law.sign * end) for end in (law.slope_interval.low, law.slope_interval.high))
    dof = f"{law.n - 2} degree{'s' * (law.n > 3)} of freedom"
    factor = 2 ** (law.sign * law.slope)
    return f"law: {what} x {factor:.4g} [{ends[0]:.4g}, {ends[1]:.4g}] with each doubling of the {of}; {dof}"


def _tell_more(law: BudgetLaw, y: Quantity, of: Of) -> list[str]:
    lines = [f"{of:>12}  expected {y.title}, 95 % interval of its mean over seeds, of one run"]
    for factor in _SHOWN:
        found = law.expect(law.amount_max * factor)
        mean, run = map(_tell, (found.mean_interval, found.run_interval))
        lines.append(f"{found.amount:>12,.0f}  {found.mean:.4g}  {mean}  {run}")
    return lines


def _answer(law: BudgetLaw, want: float, y: Quantity, of: Of) -> str:
    """The number that is needed with its interval, or why it cannot be said."""
    wanted = f"{y.title} {want:g}"
    slope, largest = law.slope_interval, f"{law.amount_max:,.0f}"
    if slope.high < 0:
        return f"{wanted}: cannot be said: it gets worse with more {of}"
    if slope.low <= 0:
        return f"{wanted}: cannot be said: what more {of} bring is not told from chance; {_remedy(of)}"
    needed = law.needed(want)
    low, high = needed.interval.low, needed.interval.high
    far = f"{REACH:g} times the largest number tried, {largest}"
    if needed.amount == 0:
        return f"{wanted} takes less than a tenth of the smallest number tried, {law.amount_min:,.0f} {of}"
    if math.isinf(low):
        return f"{wanted}: cannot be said: it takes more than {far}"
    if math.isinf(needed.amount):
        return f"{wanted}: cannot be said: it takes at least {_number(low)} {of}; the law is below it up to {far}"
    answer = f"{wanted} takes {_number(needed.amount)} {of}, 95 % interval {_number(low) if low else 0} .. "
    if math.isinf(high):
        return f"{answer}no upper end: it may level off below, or take more than {far}; {_remedy(of)}"
    beyond = (
        f"; beyond what was tried, {largest}, the law is trusted to go on" if needed.amount > law.amount_max else ""
    )
    return f"{answer}{_number(high)}{beyond}"


def _remedy(of: Of) -> str:
    return f"more numbers of {of}, further apart, tell more"


def _number(amount: float) -> str:
    """An amount to three digits."""
    return f"{float(f'{amount:.3g}'):,.0f}" if amount >= 10 else f"{amount:.3g}"


def _tell(interval: Interval) -> str:
    return f"[{interval.low:.4g}, {interval.high:.4g}]"
