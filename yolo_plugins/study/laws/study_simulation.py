"""Simulated studies with known truth: do predictions cover what they claim, are probabilities of being better right?

Each study goes through `StudyLaw`, as real ones do. Costs are uniform in ln x over a factor of 50; scores are drawn on
the logit, where 0.15 is 3 to 4 points of AP between 0.3 and 0.7.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from yolo_plugins.study.laws.doubts import warns
from yolo_plugins.study.laws.power_law import LEVEL, Array, fit_power_law
from yolo_plugins.study.laws.prediction import StudyLaw
from yolo_plugins.study.laws.simulation import Share, share_of

_LEAST_COST, _FACTOR = 2e6, 50.0  # parameters, as from YOLOv5n to YOLOv5x
_Y = "ap50_95"
_DRAWS = 2**9  # a quarter of those of real studies, for speed
BINS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)  # of the probability that is stated of two models
BEST_BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)  # of that of the likeliest of many to be the best


def _line(log_cost: Array) -> Array:
    return -1.1 + 0.33 * log_cost


def _power_law(log_cost: Array) -> Array:
    return np.asarray(special.logit(0.15 * np.exp(0.2 * log_cost)))


def _ceiling(log_cost: Array) -> Array:
    return np.asarray(special.logit(0.6 - 0.35 * np.exp(-0.6 * log_cost)))


def _near_one(log_cost: Array) -> Array:
    return 1.5 + 0.6 * log_cost


def _near_zero(log_cost: Array) -> Array:
    return -5.5 + 0.4 * log_cost


@dataclass(frozen=True)
class Design:
    """What simulated studies have in common.

    Attributes:
        name: In tables.
        mean: Logit of the score by ln(cost / smallest cost).
        sd: Of the models about it, at the smallest cost.
        growth: Factor of that from the smallest to the largest cost.
        families: Whether there is one family for each four models, at least two; else each model is of its own.
        family_sd: Between their levels.
        seeds: Runs of the first `repeated` models.
        repeated: How many models were trained with several seeds; None for all.
        seed_sd: Of one run about its model, in the median of models.
        unlike: Standard deviation of ln `seed_sd` between models.
        crowded: Whether all models but one are within a factor of 6 in cost, and that one at the end.
    """

    name: str
    mean: Callable[[Array], Array] = field(default=_line, repr=False)
    sd: float = 0.15
    growth: float = 1.0
    families: bool = False
    family_sd: float = 0.0
    seeds: int = 1
    repeated: int | None = None
    seed_sd: float = 0.0
    unlike: float = 0.0
    crowded: bool = False

    def spread(self, log_cost: Array) -> Array:
        """Standard deviation of the models at each ln cost."""
        return self.sd * self.growth ** (log_cost / np.log(_FACTOR))


PREDICTION_DESIGNS = (
    Design("line"),
    Design("power law", _power_law, sd=0.12),
    Design("ceiling", _ceiling, sd=0.08),
    Design("families", sd=0.08, families=True, family_sd=0.2),
    Design("spread x 4", sd=0.08, growth=4),
    Design("spread / 4", sd=0.32, growth=1 / 4),
    Design("leverage", crowded=True),
    Design("3 seeds", sd=0.1, seeds=3, seed_sd=0.1),
    Design("near 1", _near_one, sd=0.3),
    Design("near 0", _near_zero, sd=0.3),
)
_SEEDS = Design("3 seeds each", seeds=3, seed_sd=0.15)
COMPARISON_DESIGNS = (
    _SEEDS,
    replace(_SEEDS, name="3 seeds, unlike", unlike=1.0),
    replace(_SEEDS, name="3 seeds, noise x 3", sd=0.05),
    replace(_SEEDS, name="2 seeds of 5 models", seeds=2, repeated=5),
    replace(_SEEDS, name="2 of 5, unlike", seeds=2, repeated=5, unlike=1.0),
    replace(_SEEDS, name="one seed", seeds=1),
    replace(_SEEDS, name="families, 3 seeds", sd=0.08, families=True, family_sd=0.2, seed_sd=0.08),
    replace(_SEEDS, name="3 seeds, spread x 4", sd=0.08, growth=4, seed_sd=0.1),
)


@dataclass(frozen=True)
class Simulated:
    """One study with what it tried to measure.

    Attributes:
        design: How it was drawn.
        models: Of the schema MODELS, as far as the law reads it.
        truth: (n,) logit of what the models would score over many runs.
        levels: (f,) of its families.
    """

    design: Design
    models: pd.DataFrame
    truth: Array
    levels: Array

    def draw_model(self, log_cost: float, family: int | None, rng: np.random.Generator) -> tuple[dict[str, Any], float]:
        """A model more: what is known of it, and the logit of what it would score over many runs.

        Args:
            log_cost: ln(cost / smallest cost).
            family: Number of its family; None for a new one.
            rng: Where from.
        """
        design, place = self.design, np.array([log_cost])
        level = self.levels[family] if family is not None else design.family_sd * rng.standard_normal()
        truth = design.mean(place) + level + design.spread(place) * rng.standard_normal()
        name = f"family {family}" if family is not None and design.families else "new"
        return _row("candidate", name, log_cost), float(truth[0])

    def measure(self, truth: float, runs: int, rng: np.random.Generator) -> float:
        """The score of a mean of runs of a model that is not of the study."""
        sd = self.design.seed_sd * np.exp(self.design.unlike * rng.standard_normal())
        return float(special.expit(truth + sd * rng.standard_normal(runs)).mean())


def simulate_study(design: Design, n: int, rng: np.random.Generator) -> Simulated:
    """Draws a study of n models."""
    log_cost = np.log(_FACTOR) * rng.random(n)
    if design.crowded:
        log_cost = np.append(np.log(6) * rng.random(n - 1), np.log(_FACTOR))
    families = np.arange(n) % max(2, n // 4) if design.families else np.arange(n)
    levels = design.family_sd * rng.standard_normal(families.max() + 1)
    truth = design.mean(log_cost) + levels[families] + design.spread(log_cost) * rng.standard_normal(n)
    sds = design.seed_sd * np.exp(design.unlike * rng.standard_normal(n))
    rows = []
    for index in range(n):
        runs = design.seeds if design.repeated is None or index < design.repeated else 1
        scores = special.expit(truth[index] + sds[index] * rng.standard_normal(runs))
        deviation = float(scores.std(ddof=1)) if runs > 1 else np.nan
        row = _row(f"model {index}", f"family {families[index]}", log_cost[index])
        rows.append(row | {_Y: float(scores.mean()), f"{_Y}_sd": deviation, "seeds": float(runs)})
    return Simulated(design, pd.DataFrame(rows), truth, levels)


def _row(model: str, family: str, log_cost: float) -> dict[str, Any]:
    return {
        "model": model,
        "family": family,
        "params": float(_LEAST_COST * np.exp(log_cost)),
        "input_h": 640,
        "input_w": 640,
    }


def assess_predictions(
    design: Design, n: int, studies: int, seed: int = 0, progress: Callable[[], object] = lambda: None
) -> dict[str, Share]:
    """How often the 95 % interval holds a new model, by the place of its cost and what is known of its family.

    And, as `warned`, in how many of the studies the report warns of the line through them, whatever it warns of.

    Args:
        design: Of the studies.
        n: Models of a study.
        studies: How many.
        seed: Of the draws.
        progress: Called after every study.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, list[bool]] = {}
    for study, law in _fitted(design, n, studies, rng, progress):
        for name, log_cost, family, runs in _questions(study, law, rng):
            model, truth = study.draw_model(log_cost, family, rng)
            place = law.place(model, study.measure(truth, runs, rng), runs)
            found.setdefault(name, []).append(abs(place - 0.5) <= LEVEL / 2)
        found.setdefault("warned", []).append(_warns(study.models))
    return {name: share_of(hits) for name, hits in found.items()}


