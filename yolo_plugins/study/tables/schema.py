"""The tables of the study as data: every column with its type, unit, range and meaning.

Fractions are 0..1, never percent; `macs` is the column and `flops` twice that. docs/results/README.md holds
`data_dictionary()`, and a test keeps it so.
"""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from yolo_plugins.errors import UsageError
from yolo_plugins.study.tables.csv_table import Column, DType, Table, check_header, read_table, read_text, write_table
from yolo_plugins.study.tables.families import ALL, GROUPS, NOT_YOLOV5, OTHER
from yolo_plugins.study.tables.quantities import OTHER_LOSS, QUANTITIES, Quantity, costs, of_source, performances

__all__ = [
    "BACKBONES",
    "COMPLEXITY",
    "EPOCHS",
    "FITS",
    "MODELS",
    "PROTOCOLS",
    "RUNS",
    "TABLES",
    "Column",
    "Table",
    "compares",
    "data_dictionary",
    "epochs_of_one_loss",
    "has_both",
    "identify",
    "is_drawable",
    "is_inside",
    "of_one_loss",
    "read_table",
    "write_table",
]


def _text(name: str, meaning: str, **limits: Any) -> Column:
    return Column(name, "text", "", meaning, **limits)


def _int(name: str, unit: str, meaning: str, low: int = 0, **limits: Any) -> Column:
    return Column(name, "int", unit, meaning, low=low, **limits)


def _float(name: str, unit: str, meaning: str, low: float | None = 0, **limits: Any) -> Column:
    return Column(name, "float", unit, meaning, low=low, **limits)


def _real(name: str, meaning: str, **limits: Any) -> Column:
    return Column(name, "float", "", meaning, **limits)


def _quantity(row: Quantity, meaning: str = "", **limits: Any) -> Column:
    """The column of a quantity."""
    kind: DType = "int" if row.whole else "float"
    column = Column(row.column, kind, row.unit, meaning or row.meaning, row.nullable, row.low, row.high)
    return replace(column, **limits)


