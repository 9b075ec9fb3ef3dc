"""A small study: nine models of two families, one with a name that is not to be trusted."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from yolo_plugins.study.laws.fits import fit_study, fits_table
from yolo_plugins.study.report.page import Report
from yolo_plugins.study.tables.quantities import performances

_UNTRUSTED = 'other_<img src=x onerror="alert(1)">&_voc'
_PARAMS = {  # of the models, millions
    "yolov5": {"yolov5_n_voc": 1.8, "yolov5_s_voc": 7.1, "yolov5_m_voc": 21.0},
    "other": {
        "yolov5_ghostnet_voc": 5.3,
        "yolov5_mobilenetv2_voc": 4.6,
        _UNTRUSTED: 9.4,
        "yolov5_resnet18_voc": 14.2,
        "yolov5_densenet_voc": 10.2,
        "yolov5_inceptionv4_voc": 44.0,
    },
}
_EPOCHS = 12


@pytest.fixture(scope="session")
def untrusted() -> str:
    """Name of a model that is markup where nothing escapes it."""
    return _UNTRUSTED


@pytest.fixture(scope="session")
def models() -> pd.DataFrame:
    """Table of the models, of the schema MODELS, YOLOv5 with two seeds; without latencies."""
    random = np.random.default_rng(0)
    rows = []
    for family, members in _PARAMS.items():
        for model, millions in members.items():
            noise = np.exp(random.normal(0, 0.03, len(performances())))
            ap50 = (0.4 if family == "yolov5" else 0.35) * millions**0.12
            levels = {"train_loss": 0.08 / ap50, "inverse_normalized_loss": 5 * ap50, "ap50": ap50}
            levels |= {"ap50_95": 0.6 * ap50, "recall": 0.9 * ap50}
            seeds = 2 if family == "yolov5" else 1
            rows.append(
                {
                    **{"model": model, "family": family, "input_h": 320, "input_w": 320},
                    **{"params": round(millions * 1e6), "macs": round(millions * 3e8), "latency_seconds": None},
                    **{name: levels[name] * factor for name, factor in zip(performances(), noise, strict=True)},
                    **{f"{name}_sd": 0.004 if seeds == 2 else None for name in performances()},
                    **{"seeds": seeds, "source": None},
                }
            )
    return pd.DataFrame(rows).astype({"latency_seconds": float})


@pytest.fixture(scope="session")
def epochs(models: pd.DataFrame) -> pd.DataFrame:
    """Curves of the models, the columns of the schema EPOCHS that are drawn; every third epoch is validated."""
    rows = []
    for _, model in models.iterrows():
        for seed in range(model["seeds"]):
            for epoch in range(1, _EPOCHS + 1):
                share = epoch / _EPOCHS
                score = model["ap50"] * share + 0.01 * seed if epoch % 3 == 0 else None
                row = {"model": model["model"], "seed": seed, "epoch": epoch, "train_loss": 0.3 - 0.2 * share}
                row |= {"ap50": score, "ap50_95": score and 0.6 * score, "precision": score, "recall": score}
                rows.append(row | {"train_seconds": 60.0 + seed, "lr": 0.1 * (1 - share)})
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def runs(models: pd.DataFrame) -> pd.DataFrame:
    """Runs of the models, the columns of the schema RUNS that are shown."""
    fixed = {"epochs": _EPOCHS, "train_seconds": 7200.0, "device": "NVIDIA A100", "started": "2025-01-01T00:00:00Z"}
    fixed |= {"git_commit": None, "torch": "2.11.0", "images_per_second": 100.0, "latency_precision": "tf32"}
    return pd.DataFrame(
        [
            {**{name: model[name] for name in ("model", "ap50", "inverse_normalized_loss")}, "seed": seed, **fixed}
            for _, model in models.iterrows()
            for seed in range(model["seeds"])
        ]
    )


@pytest.fixture(scope="session")
def report(
    models: pd.DataFrame, runs: pd.DataFrame, epochs: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Report:
    """All that a page can show, AP50 on MACs as the headline."""
    figure = tmp_path_factory.mktemp("figures") / "ap50_vs_macs.svg"
    figure.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><text y="20">AP</text></svg>')
    study = fit_study(models, "macs", "ap50")
    return Report(
        title="Study of <nine> models",
        models=models,
        runs=runs,
        epochs=epochs,
        fits=fits_table(study.fits),
        x="macs",
        y="ap50",
        group="family",
        front=study.front,
        verdict=("YOLOv5 lies <above> the others: cannot be said.",),
        notes=("One run was left out: <killed>.",),
        figures=(Path(figure),),
        commands=("yolo-plugins frontier work_dirs/study --out out --y ap50",),
        environment={"device": "NVIDIA A100", "torch": "2.11.0"},
    )