def _fitted(
    design: Design, n: int, studies: int, rng: np.random.Generator, progress: Callable[[], object]
) -> Iterator[tuple[Simulated, StudyLaw]]:
    """Studies with the laws that are fitted to them, one after the other; after each `progress` is called."""
    for _ in range(studies):
        study = simulate_study(design, n, rng)
        yield study, StudyLaw(study.models, "params", _Y, _DRAWS)
        progress()


def _within(study: Simulated, rng: np.random.Generator) -> tuple[float, float, int | None]:
    """Least and greatest ln cost of the models of a study, and one of its families where it has some."""
    log_cost = np.log(study.models["params"].to_numpy(float) / _LEAST_COST)
    family = int(rng.integers(len(study.levels))) if study.design.families else None
    return log_cost.min(), log_cost.max(), family


def _warns(models: pd.DataFrame) -> bool:
    """Whether the report of a study warns of its line."""
    law = fit_power_law(*(models[column].tolist() for column in ("params", _Y, "model")))
    return warns(law, models["family"].tolist(), 1.0)


def _questions(
    study: Simulated, law: StudyLaw, rng: np.random.Generator
) -> Iterator[tuple[str, float, int | None, int]]:
    """Name, ln cost, family and runs of each model that a study is asked about."""
    low, high, family = _within(study, rng)
    if family is not None:
        yield "new family", rng.uniform(low, high), None, law.runs
    yield "within", rng.uniform(low, high), family, law.runs
    yield "smallest", low, family, law.runs
    yield "largest", high, family, law.runs
    if law.runs > 1:
        yield "one run", rng.uniform(low, high), family, 1
    yield "3 x beyond", high + np.log(3), family, law.runs


