"""The tools' common arguments: a wrong one is one line."""

import argparse
import os
import re
from pathlib import Path

import pytest
import torch

from yolo_plugins import cli
from yolo_plugins.cli import read_models
from yolo_plugins.errors import UsageError


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (cli.whole(1, 9), "9", 9),
        (cli.whole(0), "123456", 123456),
        (cli.seed, "4294967295", 2**32 - 1),
        (cli.side, "33", 33),
        (cli.threads, "1", 1),
        (cli.fraction, "0.25", 0.25),
        (cli.fraction, "1", 1.0),
        (cli.any_path, "a b/c", Path("a b/c")),
        (cli.device, "cpu", "cpu"),
        (cli.launcher, "none", "none"),
    ],
)
def test_a_right_argument_is_its_value(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (cli.whole(1, 9), ("0", "10", "-1", "2.5", "x", "", "1e3", "nan", "9" * 5000)),
        (cli.seed, ("-1", "4294967296")),
        (cli.side, ("0", "-32", "1000000")),
        (cli.threads, ("0", "-1", "100000")),
        (cli.fraction, ("nan", "2", "-0.1", "inf", "x", "")),
        (cli.any_path, ("", " ")),
        (cli.device, ("gpu", "cuda:x", "cpu:0", "meta", "", "cuda:999", "cuda:" + "9" * 30)),
        (cli.launcher, ("bsub", "")),
    ],
)
def test_a_wrong_argument_is_refused_with_its_text(kind, texts):
    for text in texts:
        with pytest.raises(argparse.ArgumentTypeError) as caught:
            kind(text)
        assert repr(text) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_cuda_needs_a_gpu():
    with pytest.raises(argparse.ArgumentTypeError, match="'cuda': this machine has no GPU that torch can use"):
        cli.device("cuda")


@pytest.mark.parametrize(
    ("name", "first"), [("pytorch", "RANK"), ("slurm", "SLURM_PROCID"), ("mpi", "OMPI_COMM_WORLD_RANK")]
)
def test_a_launcher_needs_its_variables(monkeypatch, name, first):
    for variable in [key for key in os.environ if key.startswith(("SLURM_", "OMPI_", "RANK", "MASTER_"))]:
        monkeypatch.delenv(variable)
    with pytest.raises(argparse.ArgumentTypeError, match=f"'{name}', but the variable {first} is not set: start it by"):
        cli.launcher(name)
    monkeypatch.setenv(first, "first")
    with pytest.raises(argparse.ArgumentTypeError, match=f"variable {first} is 'first'"):
        cli.launcher(name)


def test_a_launcher_with_its_variables_is_taken(monkeypatch):
    set_variables(monkeypatch)
    assert cli.launcher("pytorch") == "pytorch"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("WORLD_SIZE", value) for value in ("0", "-1", "9" * 5000)),
        *(("MASTER_PORT", value) for value in ("0", "65536", "x")),
        *(("MASTER_ADDR", value) for value in ("", "no.such.host.invalid", "." * 300)),
    ],
)
def test_a_launcher_whose_variables_lead_nowhere_is_refused(monkeypatch, name, value):
    set_variables(monkeypatch, **{name: value})
    with pytest.raises(argparse.ArgumentTypeError, match=f"the variable {name} is"):
        cli.launcher("pytorch")


def test_a_rank_beyond_the_processes_is_refused(monkeypatch):
    set_variables(monkeypatch, RANK="2")
    with pytest.raises(argparse.ArgumentTypeError, match="RANK=2 of WORLD_SIZE=2"):
        cli.launcher("pytorch")


def set_variables(monkeypatch, **changes):
    sound = dict(RANK="1", LOCAL_RANK="1", WORLD_SIZE="2", MASTER_ADDR="localhost", MASTER_PORT="29500")
    for name, value in (sound | changes).items():
        monkeypatch.setenv(name, value)


def test_options_given_in_two_places_are_all_taken():
    parser = argparse.ArgumentParser()
    cli.add_config_options(parser)
    assert parser.parse_args(["--cfg-options", "a=1", "--cfg-options", "b=2"]).cfg_options == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("names", "weights", "models"),
    [
        (["yolov5_n_voc", "a.pth"], None, [("yolov5_n_voc", "a.pth")]),
        (["a.pth"], None, [(None, "a.pth")]),
        (["my.model"], "w.pt", [("my.model", "w.pt")]),
        (["a.pth", "b.pt"], None, [(None, "a.pth"), (None, "b.pt")]),
        (["c.py", "a.pth", "b.pth"], None, [("c.py", "a.pth"), ("c.py", "b.pth")]),
        (["c.py", "a.pth"], "w.pt", [("c.py", "a.pth"), ("c.py", "w.pt")]),
        (["c.py", "a.pth", "d.py", "b.pth"], None, [("c.py", "a.pth"), ("d.py", "b.pth")]),
    ],
)
def test_models_are_checkpoints_each_with_the_config_before_it(names, weights, models):
    assert read_models(names, weights) == models


@pytest.mark.parametrize(
    ("names", "weights", "told"),
    [
        ([], None, "no model: give a checkpoint"),
        (["c.py"], None, "c.py: give a checkpoint after a config, or --weights FILE"),
        (["a.pth", "c.py"], None, "c.py: give a checkpoint after a config"),
        (["a.pth", "b.pth", "c.pth"], None, "c.pth: a third checkpoint"),
        (["c.py", "a.pth", "b.pth"], "w.pt", "--weights w.pt: give a config with it, and at most one checkpoint"),
        (["a.pth"], "w.pt", "--weights w.pt: give a config with it"),
    ],
)
def test_models_that_do_not_go_together_are_one_line(names, weights, told):
    with pytest.raises(UsageError, match=re.escape(told)):
        read_models(names, weights)


def test_a_file_that_is_no_python_is_a_checkpoint_whatever_its_name(tmp_path):
    (tmp_path / "best").touch()
    assert read_models([str(tmp_path / "best")], None) == [(None, str(tmp_path / "best"))]
