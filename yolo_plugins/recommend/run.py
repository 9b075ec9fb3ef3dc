"""From a budget to the advice: the door of the command `recommend`."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from yolo_plugins.config import find_config
from yolo_plugins.faults import some
from yolo_plugins.masking import command_line
from yolo_plugins.recommend.advice import Advice, Budget, advise
from yolo_plugins.recommend.bench import Bench
from yolo_plugins.recommend.cache import Measured
from yolo_plugins.recommend.candidates import caveats, config_networks
from yolo_plugins.recommend.counts import cached_counter
from yolo_plugins.recommend.networks import Network
from yolo_plugins.recommend.page import write_report
from yolo_plugins.recommend.search import Search, find_entries, proposed_networks, write_config
from yolo_plugins.recommend.text import tell, tell_time_law, write_choices
from yolo_plugins.recommend.time_law import fit_time_law
from yolo_plugins.study.models import Models

_NAMED = 20  # networks that were not reached


def recommend(
    bench: Bench,
    budget: Budget,
    models: Models,
    *,
    minutes: float = 10.0,
    cfg_options: Sequence[str] = (),
    search: Search | None = None,
    out: Path | None = None,
) -> str:
    """Which networks fit a budget, by expected score.

    Args:
        bench: What measures them.
        budget: What they may take.
        models: Of the study whose law tells of their scores.
        minutes: After which no more are measured.
        cfg_options: Changes to each config, as `KEY=VALUE`.
        search: Of other backbones, whose configs are written.
        out: Folder for recommend.csv and report.html.

    Returns:
        What is to be said.

    Raises:
        UsageError: No config is like the models, or the law cannot be fitted, or the search finds nothing.
    """
    if search is not None:
        find_config(search.base)
        find_entries(search)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)  # what cannot be is told before the measuring, not behind it
    deadline = time.perf_counter() + 60 * minutes
    torch.set_num_threads(bench.setting.threads)
    networks, left_out = config_networks(models, cfg_options, cached_counter(bench.cache))
    notes = [f"left out, of {len(networks) + left_out.count} configs: {left_out}"] if left_out.names else []
    notes += caveats(networks)
    within = [network for network in networks if not budget.exceeded_by(network)]
    if beyond := [network.name for network in networks if budget.exceeded_by(network)]:
        notes.append(f"beyond the budget by their counts, and not measured: {len(beyond)} ({some(beyond)})")
    found = bench.run(within, budget.max_ms, deadline)
    if search is not None:
        proposed, told = _search(search, bench, budget, models, within, found, cfg_options, deadline)
        within, notes = [*within, *proposed], [*notes, *told]
    advice = advise(within, found, models, budget)
    advice.notes = [*notes, *_notes(bench, [network.name for network in within if network.name not in found])]
    return _written(advice, bench, budget, models, search, out)


def _search(
    search: Search,
    bench: Bench,
    budget: Budget,
    models: Models,
    networks: Sequence[Network],
    found: dict[str, Measured],
    cfg_options: Sequence[str],
    deadline: float,
) -> tuple[list[Network], list[str]]:
    """Networks that were searched, of which those in time are added to `found`; and what is to be said of them."""
    timed = {network.name: network for network in networks if network.name in found}
    many = {name: network for name, network in timed.items() if found[name].latency.rounds > 1}
    milliseconds = [found[name].latency.median_ms for name in many]
    law = fit_time_law([network.candidate.row for network in many.values()], milliseconds)
    known = {network.sha256 for network in networks}

    def unwanted(network: Network) -> str:
        if network.sha256 in known:
            return "of a network that a config has too"
        if budget.exceeded_by(network):
            return "beyond the budget by their counts"
        if models.law.outside(network.candidate.row):
            return "outside the models of the study"
        is_slow = law is not None and law.predict(network.candidate.row) > law.worst_factor * budget.max_ms
        return "expected to be far too slow" if is_slow else ""

    half = (time.perf_counter() + deadline) / 2
    proposed, left_out = proposed_networks(search, models, cfg_options, cached_counter(bench.cache), half, unwanted)
    if law is not None:
        proposed = [replace(network, predicted_ms=law.predict(network.candidate.row)) for network in proposed]
    new = bench.run(proposed, budget.max_ms, deadline)
    found |= new
    notes = [f"left out, of {len(proposed) + left_out.count} backbones: {left_out}"] if left_out.names else []
    return proposed, [*notes, *tell_time_law(law, proposed, new)]


def _written(
    advice: Advice, bench: Bench, budget: Budget, models: Models, search: Search | None, out: Path | None
) -> str:
    """Writes what is to be written, and returns what is to be said."""
    said = tell(advice, budget, bench.setting, models)
    if search is not None:
        for choice in advice.fitting:
            if choice.network.file:
                write_config(choice.network, search.base)
    if out is None:
        return said
    if not advice.choices:
        return f"{said}\nNothing was measured: no files are written into {out}"
    write_choices(advice.choices, out / "recommend.csv")
    write_report(out / "report.html", advice, budget, bench.setting, models, command_line())
    return f"{said}\nFiles in {out}; open report.html"


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