_MODEL = _text("model", "Name of the model: its config without `.py`.")
_OWN = ", ".join(f"`{group.name}`" for group in GROUPS.values() if group.networks)
_FAMILY = _text("family", f"{_OWN}: its own backbone, neck and head; else `{OTHER}`.")
_SEED = _int("seed", "", "Seed of the run.")
_INPUT = (
    _int("input_h", "pixels", "Height of the network's input.", 1),
    _int("input_w", "pixels", "Width of the network's input.", 1),
)
_TOP1 = _float(
    "backbone_top1",
    "fraction",
    "ImageNet-1k top-1 accuracy of the published weights that the backbone began with; null: none, or unknown.",
    nullable=True,
    high=1,
)
_DATASET, _PRETRAINED = (
    _text(
        "dataset",
        "What it was trained and scored on; a checksum behind the name is equal only for equal data; null: unknown.",
        nullable=True,
    ),
    _text(
        "pretrained",
        "`none`: from scratch; else what its first weights were trained on, or which they are; null: unknown.",
        nullable=True,
    ),
)
_TRAINED = (
    _text("protocol_sha256", "Hash of all that is equal where runs are trained alike; null: unknown.", nullable=True),
    _text("loss", "Name that is equal for equal losses; null: unknown.", nullable=True),
    *(_DATASET, _PRETRAINED, _TOP1),
)
_PROTOCOL = _text(
    "protocol",
    "How it was trained, in words, where no `protocol_sha256` is recorded: told, never refused.",
    nullable=True,
)
_PEAK_MEMORY = "Largest memory held: by tensors on a CUDA device, else by the whole process."
RUN_QUANTITIES = [row for row in QUANTITIES.values() if row.role == "performance" or row.source == "score"]
RUNS = Table(
    "runs.csv",
    "A row is one training, complete unless it was stopped early: a model with a seed. Losses and scores are those of "
    "the last epoch, so none is selected on the test set, except `best_*`.",
    ("model", "seed", "config_sha256"),
    (
        *(_MODEL, _FAMILY),
        _text("backbone", "Class of the backbone; in brackets the network that it wraps.", nullable=True),
        _SEED,
        _text(
            "config_sha256", "Hash of the resolved config without its seed and the keys that say where and how it ran."
        ),
        *_TRAINED,
        _text("schedule", "Learning-rate schedule.", nullable=True),
        Column("amp", "bool", "", "Whether it trained in mixed precision."),
        _int("epochs", "epochs", "Length of the training.", 1),
        _text("stopped", "Why the study stopped it early; null: it did not.", nullable=True),
        _int("total_batch", "images", "Images in one step of the optimiser, over all devices.", 1),
        *_INPUT,
        _int("train_images", "images", "Size of the training set.", 1),
        _int("val_images", "images", "Size of the set that the scores are measured on.", 1, nullable=True),
        *(_quantity(row) for row in RUN_QUANTITIES),
        _quantity(
            QUANTITIES["ap50"],
            "Largest AP50 of any epoch: selected on the set that it is measured on.",
            name="best_ap50",
        ),
        _int("best_ap50_epoch", "epochs", "Its epoch, counted from 1.", 1, nullable=True),
        _float("train_seconds", "s", "Wall time of training, sum over epochs, without validation."),
        _float("epoch_seconds", "s", "Wall time of training, mean of an epoch."),
        _float("val_seconds", "s", "Wall time of validation, sum over epochs.", nullable=True),
        _int("peak_memory_bytes", "B", _PEAK_MEMORY),
        *(_quantity(row) for row in of_source("measured")),
        _float("images_per_second", "images/s", "1 / `latency_seconds`.", nullable=True),
        _text(
            "latency_precision",
            "What products were computed in while it was measured: `float32`, `tf32`, `bfloat16`, `float16`.",
            nullable=True,
        ),
        _text("device", "Name of the GPU, or of the CPU where there was none."),
        _int("device_count", "", "Number of devices.", 1),
        _int("threads", "", "CPU threads of one process.", 1),
        _text("started", "Time of the start, ISO 8601, UTC."),
        _text("git_commit", "Commit of this package, where it ran from a checkout.", nullable=True),
        Column("git_dirty", "bool", "", "Whether that checkout had changes.", nullable=True),
        *(_text(name, f"Version of {name}.") for name in ("python", "torch", "mmdet")),
        *(_text(name, f"Version of {name}.", nullable=True) for name in ("mmpretrain", "timm")),
        _text("yolo_plugins", "Version of yolo_plugins."),
        _text("command", "Command line of the run."),
    ),
)
PROTOCOLS = Table(
    "protocols.csv",
    "A row is one key of a protocol: of how runs were trained, whatever their model.",
    ("protocol_sha256", "key"),
    (
        _text("protocol_sha256", "Hash of the protocol, as in `runs.csv` and `models.csv`."),
        _text("key", "A dotted key of the resolved config, or a fact such as `total_batch`."),
        _text("value", "Its value, as JSON."),
    ),
)
EPOCHS = Table(
    "epochs.csv",
    "A row is one epoch of a run. Scores are null where the epoch was not validated.",
    ("model", "seed", "epoch"),
    (
        *(_MODEL, _SEED),
        _int("epoch", "epochs", "Counted from 1.", 1),
        *(_quantity(row) for source in ("loss", "epoch", "score") for row in of_source(source)),
        _int("peak_memory_bytes", "B", _PEAK_MEMORY),
        _int("images", "images", "Training images seen."),
    ),
    more=_quantity(OTHER_LOSS),
)
_PARTS = ("backbone", "neck", "head")
_FAR = 1e100  # beyond it and its inverse, the powers that laws and axes take leave the range of floats
COMPLEXITY = Table(
    "complexity.csv",
    "A row is one model in one form at one input size, counted for one image. One `mac` is a multiply and an add.",
    ("model", "form", "input_h", "input_w"),
    (
        _MODEL,
        _text("form", "`train`: as it is trained; `deploy`: norms folded into convolutions, branches merged."),
        *_INPUT,
        *(_quantity(row) for row in of_source("counted")),
        _int("flops", "", "2 x `macs`.", 2),
        *(
            _int(f"{quantity}_{part}", "", f"`{quantity}` of the {part}.", nullable=True)
            for part in _PARTS
            for quantity in ("params", "macs", "flops")
        ),
        _int("macs_thop", "", "What thop counts, which adds norms, pooling and upsampling.", nullable=True),
        _text(
            "uncounted_operators", "Arithmetic in no count, of `macs` and `macs_thop`, joined by spaces.", nullable=True
        ),
        _text("uncounted_by_thop", "Modules whose products thop cannot see, joined by spaces.", nullable=True),
    ),
)
MODELS = Table(
    "models.csv",
    "A row is one model: params and macs of its train form, and means over its seeds. `published.csv` is of this kind.",
    ("model",),
    (
        *(_MODEL, _FAMILY, *_INPUT),
        *(_quantity(row) for row in costs().values()),
        *(_quantity(row, nullable=True) for row in performances().values()),
        *(
            _float(f"{name}_sd", row.unit, f"Standard deviation of `{name}` over the seeds.", nullable=True)
            for name, row in performances().items()
        ),
        _int("seeds", "", "Number of runs that the means are over.", 1, nullable=True),
        *_TRAINED,
        _PROTOCOL,
        _int("year", "", "Year of that protocol.", 1, nullable=True),
        _text("source", "Where the figures come from, if not from runs.", nullable=True),
    ),
)
BACKBONES = Table(
    "published_backbones.csv",
    "A row is one backbone under one detector, of others: how its own costs and accuracy go with the detector's score.",
    ("detector", "backbone"),
    (
        _text("detector", "All but the backbone, equal for all its rows."),
        _text("backbone", "The network."),
        _text("family", "Networks of one design."),
        _int("params", "", "Parameters of the whole detector.", 1, nullable=True),
        _int("params_backbone", "", "Parameters of the backbone, with its classifier.", 1, nullable=True),
        _int("macs_backbone", "", "Multiply-accumulates of the backbone at 224 x 224 pixels.", 1, nullable=True),
        _TOP1,
        _quantity(QUANTITIES["ap50_95"], nullable=False),
        *(_DATASET, _PRETRAINED, _PROTOCOL),
        _text("source", "Where the figures come from; `(from memory)`: not checked."),
    ),
)
_X = ", ".join(f"`{name}`" + (f" (`{row.column}`)" if row.column != name else "") for name, row in costs().items())
_OF_LN = "of ln y about the line"
FITS = Table(
    "fits.csv",
    "A row is one power law, y = `coefficient` * x^`exponent`, fitted to one group of models by least squares of ln y "
    "on ln x. Intervals hold 95 % and are of Student's t unless said otherwise.",
    ("x", "y", "group"),
    (
        _text("x", f"The cost on the abscissa, a column of models.csv: {_X}."),
        _text("y", "The performance on the ordinate, a column of models.csv."),
        _text("group", f"`{ALL}`, a family, or `{NOT_YOLOV5}`: the models outside YOLOv5, where they are of several."),
        _int("n", "models", "Number of points.", 3),
        _real("exponent", "Slope of ln y on ln x."),
        _float("exponent_stderr", "", "Its standard error."),
        _real("exponent_low", "Lower end of its interval."),
        _real("exponent_high", "Upper end of its interval."),
        _real("exponent_boot_low", "Lower end of its bootstrap interval.", nullable=True),
        _real("exponent_boot_high", "Upper end of its bootstrap interval.", nullable=True),
        _float("coefficient", "", "y at x = 1."),
        _float("coefficient_low", "", "Lower end of its interval."),
        _float("coefficient_high", "", "Upper end of its interval."),
        _real("r2", "Share of the variance of ln y that the line explains."),
        _int("residual_dof", "", "Residual degrees of freedom, n - 2.", 1),
        _float("residual_sd", "", f"Residual standard deviation {_OF_LN}."),
        _real("mean_log_x", "Mean of ln x."),
        _float("sum_squares_log_x", "", "Sum of (ln x - mean)^2."),
        _float("x_min", "", "Smallest x fitted, in the unit of its column."),
        _float("x_max", "", "Largest x fitted."),
        _real("theil_sen_exponent", "Median of the slopes between all pairs: robust against outliers."),
        _real("theil_sen_low", "Lower end of its interval."),
        _real("theil_sen_high", "Upper end of its interval."),
        _float("upper_tau", "fraction", "Quantile of the line of what is attainable.", high=1),
        _real("upper_exponent", "Exponent of that line, by quantile regression of ln y on ln x."),
        _float("upper_coefficient", "", "Coefficient of that line."),
        _float("loo_rms", "", "Root mean square of ln(y / prediction by the law without this model).", nullable=True),
        _text("loo_worst", "The model with the largest of these errors.", nullable=True),
        _real("aicc_power", "Corrected information criterion of the power law: smaller is better.", nullable=True),
        _real("aicc_saturating", "The same of y = a - b x^-c, which has a limit; needs nine models.", nullable=True),
        _real("saturation", "That limit, a.", nullable=True),
        _text("most_influential", "The model with the largest Cook's distance.", nullable=True),
        _float("max_cooks_distance", "", "Cook's distance of that model.", nullable=True),
        _float("max_leverage", "", "Largest leverage of any model."),
        _real("exponent_without_most_influential", "Exponent of the others; needs four models.", nullable=True),
        _float("influence_ratio", "", "y of `most_influential` over what the other models expect.", nullable=True),
        _float("influence_p", "", "p of a model as far off the line of the others, of n.", nullable=True, high=1),
        _real("spread_trend", "Change of the squared residuals, over their mean, with ln x.", nullable=True),
        _float("spread_p", "", "p of such a trend where all scatter alike, Koenker's test.", nullable=True, high=1),
        _float(
            "families_share", "fraction", f"Share of the variance {_OF_LN}: between families.", nullable=True, high=1
        ),
        _float("families_p", "", "p of such families where all scatter alike, F test.", nullable=True, high=1),
        _float("effective_n", "models", "Independent models that tell as much as n of such families.", nullable=True),
        _float("highest_y", "", "Largest y of the 95 % prediction intervals at `x_min` and `x_max`."),
        _text("compared_with", "The group that the next columns compare this one with.", nullable=True),
        _float("level_ratio", "", "y over that group's at equal x, lines of one slope.", nullable=True),
        _float("level_ratio_low", "", "Lower end of its interval.", nullable=True),
        _float("level_ratio_high", "", "Upper end of its interval.", nullable=True),
        _float("level_p", "", "Two-sided p of a ratio of 1, by analysis of covariance.", nullable=True, high=1),
        _real("slope_difference", "Exponent minus that group's.", nullable=True),
        _real("slope_difference_low", "Lower end of its interval.", nullable=True),
        _real("slope_difference_high", "Upper end of its interval.", nullable=True),
        _float("slope_p", "", "Two-sided p of equal exponents, by analysis of covariance.", nullable=True, high=1),
        _float("equal_spread_p", "", "p of one scatter about both lines, which they assume.", nullable=True, high=1),
    ),
)
TABLES = (RUNS, PROTOCOLS, EPOCHS, COMPLEXITY, MODELS, FITS, BACKBONES)


