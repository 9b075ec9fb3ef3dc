"""The schedules that configs state, as the closed forms that training follows."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub

from yolo_plugins.config import load_config
from yolo_plugins.engine import ScheduleHook
from yolo_plugins.files import REPO

ITERS_PER_EPOCH = 50


def started(config: Config, batch_size: int = 64) -> tuple[ScheduleHook, SimpleNamespace]:
    """The config's hook, begun on a stand-in for the runner with the config's optimizer."""
    optimizer_config = dict(config.optim_wrapper.optimizer)
    assert optimizer_config.pop("type") == "SGD"
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "kind": kind} for kind in ("decay", "no_decay", "bias")]
    runner = SimpleNamespace(
        optim_wrapper=SimpleNamespace(optimizer=torch.optim.SGD(groups, **optimizer_config), accumulate=None),
        train_dataloader=torch.utils.data.DataLoader(range(ITERS_PER_EPOCH * batch_size), batch_size=batch_size),
        world_size=1,
        max_epochs=config.train_cfg.max_epochs,
        epoch=0,
        message_hub=MessageHub("toy"),
        train_loop=None,
        param_schedulers=None,
    )
    hook_config = dict(config.default_hooks.param_scheduler)
    assert hook_config.pop("type") == "ScheduleHook"
    hook = ScheduleHook(**hook_config)
    hook.before_train(runner)
    return hook, runner


def settings(hook: ScheduleHook, runner: SimpleNamespace, iteration: int) -> tuple[float, float, float]:
    """Learning rate of weights and of biases, and momentum, at an iteration."""
    runner.epoch, batch_idx = divmod(iteration, ITERS_PER_EPOCH)
    hook.before_train_iter(runner, batch_idx)
    weights, _, biases = runner.optim_wrapper.optimizer.param_groups
    return weights["lr"], biases["lr"], weights["momentum"]


@pytest.mark.parametrize("name", ["tiny", "csp", "p5", "p6", "p7"])
def test_scaled_yolov4_falls_on_a_cosine_to_a_fifth_without_clipping(name):
    config = load_config(f"yolov4_{name}_coco")
    epochs = 600 if name == "tiny" else 300
    assert config.train_cfg.max_epochs == epochs
    assert config.optim_wrapper.clip_grad is None
    hook, _ = started(config)
    factors = [hook.factor(epoch) for epoch in (0, epochs // 4, epochs // 2, epochs)]
    assert factors == pytest.approx([1.0, 0.2 + 0.8 * (2 + 2**0.5) / 4, 0.6, 0.2])


def test_scaled_yolov4_warms_up_for_three_epochs_and_at_least_a_thousand_iterations():
    hook, runner = started(load_config("yolov4_csp_coco"))
    assert settings(hook, runner, 0) == (0.0, 0.1, 0.9)
    lr, bias_lr, momentum = settings(hook, runner, 500)  # three epochs would be 150 iterations
    target = 0.01 * hook.factor(10)
    assert (lr, bias_lr, momentum) == pytest.approx((target / 2, (0.1 + target) / 2, (0.9 + 0.937) / 2))
    assert settings(hook, runner, 1000) == pytest.approx((0.01 * hook.factor(20),) * 2 + (0.937,))


@pytest.mark.parametrize(("name", "final"), [("n", 0.01), ("s", 0.01), ("m", 0.1), ("l", 0.1), ("x", 0.1)])
def test_yolov5_on_coco_falls_on_a_line_over_300_epochs(name, final):
    config = load_config(f"yolov5_{name}_coco")
    assert config.train_cfg.max_epochs == 300
    assert config.optim_wrapper.clip_grad == {"max_norm": 10.0}
    hook, runner = started(config)
    factors = [hook.factor(epoch) for epoch in (0, 150, 300)]
    assert factors == pytest.approx([1.0, (1 + final) / 2, final])
    assert settings(hook, runner, 0) == (0.0, 0.1, 0.8)


@pytest.mark.parametrize("path", sorted((REPO / "configs").glob("*_coco.py")), ids=lambda path: path.stem)
def test_gradients_of_64_images_make_a_step_on_coco(path):
    config = load_config(path)
    hook, runner = started(config, config.train_dataloader.batch_size)
    settings(hook, runner, 10**6)
    assert runner.optim_wrapper.accumulate * config.train_dataloader.batch_size == 64
