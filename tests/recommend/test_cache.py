"""What was measured is found again by all that it depends on, and a damaged file is told."""

from dataclasses import replace

import pytest

from yolo_plugins.costs.latency import Latency
from yolo_plugins.recommend import networks
from yolo_plugins.recommend.cache import Cache, Measured
from yolo_plugins.recommend.networks import Setting
from yolo_plugins.study.model_choice import Candidate

KEY = {"machine": "a", "threads": 1}
FIGURES = Measured(Latency(2.0, 1.9, 2.1, 1.8, 2.2, 50), 1_000, "2026-01-01T00:00:00+00:00")
SETTING = Setting("torch", "f32", "cpu", 1)


def test_what_is_kept_is_found_again_by_an_equal_key_only(tmp_path):
    Cache(tmp_path).put(KEY, FIGURES)
    cache = Cache(tmp_path)
    assert cache.get({"threads": 1, "machine": "a"}, Measured) == FIGURES
    assert cache.get(KEY | {"threads": 2}, Measured) is None
    assert cache.notes == []


def test_a_cache_that_does_not_read_still_keeps(tmp_path):
    cache = Cache(tmp_path, reads=False)
    cache.put(KEY, FIGURES)
    assert cache.get(KEY, Measured) is None
    assert Cache(tmp_path).get(KEY, Measured) == FIGURES


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"value": {}}',
        b'{"value": {"latency": 3, "n_bytes": 1}}',
    ],
    ids=["empty", "cut", "list", "null", "no UTF-8", "deep", "no fields", "other fields"],
)
def test_a_damaged_file_is_told_in_one_line_and_replaced(tmp_path, content):
    cache = Cache(tmp_path)
    cache.put(KEY, FIGURES)
    (path,) = tmp_path.iterdir()
    path.write_bytes(content)
    assert cache.get(KEY, Measured) is None
    (note,) = cache.notes
    assert note.startswith(f"{path} cannot be read (") and note.endswith("): passed over") and "\n" not in note
    cache.put(KEY, FIGURES)
    assert cache.get(KEY, Measured) == FIGURES


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    cache = Cache(tmp_path / "file")
    cache.put(KEY, FIGURES)
    (note,) = cache.notes
    assert "figures cannot be kept for the next time" in note


def test_the_default_folder_is_below_that_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("YOLO_PLUGINS_CACHE", str(tmp_path))
    assert Cache().folder == tmp_path / "recommend"


@pytest.mark.parametrize(
    "setting",
    [replace(SETTING, threads=2), replace(SETTING, precision="bf16"), replace(SETTING, runtime="onnxruntime")],
    ids=["threads", "precision", "runtime"],
)
def test_the_key_tells_ways_to_run_a_network_apart(setting, make_network):
    pytest.importorskip(setting.runtime)
    network = make_network("a")
    assert SETTING.key(network) == SETTING.key(make_network("a"))
    assert setting.key(network) != SETTING.key(network)


def test_the_key_tells_machines_apart(make_network, monkeypatch):
    network = make_network("a")
    here = SETTING.key(network)
    monkeypatch.setattr(networks, "device_name", lambda device: "another CPU")
    assert SETTING.key(network) != here


def test_the_key_tells_models_and_input_sizes_apart_and_no_names(make_network):
    network = make_network("a")
    row = network.candidate.row | {"input_h": 640}
    assert SETTING.key(replace(network, candidate=Candidate(row, ""))) != SETTING.key(network)
    assert SETTING.key(replace(network, model={"type": "b"})) != SETTING.key(network)
    assert SETTING.key(replace(network, name="b")) == SETTING.key(network)


def test_the_key_passes_over_what_takes_no_time(make_network):
    plain = replace(make_network("a"), model={"type": "a", "head": {"type": "h"}})
    trained = {"type": "a", "head": {"type": "h", "loss_cls": {"type": "x"}}, "train_cfg": {"x": 1}, "norm_eval": True}
    assert SETTING.key(replace(plain, model=trained)) == SETTING.key(plain)
    assert SETTING.key(replace(plain, model={"type": "a", "head": {"type": "h", "width": 2}})) != SETTING.key(plain)
