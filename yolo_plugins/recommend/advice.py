"""Which network is best within a budget, by what was measured of its time and what the law says of its score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from yolo_plugins.recommend.cache import Measured
from yolo_plugins.recommend.networks import Network
from yolo_plugins.study.models import Models
from yolo_plugins.study.tables.quantities import QUANTITIES

CLEAR = 0.95  # probability to be the best, above which nothing has to be trained to decide


@dataclass(frozen=True)
class Budget:
    """What a network may take; None: as much as it likes.

    Attributes:
        max_ms: Milliseconds for a picture.
        max_params: Parameters.
        max_macs: Multiply-accumulates.
        max_mbytes: Millions of bytes of the file.
    """

    max_ms: float
    max_params: float | None = None
    max_macs: float | None = None
    max_mbytes: float | None = None

    def exceeded_by(self, network: Network, measured: Measured | None = None) -> tuple[str, ...]:
        """What a network exceeds, as far as it is known: `latency`, `parameters`, `MACs`, `bytes`."""
        row = network.candidate.row
        known = [("parameters", row["params"], self.max_params), ("MACs", row["macs"], self.max_macs)]
        if measured is not None:
            known += [
                ("latency", measured.latency.median_ms, self.max_ms),
                ("bytes", measured.n_bytes / 1e6, self.max_mbytes),
            ]
        return tuple(title for title, value, most in known if most is not None and value > most)

    def __str__(self) -> str:
        parts = [f"{self.max_ms:g} ms"]
        parts += [f"{self.max_params / 1e6:g} million parameters"] if self.max_params else []
        parts += [f"{self.max_macs / 1e9:g} GMACs"] if self.max_macs else []
        parts += [f"{self.max_mbytes:g} MB"] if self.max_mbytes else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Choice:
    """A network with all that is known of it.

    Attributes:
        network: What it is of.
        measured: Its latency and size.
        low: Lower end of the 95 % interval of the score that many runs tend to.
        expected: Its median.
        high: Its upper end.
        score: What the study measured; None where it was not trained.
        seeds: Runs that the score is the mean of; 0 where it was not trained.
        outside: Titles of what is outside the range of the study's models.
        exceeds: What of the budget it exceeds; empty where it fits.
        probability: To be the best of those that fit; 0 for the others.
        told_by_run: Share of the variance of its score that one more run would take away.
    """

    network: Network
    measured: Measured
    low: float
    expected: float
    high: float
    score: float | None
    seeds: int
    outside: tuple[str, ...]
    exceeds: tuple[str, ...]
    probability: float = 0.0
    told_by_run: float = 0.0

    @property
    def command(self) -> str:
        """What trains it, once more where the study has it."""
        return self.network.command + (f" --seed {self.seeds}" if self.seeds else "")


@dataclass
class Advice:
    """All that `recommend` found.

    Attributes:
        choices: Networks that fit by falling expectation, then the others by rising latency.
        train: The two, or fewer, that are to be trained to decide.
        notes: Sentences on what was left out, not reached, or is to be mistrusted.
    """

    choices: list[Choice]
    train: list[Choice]
    notes: list[str] = field(default_factory=list)

    @property
    def fitting(self) -> list[Choice]:
        """The networks within the budget."""
        return [choice for choice in self.choices if not choice.exceeds]


def advise(networks: Sequence[Network], measured: Mapping[str, Measured], models: Models, budget: Budget) -> Advice:
    """Joins latencies and the law of a study.

    Args:
        networks: Of which some are measured.
        measured: By their names.
        models: Of the study.
        budget: What they may take.
    """
    choices = [
        _choice(network, measured[network.name], models, budget) for network in networks if network.name in measured
    ]
    sign = 1 if QUANTITIES[models.y].larger_is_better else -1
    fitting = sorted((choice for choice in choices if not choice.exceeds), key=lambda choice: -sign * choice.expected)
    others = sorted(
        (choice for choice in choices if choice.exceeds), key=lambda choice: choice.measured.latency.median_ms
    )
    if fitting:
        rows = [choice.network.candidate.row for choice in fitting]
        fitting = [
            replace(choice, probability=float(probability), told_by_run=models.law.told_by_run(row))
            for choice, probability, row in zip(fitting, models.law.probability_best(rows), rows, strict=True)
        ]
    return Advice([*fitting, *others], to_train(fitting))


def to_train(fitting: Sequence[Choice]) -> list[Choice]:
    """Which two networks are to be trained to decide which is the best; none where that is clear.

    Those that are likely to be the best and of which a run would tell much: a network that was trained with several
    seeds is known, one that was never trained is not. What is outside the study's models comes last, since there the
    law, and so the probability, is a guess.
    """
    if len(fitting) < 2 or max(choice.probability for choice in fitting) >= CLEAR:
        return []
    return sorted(fitting, key=lambda choice: (bool(choice.outside), -choice.probability * choice.told_by_run))[:2]


def _choice(network: Network, measured: Measured, models: Models, budget: Budget) -> Choice:
    row, name = network.candidate.row, network.candidate.measured
    low, expected, high = models.law.interval(row)
    score, seeds = None, 0
    if name is not None:
        known = models.table.set_index("model").loc[name]
        score, seeds = float(known[models.y]), 1 if pd.isna(known["seeds"]) else int(known["seeds"])
    exceeds = budget.exceeded_by(network, measured)
    return Choice(network, measured, low, expected, high, score, seeds, models.law.outside(row), exceeds)
