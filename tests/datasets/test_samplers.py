"""Facts about the samplers of a training and of an evaluation."""

import pytest
from mmengine.dataset import DefaultSampler

from yolo_plugins.datasets.samplers import SeededSampler, WholeBatchSampler
from yolo_plugins.registry import DATA_SAMPLERS

DATASET = range(10)


def build(**config):
    return DATA_SAMPLERS.build({"type": "SeededSampler", **config}, default_args={"dataset": DATASET, "seed": 3})


def test_keys_carry_seed_and_epoch_and_every_index_once():
    sampler = build()
    sampler.set_epoch(5)
    keys = list(sampler)
    assert len(keys) == len(sampler) == 10
    assert {key[:2] for key in keys} == {(3, 5)}
    assert sorted(key[2] for key in keys) == list(DATASET)
    assert all(type(value) is int for key in keys for value in key)


def test_order_is_the_default_sampler_s_and_changes_with_the_epoch():
    sampler, default = build(), DefaultSampler(DATASET, seed=3)
    orders = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        default.set_epoch(epoch)
        orders.append([index for _, _, index in sampler])
        assert orders[-1] == list(default)
    assert orders[0] != orders[1] != orders[2]


def test_resumed_epoch_yields_the_keys_of_the_uninterrupted_run():
    uninterrupted = build()
    for epoch in range(4):
        uninterrupted.set_epoch(epoch)
        keys = list(uninterrupted)
    resumed = build()
    resumed.set_epoch(3)
    assert list(resumed) == keys


def test_without_shuffling_indices_rise():
    assert [index for _, _, index in build(shuffle=False)] == list(DATASET)


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_take_disjoint_parts_of_one_permutation(world_size, monkeypatch):
    parts = []
    for rank in range(world_size):
        monkeypatch.setattr("mmengine.dataset.sampler.get_dist_info", lambda rank=rank: (rank, world_size))
        parts += [index for _, _, index in SeededSampler(DATASET, seed=3, round_up=False)]
    assert sorted(parts) == list(DATASET)


def test_ranks_evaluate_each_batch_of_one_process_once(monkeypatch):
    parts = []
    for rank in range(2):
        monkeypatch.setattr("yolo_plugins.datasets.samplers.get_dist_info", lambda rank=rank: (rank, 2))
        sampler = WholeBatchSampler(DefaultSampler(range(9), shuffle=False), batch_size=2)
        parts.append(list(sampler))
        assert len(sampler) == len(parts[-1])
    assert parts == [[[0, 1], [4, 5], [8]], [[2, 3], [6, 7]]]
