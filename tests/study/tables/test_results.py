"""The study that comes with the code: its tables are valid, and lead to the laws and figures that its page states."""

import re
from pathlib import Path

import pandas as pd
import pytest

from yolo_plugins.study.laws.fits import fit_study, fits_table
from yolo_plugins.study.tables.collect import models_table
from yolo_plugins.study.tables.schema import COMPLEXITY, EPOCHS, FITS, MODELS, RUNS, read_table

STUDY = Path(__file__).resolve().parents[3] / "docs" / "results" / "voc_animals"


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {table.name: read_table(STUDY / table.name, table) for table in (RUNS, EPOCHS, COMPLEXITY, MODELS, FITS)}


def test_every_run_has_all_its_epochs(tables):
    counts = tables["epochs.csv"].groupby(["model", "seed"]).size()
    epochs = tables["runs.csv"].set_index(["model", "seed"])["epochs"]
    assert counts.to_dict() == epochs.to_dict()


def test_models_and_laws_follow_from_the_runs(tables):
    models = models_table(tables["runs.csv"], tables["complexity.csv"])
    pd.testing.assert_frame_equal(models, tables["models.csv"])
    fits = fits_table(fit_study(models, "macs", "inverse_normalized_loss").fits)
    columns = ["x", "y", "group", "n", "exponent", "exponent_low", "exponent_high", "loo_rms", "residual_sd"]
    pd.testing.assert_frame_equal(fits[columns], tables["fits.csv"][columns], rtol=1e-9)


def test_the_page_states_the_figures_of_the_tables(tables):
    page = (STUDY / "README.md").read_text()
    models = tables["models.csv"]
    for _, model in models.iterrows():
        costs = f"| {model['model']} | {model['params'] / 1e6:.2f} | {model['macs'] / 1e9:.3f} |"
        scores = f" {model['inverse_normalized_loss']:.3f}( ± [\\d.]+)? \\| {model['ap50']:.4f}( ± [\\d.]+)? \\|"
        assert re.search(re.escape(costs) + scores, page), model["model"]
    laws = tables["fits.csv"].query("x == 'macs' and y == 'inverse_normalized_loss' and group != 'all'")
    for _, law in laws.iterrows():
        assert f"{law['exponent']:.3f} [{law['exponent_low']:.3f}, {law['exponent_high']:.3f}]" in page
