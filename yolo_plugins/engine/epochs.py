"""What the hooks need to know about the place of an epoch in the run."""

import bisect

from mmengine.runner import Runner


def validation_follows(runner: Runner) -> bool:
    """Whether the training loop will validate after the epoch that has just been trained.

    To be asked in `after_train_epoch`, where `runner.epoch` still counts that epoch as unfinished.
    """
    loop, epoch = runner.train_loop, runner.epoch + 1
    if runner.val_loop is None or epoch < loop.val_begin:
        return False
    interval = loop.dynamic_intervals[bisect.bisect(loop.dynamic_milestones, epoch + 1) - 1]
    return epoch % interval == 0 or epoch == loop.max_epochs
