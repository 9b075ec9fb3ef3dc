"""Makes the global random generators a function of (seed, epoch, rank)."""

import random

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from yolo_plugins.registry import HOOKS


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds Python's, numpy's and PyTorch's generators at the start of each training epoch.

    A resumed run then draws what the uninterrupted one would have drawn (dropout, stochastic depth), without any
    generator's state in the checkpoint, which could hold that of one rank only.
    """

    priority = "HIGHEST"

    def before_train_epoch(self, runner: Runner) -> None:
        """Seeds the generators of this process."""
        key = (runner.seed, runner.epoch, runner.rank)
        seed = int(np.random.SeedSequence(key).generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
