"""Ten networks of timm, chosen by a fixed seed: each is wrapped, or refused with a sentence that helps."""

import random
from collections.abc import Iterator

import pytest
import timm
import torch

from yolo_plugins.costs.catalogue import measure
from yolo_plugins.errors import UsageError

MOST_PARAMS = 50_000_000


def drawn() -> Iterator[str]:
    """Names in random order of the networks that can return features and are not too large."""
    names = timm.list_models()
    random.Random(0).shuffle(names)
    for name in names:
        try:
            with torch.device("meta"):
                network = timm.create_model(name)
                timm.create_model(name, features_only=True)
        except Exception:
            continue
        if sum(parameter.numel() for parameter in network.parameters()) <= MOST_PARAMS:
            yield name


names = drawn()


@pytest.mark.parametrize("name", [next(names) for _ in range(10)])
def test_a_network_of_timm_is_wrapped_or_refused_with_a_remedy(name):
    refusal = ""
    try:
        measured = measure(dict(type="timm", model_name=name), (320, 320))
    except UsageError as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith(f"timm(model_name='{name}') ")
        assert "; " in refusal and "\n" not in refusal
    else:
        assert measured.out_strides == [8, 16, 32]
        assert 0 < measured.params <= MOST_PARAMS
        assert measured.macs > 1e8
