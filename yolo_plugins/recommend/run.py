"""From a budget to the advice: the door of the command `recommend`."""

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from yolo_plugins.faults import some
from yolo_plugins.masking import command_line
from yolo_plugins.recommend.advice import Advice, Budget, advise
from yolo_plugins.recommend.bench import Bench
from yolo_plugins.recommend.candidates import config_networks
from yolo_plugins.recommend.networks import Network
from yolo_plugins.recommend.page import write_report
from yolo_plugins.recommend.text import tell, write_choices
from yolo_plugins.study.models import Models

_NAMED = 20  # networks that were not reached


def recommend(
    bench: Bench,
    budget: Budget,
    models: Models,
    *,
    minutes: float = 10.0,
    cfg_options: Sequence[str] = (),
    out: Path | None = None,
) -> str:
    """Which networks fit a budget, by expected score.

    Args:
        bench: What measures them.
        budget: What they may take.
        models: Of the study whose law tells of their scores.
        minutes: After which no more are measured.
        cfg_options: Changes to each config, as `KEY=VALUE`.
        out: Folder for recommend.csv and report.html.

    Returns:
        What is to be said.

    Raises:
        UsageError: No config is like the models, or the law cannot be fitted.
    """
    deadline = time.perf_counter() + 60 * minutes
    torch.set_num_threads(bench.setting.threads)
    networks, left_out = config_networks(models, cfg_options)
    advice = _advice(networks, bench, budget, models, deadline)
    if left_out.names:
        advice.notes.insert(0, f"left out, of {len(networks) + left_out.count} configs: {left_out}")
    if out is not None:
        write_choices(advice.choices, out / "recommend.csv")
        write_report(out / "report.html", advice, budget, bench.setting, models, command_line())
    return tell(advice, budget, bench.setting, models) + (f"\nFiles in {out}; open report.html" if out else "")


def _advice(networks: list[Network], bench: Bench, budget: Budget, models: Models, deadline: float) -> Advice:
    """Measures what the counts allow, and joins it with the law."""
    within = [network for network in networks if not budget.exceeded_by(network)]
    found = bench.run(within, budget.max_ms, deadline)
    advice = advise(within, found, models, budget)
    beyond = [network.name for network in networks if budget.exceeded_by(network)]
    advice.notes += (
        [f"{len(beyond)} exceed the budget by their counts, and were not measured: {some(beyond)}"] if beyond else []
    )
    advice.notes += _notes(bench, [network.name for network in within if network.name not in found])
    return advice


def _notes(bench: Bench, missing: Sequence[str]) -> list[str]:
    notes = [f"not measured: {reason}" for reason in bench.failed.values()]
    if unreached := [name for name in missing if name not in bench.failed]:
        told = ", ".join(unreached[:_NAMED]) + (
            f" and {len(unreached) - _NAMED} more" if len(unreached) > _NAMED else ""
        )
        notes.append(f"not reached in the time: {told}; the same command goes on, or give more --minutes")
    if bench.busy:
        worst = max(bench.busy, key=lambda state: state.others + state.stolen)
        notes.append(f"the machine was busy ({worst}): these latencies are not its own and are not kept; run it again")
    return [*notes, *bench.cache.notes]
