"""Which measured model a config is: the one of its name and network, in whatever spelling."""

import numpy as np
import pandas as pd
import pytest

from yolo_plugins.config import find_config, load_config
from yolo_plugins.study.laws.fits import fit_study, fits_table
from yolo_plugins.study.model_choice import of_config
from yolo_plugins.study.models import read_models
from yolo_plugins.study.tables.quantities import performances
from yolo_plugins.study.tables.schema import FITS, MODELS, write_table

WIDER = ["model.backbone.widen_factor=0.5", "model.neck.widen_factor=0.5"]


@pytest.fixture
def make_models(tmp_path):
    """A study of six models, of which one has a name and the parameters of YOLOv5-n."""

    def make_models(name):
        params = np.array([1e5, 5e5, 1790977, 5e6, 2e7, 5e7])
        rows = {"model": ["a", "b", name, "d", "e", "f"], "family": "x", "input_h": 320, "input_w": 320}
        rows |= {"params": params, "macs": 300 * params, "ap50": 0.1 * params**0.1 + [0, 0.01] * 3}
        table = pd.DataFrame(rows).reindex(columns=MODELS.column_names)
        write_table(table, tmp_path / "models.csv", MODELS)
        numbers = table.astype(dict.fromkeys(["latency_seconds", *performances()], float))
        write_table(fits_table(fit_study(numbers, "params", "ap50").fits), tmp_path / "fits.csv", FITS)
        return read_models(tmp_path)

    return make_models


@pytest.mark.parametrize("name", ["yolov5_n_voc", "YOLOv5-n", "yolov5n", "yolov5_n"])
def test_a_config_is_the_model_of_its_name_with_or_without_its_data(make_models, name):
    candidate = of_config(find_config("yolov5_n_voc"), load_config("yolov5_n_voc"), make_models(name))
    assert (candidate.measured, candidate.row["model"]) == (name, name)


@pytest.mark.parametrize("config", ["yolov5_n_voc_cosine", "yolov5_n_voc_linear", "yolov5_n_finetune"])
def test_the_same_network_of_another_config_is_not_the_model(make_models, config):
    models = make_models("yolov5_n_voc")
    candidate = of_config(find_config(config), load_config(config, ["img_size=320"]), models)
    assert (candidate.measured, candidate.row["model"]) == (None, config)


def test_a_config_that_shares_but_its_name_with_a_model_is_judged_by_its_cost(make_models):
    path, models = find_config("yolov5_n_voc"), make_models("yolov5_n_voc")
    candidate = of_config(path, load_config(str(path), WIDER), models)
    assert (candidate.measured, candidate.row["model"]) == (None, "yolov5_n_voc (not as measured)")
    assert models.law.interval(candidate.row) == models.law.interval(candidate.row | {"model": "new"})
    assert models.law.interval(candidate.row) != models.law.interval(candidate.row | {"model": "yolov5_n_voc"})
