"""What a study measures, one row a quantity; every table, figure, page and help text takes its quantities from here.

A new cost or performance is a new row: its column, laws, figures, choices on the page and `--x`, `--y` follow from it.
Importing this loads nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from yolo_plugins.costs.utilization import flops_of

DEFAULT_COST, DEFAULT_PERFORMANCE = "macs", "inverse_normalized_loss"  # the paper's
DEFAULT_PREDICTOR = "params"  # with the input size, it says more of a score than FLOPs do


@dataclass(frozen=True)
class Quantity:
    """A quantity of a model, or of a model at each epoch.

    Attributes:
        name: In `--x` and `--y`, and in fits.csv; a performance and a curve have it as the name of their column too.
        role: `cost` and `performance` are fitted against each other and stand in models.csv; a `curve` is only shown
            epoch by epoch.
        source: Where the record of a run holds it, and so which tables have it. `counted`: exactly, for every form of
            a model, in complexity.csv. `measured`: in the run, beside the counts, in runs.csv. `summary`: of the whole
            run, in runs.csv. `score`: what the evaluator calls so, in runs.csv and epochs.csv. `loss`: what was
            trained on or a term of it; `epoch`: what else the epoch tells; both in epochs.csv.
        title: In sentences, choices and headings.
        meaning: One sentence for the data dictionary.
        column: In the tables.
        unit: Of the column; empty for a number without one.
        low: Smallest value allowed.
        high: Largest value allowed.
        whole: Whether it is a whole number.
        nullable: Whether the column may be empty; in models.csv a performance always may.
        larger_is_better: Its direction.
        scale: Factor from the unit of the column to that of axes, headings and sentences; of a performance 1.
        axis_unit: The scaled unit on axes.
        spoken_unit: What follows a scaled value in a sentence, and stands above a column of them.
        axis_title: On axes, where it is longer than the title.
        per_input: Whether axes tell for which input size it holds.
        by_loss: Whether its values compare only among models that were trained on one loss.
    """

    name: str
    role: Literal["cost", "performance", "curve"]
    source: Literal["counted", "measured", "summary", "score", "loss", "epoch"]
    title: str
    meaning: str
    column: str = ""
    unit: str = ""
    low: float | None = 0
    high: float | None = None
    whole: bool = False
    nullable: bool = True
    larger_is_better: bool = True
    scale: float = 1.0
    axis_unit: str = ""
    spoken_unit: str = ""
    axis_title: str = ""
    per_input: bool = False
    by_loss: bool = False

    def __post_init__(self) -> None:
        """Fills in what follows from other fields."""
        object.__setattr__(self, "column", self.column or self.name)
        object.__setattr__(self, "axis_title", self.axis_title or self.title)

    @property
    def heading(self) -> str:
        """Of a column with scaled values."""
        return self.spoken_unit or self.title

    @property
    def is_score(self) -> bool:
        """Whether its scale has two ends, 0 and 1."""
        return self.high is not None

    def tell(self, value: float) -> str:
        """A value of the column in a sentence: `7.24 million parameters`."""
        return f"{value * self.scale:.4g} {self.heading}"


def score(name: str, role: Literal["performance", "curve"], title: str, meaning: str, axis_title: str = "") -> Quantity:
    """A row of a score: a fraction, the larger the better."""
    return Quantity(name, role, "score", title, meaning, unit="fraction", high=1, axis_title=axis_title)


def loss(name: str, title: str, meaning: str, low: float | None = 0) -> Quantity:
    """A row of a term of the training loss."""
    return Quantity(name, "curve", "loss", title, meaning, low=low, larger_is_better=False, by_loss=True)


def seconds(name: str, title: str, meaning: str, nullable: bool) -> Quantity:
    """A row of a time that each epoch takes."""
    return Quantity(
        name, "curve", "epoch", title, meaning, unit="s", nullable=nullable, larger_is_better=False, axis_unit="seconds"
    )


_ROWS = (
    Quantity(
        "params",
        "cost",
        "counted",
        "parameters",
        "Parameters.",
        low=1,
        whole=True,
        nullable=False,
        larger_is_better=False,
        scale=1e-6,
        axis_unit="millions",
        spoken_unit="million parameters",
    ),
    Quantity(
        "macs",
        "cost",
        "counted",
        "FLOPs",
        "Multiply-accumulates of convolutions and matrix products.",
        low=1,
        whole=True,
        nullable=False,
        larger_is_better=False,
        scale=flops_of(1) * 1e-9,
        axis_unit="billions",
        spoken_unit="GFLOPs",
        per_input=True,
    ),
    Quantity(
        "latency",
        "cost",
        "measured",
        "latency",
        "Median time of the deploy form for one image, batch 1; null where the machine was busy meanwhile.",
        column="latency_seconds",
        unit="s",
        larger_is_better=False,
        scale=1e3,
        axis_unit="milliseconds",
        spoken_unit="ms latency",
    ),
    Quantity(
        "train_loss",
        "performance",
        "loss",
        "training loss",
        "Mean training loss over the iterations of the epoch, the sum of its terms.",
        nullable=False,
        larger_is_better=False,
        by_loss=True,
    ),
    Quantity(
        "inverse_normalized_loss",
        "performance",
        "summary",
        "inverse normalised loss",
        "Largest epoch's mean training loss of the run over the last epoch's: the paper's loss metric.",
        low=1,
        by_loss=True,
    ),
    score(
        "ap50",
        "performance",
        "AP50",
        "Mean over classes of the average precision at IoU 0.5; difficult objects are ignored.",
    ),
    score("ap50_95", "performance", "AP50-95", "The same, mean over the IoU 0.5, 0.55 .. 0.95."),
    score("precision", "curve", "precision", "Precision at the confidence of the largest F1."),
    score(
        "recall",
        "performance",
        "recall",
        "Recall at the confidence of the largest F1, as YOLOv5 prints it.",
        axis_title="recall at the maximum of F1",
    ),
    score("recall_max", "curve", "largest recall", "Largest recall at any confidence."),
    loss("box", "box loss", "Its term of the boxes."),
    loss("obj", "objectness loss", "Its term of the objectness."),
    loss("cls", "class loss", "Its term of the classes."),
    seconds("train_seconds", "training time of an epoch", "Wall time of training.", nullable=False),
    seconds("data_seconds", "time waiting for data", "Its part spent waiting for data.", nullable=False),
    seconds("val_seconds", "validation time", "Wall time of validation.", nullable=True),
    Quantity("lr", "curve", "epoch", "learning rate", "Learning rate after the last iteration.", nullable=False),
)
QUANTITIES = {row.name: row for row in _ROWS}
OTHER_LOSS = loss("loss_", "", "Any other term, by the name that the loss gives it.", low=None)


def costs() -> dict[str, Quantity]:
    """The costs by name."""
    return {name: row for name, row in QUANTITIES.items() if row.role == "cost"}


def performances() -> dict[str, Quantity]:
    """The performances by name."""
    return {name: row for name, row in QUANTITIES.items() if row.role == "performance"}


def of_source(*sources: str) -> list[Quantity]:
    """The quantities that a record holds in these places."""
    return [row for row in QUANTITIES.values() if row.source in sources]


def curves(columns: Iterable[str]) -> dict[str, Quantity]:
    """The quantities among these columns of epochs.csv, by column; further terms of the loss come last."""
    columns = list(columns)
    known = {row.column: row for row in of_source("loss", "score", "epoch") if row.column in columns}
    return known | {
        name: other_loss(name) for name in columns if name not in known and name.startswith(OTHER_LOSS.name)
    }


def other_loss(column: str) -> Quantity:
    """The term of the loss that a column of its own name has."""
    return loss(column, f"{column.removeprefix(OTHER_LOSS.name)} loss", OTHER_LOSS.meaning, low=OTHER_LOSS.low)


def with_unit(title: str, unit: str) -> str:
    """`title (unit)`, or the title where there is no unit."""
    return f"{title} ({unit})" if unit else title
