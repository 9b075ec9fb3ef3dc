"""How many pictures, or epochs, one model needs to score as wanted: from a few runs that differ in that alone.

Files in, sentences out, and a figure; no torch. The law is that of `laws.budget_law`, of one point for each number of
pictures or epochs, the mean of its seeds.
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
from yolo_plugins.study.tables.protocols import refuse_mixture, tell_mixture
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
_FIGURE_INCHES = 2.6  # its height


@dataclass(frozen=True)
class _Curve:
    """The runs of one model, and their law.

    Attributes:
        model: Name of the model.
        place: Where its runs were read.
        points: `amount`, `value`, the mean over its runs, and `runs`, by amount.
        law: Of these points.
        runs: Rows of runs.csv, and
        protocols: of protocols.csv, without the keys in which runs of several amounts differ.
        notes: What was left out and what to know, a sentence each.
    """

    model: str
    place: str
    points: pd.DataFrame
    law: BudgetLaw
    runs: pd.DataFrame
    protocols: pd.DataFrame | None
    notes: tuple[str, ...]


def budget(
    sources: Sequence[Path],
    y: str,
    of: Of,
    want: float | None = None,
    against: Path | None = None,
    model: str | None = None,
    allow_mixed: bool = False,
    out: Path | None = None,
) -> str:
    """How many pictures or epochs a wanted performance takes.

    Args:
        sources: Folders above records of runs, at any depth; or tables of runs, with those of their protocols.
        y: Name of the performance.
        of: What the runs differ in.
        want: The performance that is wanted.
        against: In its place, another source, of one model: what each number of `sources` reached is wanted of it. So
            it is told how many pictures something is worth, such as the weights that `sources` began with.
        model: Whose runs of `sources` count; None where all are of one.
        allow_mixed: Whether the runs of a source may differ in more than that.
        out: Folder for a figure, `budget.png` and `budget.svg`.

    Returns:
        The points, the law, what it expects of more, and the number that is needed with its interval; or that this
        cannot be said, and why.

    Raises:
        UsageError: A source is not valid; the runs of one are of several models or protocols; they have too few
            amounts; or what is wanted is no value of this performance.
    """
    quantity = QUANTITIES[y]
    _check_wanted(want, quantity)
    curves = [_read_curve(sources, quantity, of, model, allow_mixed)]
    if against:
        curves.append(_read_curve([against], quantity, of, None, allow_mixed))
        _check_losses(pd.concat([curve.runs for curve in curves]), quantity, " and ".join(c.place for c in curves))
    lines = [line for curve in curves for line in _tell_curve(curve, quantity, of)]
    lines += _tell_worth(curves[0], curves[-1], quantity, of) if against else []
    lines += [_answer(curves[0].law, want, quantity, of)] if want is not None else []
    if out:
        lines.append(f"wrote {' and '.join(map(str, _save(curves, quantity, of, want, out)))}")
    return "\n".join([*lines, *_notes(curves, of)])


def _check_wanted(want: float | None, y: Quantity) -> None:
    try:
        if want is not None:
            transform(want, y.is_score, _sign(y))
    except ValueError as error:
        raise UsageError(f"--want {error}: give a value that {y.title} can have") from error


def _check_losses(runs: pd.DataFrame, y: Quantity, told: str) -> None:
    if y.by_loss and runs["loss"].nunique() > 1:
        raise UsageError(f"{told}: runs of several losses, whose {y.title} does not compare: give --y ap50")


def _sign(y: Quantity) -> int:
    return 1 if y.larger_is_better else -1


def _save(curves: Sequence[_Curve], y: Quantity, of: Of, want: float | None, folder: Path) -> list[Path]:
    from yolo_plugins.study.report.figure_budget import draw_curves  # matplotlib: half a second that few calls need
    from yolo_plugins.study.report.figure_style import column_figure, save_figure

    with column_figure(_FIGURE_INCHES) as (figure, axes):
        drawn = {name: (curve.points, curve.law) for name, curve in zip(_labels(curves), curves, strict=True)}
        draw_curves(axes, drawn, want)
        axes.set(xlabel=f"{of} in training" if of == "pictures" else of, ylabel=y.title)
        return save_figure(figure, folder / "budget")


def _labels(curves: Sequence[_Curve]) -> list[str]:
    """Their models; their places where two are of one model."""
    models = [curve.model for curve in curves]
    return models if len(set(models)) == len(models) else [curve.place for curve in curves]


def _notes(curves: Sequence[_Curve], of: Of) -> list[str]:
    notes = [note for curve in curves for note in curve.notes]
    if any(curve.law.n == FEWEST for curve in curves):
        notes.insert(0, f"{FEWEST} numbers of {of} cannot show where the curve levels off")
    if len(curves) > 1 and (apart := _tell_apart(curves)):
        notes.append(f"what is compared: {apart}")
    return [f"note: {note}" for note in dict.fromkeys(notes)]


def _tell_apart(curves: Sequence[_Curve]) -> str:
    """The first thing in which their runs were not trained alike; empty where there is none."""
    known = [curve.protocols for curve in curves if curve.protocols is not None]
    return tell_mixture(pd.concat([curve.runs for curve in curves]), _joined(known))


def _read_curve(sources: Sequence[Path], y: Quantity, of: Of, model: str | None, allow_mixed: bool) -> _Curve:
    """The points of one model and their law; arguments and errors as of `budget`."""
    runs, protocols, notes = _read_runs(sources)
    names = sorted(runs["model"].unique())
    told = ", ".join(map(str, sources))
    if len(names) > 1 if model is None else model not in names:
        wanted = "of several models" if model is None else f"without {model!r}"
        raise UsageError(f"{told}: runs {wanted}: give --model {' or --model '.join(names)}")
    model = model or names[0]
    runs, protocols = _without(runs[runs["model"] == model], protocols, _DIFFER[of])
    _check_losses(runs, y, told)
    notes += refuse_mixture(runs, protocols, allow_mixed)
    points, left_out = _points(runs, y, of, told)
    notes += left_out
    if len(points) < FEWEST:
        found = ", ".join(f"{amount:,}" for amount in points["amount"]) or "none"
        raise UsageError(
            f"{told}: a law needs {FEWEST} numbers of {of}, the runs of {model} have {len(points)} ({found}): "
            f"add runs with others{''.join(f'; {note}' for note in notes)}"
        )
    amounts, values, counts = (points[name].tolist() for name in ("amount", "value", "runs"))
    law = fit_budget_law(amounts, values, counts, y.is_score, _sign(y))
    return _Curve(model, told, points, law, runs, protocols, notes)


def _points(runs: pd.DataFrame, y: Quantity, of: Of, told: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """`_Curve.points` of runs that were read from `told`, and notes on those that are left out."""
    amount = _COLUMNS[of]
    if runs.duplicated([amount, "seed"]).any():
        twice = runs[runs.duplicated([amount, "seed"])].iloc[0]
        raise UsageError(f"{told}: two runs of {twice[amount]:,} {of} with seed {twice['seed']}: leave one out")
    notes: tuple[str, ...] = ()
    lacking = runs[runs[y.column].isna()]
    if len(lacking):
        notes += (f"without {y.title}, left out: {', '.join(_tell_runs(lacking, amount, of))}",)
    groups = runs.dropna(subset=[y.column]).groupby(amount)[y.column]
    table = groups.agg(value="mean", runs="size").rename_axis("amount").reset_index()
    inside = schema.is_inside(table["value"], y)
    if not inside.all():
        ends = ", ".join(f"{row.amount:,} {of} ({row.value:g})" for row in table[~inside].itertuples())
        notes += (f"{y.title} at an end of its scale, left out: {ends}",)
    return table[inside], notes


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
    return pd.concat(runs), _joined(protocols), ()


def _joined(protocols: Sequence[pd.DataFrame]) -> pd.DataFrame | None:
    """Several tables of protocols as one, each row once; None where there is no table."""
    return pd.concat(protocols).drop_duplicates() if protocols else None


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


def _tell_curve(curve: _Curve, y: Quantity, of: Of) -> list[str]:
    lines = [f"{curve.model}: {y.title} against {of}", f"{of:>12}  runs  {y.title}"]
    lines += [f"{row.amount:>12,}  {row.runs:>4}  {row.value:.4g}" for row in curve.points.itertuples()]
    return [*lines, _tell_law(curve.law, y, of), *_tell_more(curve.law, y, of)]


def _tell_worth(curve: _Curve, other: _Curve, y: Quantity, of: Of) -> Iterator[str]:
    """How many pictures or epochs of the other curve it takes to be as good as each point of the first."""
    name, against = _labels([curve, other])
    for row in curve.points.itertuples():
        yield f"{row.amount:,} {of} of {name}: of {against}, {_answer(other.law, row.value, y, of)}"


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
    wanted = f"{y.title} {want:.4g}"
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
