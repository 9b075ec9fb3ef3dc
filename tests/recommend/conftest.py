"""A study of twelve models whose score rises with their parameters, and networks whose speed is a given number."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import special
from torch import nn

from yolo_plugins.costs.latency import Latency, MachineState
from yolo_plugins.recommend.bench import Bench
from yolo_plugins.recommend.cache import Cache
from yolo_plugins.recommend.networks import Network, Setting
from yolo_plugins.study.laws.fits import fit_study, fits_table
from yolo_plugins.study.model_choice import Candidate
from yolo_plugins.study.models import Models, read_models
from yolo_plugins.study.tables.quantities import performances
from yolo_plugins.study.tables.schema import FITS, MODELS, write_table

IDLE = MachineState(others=0.0, stolen=0.0, cores=2, load=1.0, frequency_mhz=None, governor=None)
BUSY = MachineState(others=0.5, stolen=0.0, cores=2, load=3.0, frequency_mhz=None, governor=None)


@pytest.fixture(scope="session")
def make_models(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Models]:
    """Writes the study, with columns of its models.csv changed, and reads it; its fourth model is yolov5_n_voc."""

    def make_models(y: str = "ap50", allow_mixed: bool = False, **columns: object) -> Models:
        folder = tmp_path_factory.mktemp("study")
        params = np.geomspace(1e5, 5e7, 12).round()
        params[3] = 1790977
        noise = 0.1 * np.random.default_rng(0).standard_normal(12)
        ap50 = special.expit(-1.5 + 0.4 * np.log(params / 1e7) + noise)
        rows = {
            "model": [f"m{index}" for index in range(3)] + ["yolov5_n_voc"] + [f"m{index}" for index in range(4, 12)],
            "family": [f"f{index % 3}" for index in range(12)],
            **{"input_h": 320, "input_w": 320, "params": params, "macs": 300 * params, "ap50": ap50, "seeds": 1},
        }
        table = pd.DataFrame(rows | columns).reindex(columns=MODELS.column_names)
        write_table(table, folder / "models.csv", MODELS)
        numbers = table.astype(dict.fromkeys(["latency_seconds", *performances()], float))
        write_table(fits_table(fit_study(numbers, "params", y).fits), folder / "fits.csv", FITS)
        return read_models(folder, y=y, allow_mixed=allow_mixed)

    return make_models


@pytest.fixture(scope="session")
def models(make_models) -> Models:
    """The study."""
    return make_models()


@pytest.fixture
def make_network() -> Callable[..., Network]:
    """A network by its name, of nothing that could be built."""

    def make_network(name: str, params: float = 1e6, **more: object) -> Network:
        row = {"model": name, "family": "f0", "input_h": 320, "input_w": 320, "params": params, "macs": 300 * params}
        row |= {"elements": 10 * params, "operators": 100, "backbone_top1": None}
        measured = more.pop("measured", None)
        return Network(name, {"type": name}, Candidate(row, name, measured), f"yolo-plugins train {name}", **more)

    return make_network


@pytest.fixture
def make_bench(tmp_path: Path) -> Callable[..., SimpleNamespace]:
    """A bench of networks that take given milliseconds; beside it what it built, and the groups that it measured."""

    def make_bench(milliseconds: dict[str, float], state: MachineState = IDLE, **more: object) -> SimpleNamespace:
        seen = SimpleNamespace(built=[], groups=[])

        def try_network(network: Network, setting: Setting, limit_ms: float) -> tuple[nn.Module, float]:
            seen.built.append(network.name)
            return nn.Linear(2, 2), milliseconds.get(network.name, 1.0)

        def measure(calls: dict[str, Callable], **_: object) -> dict[str, Latency]:
            seen.groups.append(list(calls))
            found = {name: milliseconds.get(name, 1.0) for name in calls}
            return {name: Latency(ms, 0.99 * ms, 1.01 * ms, 0.98 * ms, 1.02 * ms, 100) for name, ms in found.items()}

        fakes = {
            "setting": Setting("torch", "f32", "cpu", 1),
            "cache": Cache(tmp_path / "figures"),
            "try_network": try_network,
            "ready_network": lambda built, network, setting: (lambda: None, 1_000_000),
            "measure": measure,
            "watch": lambda: lambda: state,
        }
        seen.bench = Bench(**fakes | more)
        return seen

    return make_bench


@pytest.fixture(scope="session")
def busy() -> MachineState:
    """A machine of which others use half."""
    return BUSY
