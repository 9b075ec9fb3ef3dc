"""Counts of networks, kept for the next time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yolo_plugins.costs.meta import count_config
from yolo_plugins.models.backbones.pretrained import Published
from yolo_plugins.protocol import sha256_of
from yolo_plugins.recommend.cache import Cache
from yolo_plugins.recommend.networks import library_versions
from yolo_plugins.study.model_choice import Counter


@dataclass(frozen=True)
class _Counted:
    """What `count_config` returns, as it is kept."""

    counts: dict[str, int | list[str] | None]
    published: Published | None


def cached_counter(cache: Cache) -> Counter:
    """`count_config`, but that what it returned once is read from a cache."""

    def count(model: Mapping[str, Any], input_hw: tuple[int, int]) -> tuple[dict[str, Any], Published | None]:
        key = {"counts": sha256_of(model), "input_hw": list(input_hw), "versions": library_versions()}
        known = cache.get(key, _Counted)
        if known is None:
            known = _Counted(*count_config(model, input_hw))
            cache.put(key, known)
        return known.counts, known.published

    return count
