"""Which pictures come when: in a training with all that their randomness depends on, in an evaluation by batches."""

import itertools
from collections.abc import Iterator

from mmengine.dataset import DefaultSampler
from mmengine.dist import get_dist_info
from torch.utils.data import BatchSampler

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


@DATA_SAMPLERS.register_module()
class WholeBatchSampler(BatchSampler):
    """Of the batches that one process would evaluate, those of this rank: every so many, as a whole, each once.

    MMEngine's DefaultSampler shares out pictures. Then a batch mixes the rectangles of `DetectionDataset`, is padded to
    the largest, and no rank sees what one process sees.

    Args:
        sampler: That of the pictures, whose data set is evaluated in its order.
        batch_size: Pictures of a batch.
    """

    def __init__(self, sampler: DefaultSampler, batch_size: int) -> None:
        super().__init__(range(len(sampler.dataset)), batch_size, drop_last=False)

    def __iter__(self) -> Iterator[list[int]]:
        """Lists of indices."""
        rank, world_size = get_dist_info()
        return itertools.islice(super().__iter__(), rank, None, world_size)

    def __len__(self) -> int:
        rank, world_size = get_dist_info()
        return len(range(rank, super().__len__(), world_size))