def identify(path: str | Path) -> Table:
    """The table whose columns a CSV file has.

    Raises:
        UsageError: The file cannot be read or is empty; its columns are those of no table.
    """
    header = next(csv.reader(io.StringIO(read_text(path), newline="")), [])
    table = max(TABLES, key=lambda table: _likeness(table, set(header)))
    if not set(header) & set(table.column_names) and len(header) > 1:
        names = ", ".join(table.name for table in TABLES)
        raise UsageError(f"{path}, line 1: no column of any table of the study ({names}): give one of these")
    check_header(header, path, table)
    return table


def _likeness(table: Table, header: set[str]) -> tuple[int, int]:
    """How many of these names are the table's; where several know as many, that misses the fewest counts."""
    needed = {column.name for column in table.columns if not column.nullable}
    return len(header & set(table.column_names)), -len(needed - header)


def has_both(models: pd.DataFrame, x: str, y: str) -> pd.Series:
    """Which rows of models.csv have a cost and a performance; a column that nobody filled may be absent.

    Args:
        models: Of the schema MODELS.
        x: Name of a cost.
        y: Name of a performance.
    """
    return models.reindex(columns=[QUANTITIES[x].column, y]).notna().all(axis="columns")


def of_one_loss(models: pd.DataFrame) -> pd.Series:
    """Which rows were trained on the loss that most of them were trained on, as all are where none is known.

    Args:
        models: Of the schema MODELS.
    """
    losses = models.reindex(columns=["loss"])["loss"].astype("str").fillna("")
    return losses.isin(losses.mode()[:1])


