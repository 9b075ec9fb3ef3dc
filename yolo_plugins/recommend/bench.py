"""The latency of many networks: from the cache, or measured in small groups until the time is up."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tqdm import tqdm

from yolo_plugins.costs.latency import Latency, MachineState, measure_latency, watch_machine
from yolo_plugins.errors import UsageError
from yolo_plugins.recommend.cache import Cache, Measured
from yolo_plugins.recommend.networks import Network, Setting, ready_network, try_network, weights_bytes

_GROUP = 8  # networks that are measured in turns: bounds the memory
_HOPELESS = 5  # times the budget that one call takes as trained: no runtime and no precision makes up for that
_SECONDS = 2.0, 20.0  # of a group, at least and at most
_WIDTH = 0.03  # of the interval over the median


@dataclass
class Bench:
    """Measures networks on this machine.

    Attributes:
        setting: How they are run.
        cache: Of figures; those of a busy machine are not kept.
        try_network: As the function of this name.
        ready_network: As the function of this name.
        measure: As `measure_latency`.
        watch: As `watch_machine`.
        busy: How busy the machine was, for each group that was disturbed.
        failed: Why a network could not be measured, by its name.
    """

    setting: Setting
    cache: Cache = field(default_factory=Cache)
    try_network: Callable[[Network, Setting, float], tuple[Any, float]] = try_network
    ready_network: Callable[[Any, Network, Setting], tuple[Callable[[], object], int]] = ready_network
    measure: Callable[..., dict[str, Latency]] = measure_latency
    watch: Callable[[], Callable[[], MachineState]] = watch_machine
    busy: list[MachineState] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def run(self, networks: Sequence[Network], max_ms: float, deadline: float) -> dict[str, Measured]:
        """What is known of networks, by their names; the first are measured first.

        Args:
            networks: Each name once.
            max_ms: The budget: of what is far beyond it one call is enough.
            deadline: On `time.perf_counter`, after which no network is built.

        Returns:
            Figures; without those that were not reached or failed.
        """
        found, waiting = {}, []
        for network in networks:
            known = self.cache.get(self.setting.key(network), Measured)
            if known is not None and (known.latency.rounds > 1 or known.latency.median_ms > _HOPELESS * max_ms):
                found[network.name] = known
            else:
                waiting.append(network)
        with tqdm(total=len(waiting), unit="network", disable=None) as bar:
            while waiting and time.perf_counter() < deadline:
                groups = -(-len(waiting) // _GROUP)
                state, group = self.watch(), {}
                measured: dict[str, Measured] = {}
                while waiting and len(group) < _GROUP and time.perf_counter() < deadline:
                    network = waiting.pop(0)
                    self._prepare(network, max_ms, group, measured)
                    bar.update()
                left = (deadline - time.perf_counter()) / groups
                measured |= self._measure(group, max(_SECONDS[0], min(left, _SECONDS[1])))
                self._keep(networks, measured, state())
                found |= measured
        return found

    def _prepare(
        self,
        network: Network,
        max_ms: float,
        group: dict[str, tuple[Callable[[], object], int]],
        measured: dict[str, Measured],
    ) -> None:
        """Makes a network ready for its group; or measures one that is hopeless by one call."""
        try:
            built, single_ms = self.try_network(network, self.setting, _HOPELESS * max_ms)
            if single_ms > _HOPELESS * max_ms:
                latency = Latency(*[single_ms] * 5, rounds=1)
                measured[network.name] = Measured(latency, weights_bytes(built), _now())
            else:
                group[network.name] = self.ready_network(built, network, self.setting)
        except UsageError as error:
            self.failed[network.name] = str(error)

    def _measure(self, group: dict[str, tuple[Callable[[], object], int]], seconds: float) -> dict[str, Measured]:
        if not group:
            return {}
        calls = {name: call for name, (call, _) in group.items()}
        device = self.setting.device if self.setting.runtime == "torch" else "cpu"
        latencies = self.measure(calls, device=device, width=_WIDTH, seconds=(_SECONDS[0], seconds))
        return {name: Measured(latencies[name], size, _now()) for name, (_, size) in group.items()}

    def _keep(self, networks: Sequence[Network], measured: dict[str, Measured], state: MachineState) -> None:
        if not state.is_idle:
            self.busy.append(state)
            return
        for network in networks:
            if network.name in measured:
                self.cache.put(self.setting.key(network), measured[network.name])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
