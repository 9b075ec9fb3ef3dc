"""What is recommended, in words and as a table."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from yolo_plugins.costs.latency import Latency
from yolo_plugins.recommend.advice import CLEAR, Advice, Budget, Choice
from yolo_plugins.recommend.cache import Measured
from yolo_plugins.recommend.networks import Network
from yolo_plugins.recommend.time_law import TimeLaw
from yolo_plugins.study.models import Models, describe_law
from yolo_plugins.study.tables.csv_table import Column, Table, write_table
from yolo_plugins.study.tables.quantities import QUANTITIES

_SHOWN = 25  # networks that fit, in the table on the screen

TABLE = Table(
    "recommend.csv",
    "A row is one network that was measured on one machine.",
    ("model",),
    (
        Column("model", "text", "", "In the study, where it is measured there; else its config or backbone."),
        Column("fits", "bool", "", "Whether it is within the budget."),
        Column("exceeds", "text", "", "What of the budget it exceeds.", nullable=True),
        Column("latency_ms", "float", "ms", "Median time of one picture; of a single call where `rounds` is 1.", low=0),
        Column("latency_low_ms", "float", "ms", "Lower end of the 95 % interval of the median.", low=0),
        Column("latency_high_ms", "float", "ms", "Its upper end.", low=0),
        Column("rounds", "int", "", "How often it was timed.", low=1),
        Column("predicted_ms", "float", "ms", "What was expected before it was measured.", nullable=True, low=0),
        Column("measured_on", "text", "", "When, ISO 8601."),
        Column("params", "int", "", "Parameters.", low=1),
        Column("macs", "int", "", "Multiply-accumulates of convolutions and matrix products.", low=1),
        Column("file_bytes", "int", "B", "Of the file that the runtime loads; of torch's, of the weights.", low=1),
        Column("expected", "float", "", "Score that many runs tend to: median."),
        Column("expected_low", "float", "", "Lower end of its 95 % interval."),
        Column("expected_high", "float", "", "Its upper end."),
        Column("score", "float", "", "What the study measured.", nullable=True),
        Column("seeds", "int", "", "Runs that this is the mean of.", low=0),
        Column("probability_best", "float", "", "To be the best of those that fit.", low=0, high=1),
        Column("outside", "text", "", "What is outside the range of the study's models.", nullable=True),
        Column("command", "text", "", "What trains it."),
    ),
)


def tell(advice: Advice, budget: Budget, setting: object, models: Models) -> str:
    """The advice as lines."""
    title = QUANTITIES[models.y].title
    lines = [f"Budget: {budget}; on {setting}", f"{title} by {describe_law(models.law)}"]
    lines += [*models.notes, *(f"note: {note}" for note in advice.notes), ""]
    configs = [choice for choice in advice.fitting if choice.network.file is None]
    proposed = [choice for choice in advice.fitting if choice.network.file]
    lines += [_table(configs, title) if configs else "No config fits the budget."]
    if proposed:
        lines += ["", "Other backbones, found by --search:", _table(proposed, title)]
    if marked := [choice.network.name for choice in advice.fitting if choice.outside]:
        outside = " and ".join(sorted({title for choice in advice.fitting for title in choice.outside}))
        lines.append(f"OUTSIDE the models of the study in {outside}, where a law is a guess: {', '.join(marked)}")
    lines += [*_tell_others(advice.choices), "", *tell_training(advice)]
    return "\n".join(lines)


def tell_training(advice: Advice) -> list[str]:
    """What is to be trained to decide, and by which commands."""
    if not advice.fitting:
        return []
    best = max(advice.fitting, key=lambda choice: choice.probability)
    if not advice.train:
        said = f"probability {best.probability:.2f}" if len(advice.fitting) > 1 else "the only one that fits"
        lines = [f"{best.network.name} is the choice ({said}): nothing has to be trained to decide."]
        return lines if best.seeds else [*lines, "It has no weights yet:", f"  {best.command}"]
    told = " and ".join(f"{choice.network.name} ({_so_far(choice)})" for choice in advice.train)
    said = (
        f"No network is the best with a probability of {CLEAR}; the likeliest is {best.network.name} "
        f"({best.probability:.2f}). To decide, train {told}, then analyse the study again (yolo-plugins frontier):"
    )
    return [said, *(f"  {choice.command}" for choice in advice.train)]


def tell_time_law(law: TimeLaw | None, networks: Sequence[Network], found: Mapping[str, Measured]) -> list[str]:
    """What was expected of times before they were measured, and how it came out."""
    if law is None:
        return []
    pairs = [(network.predicted_ms, found[network.name].latency) for network in networks if network.name in found]
    ratios = [expected / latency.median_ms for expected, latency in pairs if expected and latency.rounds > 1]
    lines = [f"time expected before measuring: {law}"]
    if ratios:
        errors = sorted(max(ratio, 1 / ratio) for ratio in ratios)
        lines.append(
            f"of {len(ratios)} networks of the search, expected against measured time: off by a factor of "
            f"{statistics.median(errors):.2f} in the median, {errors[-1]:.2f} at worst"
        )
    return lines


def tell_latency(latency: Latency) -> str:
    """`9.2 (9.1 .. 9.4)`, or `about 120` of a single call."""
    if latency.rounds == 1:
        return f"about {latency.median_ms:.3g}"
    return f"{latency.median_ms:.3g} ({latency.low_ms:.3g} .. {latency.high_ms:.3g})"


def tell_expected(choice: Choice) -> str:
    """`0.44 (0.4 .. 0.48)`."""
    return f"{choice.expected:.3g} ({choice.low:.2g} .. {choice.high:.2g})"


def write_choices(choices: Sequence[Choice], path: Path) -> None:
    """Writes recommend.csv."""
    rows = [
        {
            "model": choice.network.name,
            "fits": not choice.exceeds,
            "exceeds": " ".join(choice.exceeds) or None,
            "latency_ms": choice.measured.latency.median_ms,
            "latency_low_ms": choice.measured.latency.low_ms,
            "latency_high_ms": choice.measured.latency.high_ms,
            "rounds": choice.measured.latency.rounds,
            "predicted_ms": choice.network.predicted_ms,
            "measured_on": choice.measured.date,
            "params": choice.network.candidate.row["params"],
            "macs": choice.network.candidate.row["macs"],
            "file_bytes": choice.measured.n_bytes,
            "expected": choice.expected,
            "expected_low": choice.low,
            "expected_high": choice.high,
            "score": choice.score,
            "seeds": choice.seeds,
            "probability_best": min(choice.probability, 1.0),
            "outside": ", ".join(choice.outside) or None,
            "command": choice.command,
        }
        for choice in choices
    ]
    write_table(pd.DataFrame(rows, columns=TABLE.column_names), path, TABLE)


def _so_far(choice: Choice) -> str:
    if not choice.seeds:
        return "never trained" + (", OUTSIDE the study" if choice.outside else "")
    return "one seed so far" if choice.seeds == 1 else f"{choice.seeds} seeds so far"


def _table(choices: Sequence[Choice], title: str) -> str:
    rows = [
        {
            "model": choice.network.name + (" *" if choice.outside else ""),
            "ms (95 %)": tell_latency(choice.measured.latency),
            "ms before": f"{choice.network.predicted_ms:.3g}" if choice.network.predicted_ms else "",
            "params / M": f"{choice.network.candidate.row['params'] / 1e6:.2f}",
            "GMACs": f"{choice.network.candidate.row['macs'] / 1e9:.3f}",
            "MB": f"{choice.measured.n_bytes / 1e6:.1f}",
            f"expected {title} (95 %)": tell_expected(choice),
            "measured": f"{choice.score:.3g}" if choice.score is not None else "predicted",
            "P(best)": f"{choice.probability:.2f}",
        }
        for choice in choices[:_SHOWN]
    ]
    if not any(row["ms before"] for row in rows):
        rows = [{key: value for key, value in row.items() if key != "ms before"} for row in rows]
    more = f"\n... and {len(choices) - _SHOWN} more" if len(choices) > _SHOWN else ""
    return pd.DataFrame(rows).to_string(index=False) + more


def _tell_others(choices: Sequence[Choice]) -> list[str]:
    others = [choice for choice in choices if choice.exceeds]
    if not others:
        return []
    reasons = Counter(reason for choice in others for reason in choice.exceeds)
    told = ", ".join(f"{count} by {reason}" for reason, count in reasons.items())
    nearest = ", ".join(f"{choice.network.name} {tell_latency(choice.measured.latency)} ms" for choice in others[:3])
    return [f"{len(others)} that were measured do not fit ({told}); the fastest of them: {nearest}"]
