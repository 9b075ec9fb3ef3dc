"""The training sampler: each key carries all that the randomness of its sample depends on."""

from collections.abc import Iterator

from mmengine.dataset import DefaultSampler

from yolo_plugins.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class SeededSampler(DefaultSampler):
    """MMEngine's DefaultSampler that yields (seed, epoch, index) keys instead of indices.

    The samples then are the same for any number of workers, and a run resumed at an epoch (`set_epoch`) sees what the
    uninterrupted one would have seen. Each rank gets a disjoint part of the epoch's permutation; where the length does
    not divide by the ranks, its head is repeated to fill up.
    """

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """The keys of this rank for the epoch that was set, shuffled."""
        for index in super().__iter__():
            yield self.seed, self.epoch, index