def assess_comparisons(
    design: Design, n: int, studies: int, seed: int = 0, progress: Callable[[], object] = lambda: None
) -> pd.DataFrame:
    """What is said of which of two models is better, and how often it is: said, true, count, by `BINS`.

    Args:
        design: Of the studies.
        n: Models of a study; n / 2 pairs of each are compared.
        studies: How many.
        seed: Of the draws.
        progress: Called after every study.
    """
    rng = np.random.default_rng(seed)
    said, true = [], []
    for study, law in _fitted(design, n, studies, rng, progress):
        rows = [row for _, row in study.models.iterrows()]
        for first, second in rng.permutation(n)[: n // 2 * 2].reshape(-1, 2):
            probability, is_better = law.compare(rows[first], rows[second]), study.truth[first] > study.truth[second]
            said.append(max(probability, 1 - probability))
            true.append(is_better == (probability > 0.5))
    return _by_bins(said, true, BINS)


def assess_best(
    design: Design, n: int, studies: int, seed: int = 0, progress: Callable[[], object] = lambda: None
) -> pd.DataFrame:
    """What is said of the likeliest of n models to be the best, and how often it is: said, true, count, by `BEST_BINS`.

    Half of the models are of the study, the others are new, at costs within its own: as `recommend` asks.

    Args:
        design: Of the studies.
        n: Models of a study.
        studies: How many.
        seed: Of the draws.
        progress: Called after every study.
    """
    rng = np.random.default_rng(seed)
    said, true = [], []
    for study, law in _fitted(design, n, studies, rng, progress):
        known = rng.permutation(n)[: n // 2]
        rows: list[Mapping[str, Any]] = [study.models.iloc[place].to_dict() for place in known]
        new = [_new_model(study, number, rng) for number in range(n - len(known))]
        truth = [*study.truth[known], *(value for _, value in new)]
        probabilities = law.probability_best([*rows, *(row for row, _ in new)])
        named = int(probabilities.argmax())
        said.append(float(probabilities[named]))
        true.append(named == int(np.argmax(truth)))
    return _by_bins(said, true, BEST_BINS)


def _new_model(study: Simulated, number: int, rng: np.random.Generator) -> tuple[dict[str, Any], float]:
    """As `Simulated.draw_model`, within the costs of the study; in a family of its own where the models have none."""
    low, high, family = _within(study, rng)
    row, truth = study.draw_model(rng.uniform(low, high), family, rng)
    own = {} if study.design.families else {"family": f"new {number}"}
    return row | own | {"model": f"new {number}"}, truth


def _by_bins(said: list[float], true: list[bool], bins: tuple[float, ...]) -> pd.DataFrame:
    """Means of what was said and of what was true, and how many there are, by bins of what was said."""
    table = pd.DataFrame({"said": said, "true": true})
    grouped = table.groupby(pd.cut(table["said"], [*bins[:-1], np.inf], right=False), observed=False)
    return grouped.mean().assign(count=grouped.size()).rename_axis("bin")


def format_predictions(rows: list[tuple[Design, int, dict[str, Share]]]) -> str:
    """A table for the terminal, a line for each design and number of models, shares in percent."""
    names = list(dict.fromkeys(name for *_, shares in rows for name in shares))
    width = max(len(design.name) for design, *_ in rows)
    lines = [f"{'design':<{width}} {'n':>3} " + " ".join(f"{name:>12}" for name in names)]
    for design, n, shares in rows:
        cells = " ".join(f"{_tell(shares.get(name)):>12}" for name in names)
        lines.append(f"{design.name:<{width}} {n:>3} {cells}")
    return "\n".join(lines)


def format_probabilities(rows: list[tuple[Design, int, pd.DataFrame]]) -> str:
    """A table for the terminal, a line for each design and number of models: share true / mean said, in percent."""
    width = max(len(design.name) for design, *_ in rows)
    bins = [f"{100 * one.left:.3g} to {100 * min(one.right, 1):.3g}" for one in rows[0][2].index]
    lines = [f"{'true / said':<{width}} {'n':>3} " + " ".join(f"{name:>12}" for name in bins)]
    for design, n, table in rows:
        pairs = zip(table["true"], table["said"], strict=True)
        told = ("" if np.isnan(said) else f"{100 * true:.1f} / {100 * said:.1f}" for true, said in pairs)
        cells = " ".join(f"{cell:>12}" for cell in told)
        lines.append(f"{design.name:<{width}} {n:>3} {cells}")
    return "\n".join(lines)


def _tell(share: Share | None) -> str:
    return "" if share is None else f"{100 * share.value:.1f} ± {100 * share.stderr:.1f}"
