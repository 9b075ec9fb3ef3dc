"""The prediction whether a validation follows agrees with the training loop."""

import pytest
from mmengine.hooks import Hook

from yolo_plugins.engine.epochs import validation_follows


@pytest.mark.parametrize(
    "loop",
    [{}, {"val_interval": 3}, {"val_begin": 4}, {"val_interval": 5, "dynamic_intervals": [(4, 2), (6, 1)]}],
)
def test_prediction_agrees_with_the_loop(make_runner, loop):
    predicted, happened = [], []

    class Spy(Hook):
        def after_train_epoch(self, runner):
            if validation_follows(runner):
                predicted.append(runner.epoch + 1)

        def after_val_epoch(self, runner, metrics=None):
            happened.append(runner.epoch)

    runner = make_runner(hooks={"checkpoint": None}, train_cfg={"by_epoch": True, "max_epochs": 8} | loop)
    runner.register_hook(Spy())
    runner.train()
    assert predicted == happened
    assert happened[-1] == 8