def epochs_of_one_loss(epochs: pd.DataFrame, models: pd.DataFrame) -> pd.DataFrame:
    """The rows of epochs.csv whose models are `of_one_loss`."""
    return epochs[epochs["model"].isin(models.loc[of_one_loss(models), "model"])]


def compares(models: pd.DataFrame, x: str, y: str) -> pd.Series:
    """Which rows of `has_both` share axes and laws: where y is `by_loss`, those of one loss. Arguments are the same."""
    both = has_both(models, x, y)
    if not QUANTITIES[y].by_loss:
        return both
    return both & of_one_loss(models[both]).reindex(models.index, fill_value=False)


def is_inside(values: pd.Series, quantity: Quantity) -> pd.Series:
    """Which values have a place in laws and on logarithmic axes: not null, above 0, and below the ceiling of a score.

    Args:
        values: A column of a table.
        quantity: What it holds.
    """
    return (values > 1 / _FAR) & (values < (_FAR if quantity.high is None else quantity.high))


def is_drawable(models: pd.DataFrame, x: str, y: str) -> pd.Series:
    """Which rows of `compares` have both numbers inside; arguments as for `has_both`."""
    pair = models.reindex(columns=[QUANTITIES[x].column, y]).astype(float)
    inside = is_inside(pair.iloc[:, 0], QUANTITIES[x]) & is_inside(pair.iloc[:, 1], QUANTITIES[y])
    return inside & compares(models, x, y)


def data_dictionary() -> str:
    """Markdown: for each table what a row is, the key, and a line for each column."""
    return "\n".join(_describe(table) for table in TABLES)


def _describe(table: Table) -> str:
    lines = [f"### `{table.name}`", "", f"{table.meaning} Key: {', '.join(f'`{name}`' for name in table.key)}.", ""]
    lines += ["| column | type | unit | null | meaning |", "|---|---|---|---|---|"]
    for column in (*table.columns, *([replace(table.more, name=f"{table.more.name}*")] if table.more else [])):
        bounds = ["" if bound is None else f"{bound:g}" for bound in (column.low, column.high)]
        scope = f" {bounds[0]}..{bounds[1]}" if any(bounds) else ""
        null = "yes" if column.nullable else ""
        lines.append(f"| `{column.name}` | {column.dtype}{scope} | {column.unit} | {null} | {column.meaning} |")
    return "\n".join([*lines, ""])
