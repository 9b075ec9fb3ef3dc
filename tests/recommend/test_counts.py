"""Counts are kept, with what is known of published weights, and made again where what they depend on differs."""

import pytest

from yolo_plugins.config import load_config
from yolo_plugins.costs.meta import count_config
from yolo_plugins.models.backbones.pretrained import Published
from yolo_plugins.recommend import counts
from yolo_plugins.recommend.cache import Cache
from yolo_plugins.recommend.counts import cached_counter

MODEL = {"type": "x", "backbone": {"type": "y"}}


@pytest.fixture
def counted(monkeypatch):
    """What was counted, in order."""
    seen = []

    def count(model, input_hw):
        seen.append((model["type"], input_hw))
        return {"params": 7, "uncounted_by_thop": ["a"], "macs_thop": None}, model.get("published")

    monkeypatch.setattr(counts, "count_config", count)
    return seen


def test_a_config_is_counted_once(tmp_path):
    model = load_config("yolov5_pico_demo").model
    first = cached_counter(Cache(tmp_path))(model, (64, 64))
    assert first == cached_counter(Cache(tmp_path))(model, (64, 64)) == count_config(model, (64, 64))


def test_another_size_or_network_is_counted_by_itself(tmp_path, counted):
    count = cached_counter(Cache(tmp_path))
    for model, size in ((MODEL, (64, 64)), (MODEL, (64, 64)), (MODEL, (64, 96)), (MODEL | {"type": "z"}, (64, 64))):
        count(model, size)
    assert counted == [("x", (64, 64)), ("x", (64, 96)), ("z", (64, 64))]


def test_what_is_known_of_published_weights_is_kept(tmp_path, monkeypatch):
    known = Published("ImageNet-1k", 0.75)
    monkeypatch.setattr(counts, "count_config", lambda *_: ({"params": 7}, known))
    for _ in range(2):
        assert cached_counter(Cache(tmp_path))(MODEL, (64, 64)) == ({"params": 7}, known)
        monkeypatch.setattr(counts, "count_config", lambda *_: pytest.fail("counted again"))


def test_a_damaged_count_is_told_and_counted_again(tmp_path, counted):
    cached_counter(Cache(tmp_path))(MODEL, (64, 64))
    (path,) = tmp_path.iterdir()
    path.write_text('{"value": {"counts": {"params": "many"}, "published": null}}')
    cache = Cache(tmp_path)
    assert cached_counter(cache)(MODEL, (64, 64))[0]["params"] == 7
    assert len(counted) == 2 and len(cache.notes) == 1
