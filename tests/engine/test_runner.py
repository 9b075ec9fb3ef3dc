"""Repeating, resuming and loading."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from toy_training import toy_config

from yolo_plugins.checkpoints.read import check_fits
from yolo_plugins.errors import UsageError


def load(path):
    return torch.load(path, weights_only=True)


def assert_equal(left, right, path=""):
    """Nested comparison, tensors bit for bit."""
    if torch.is_tensor(left):
        assert torch.equal(left, right), path
    elif isinstance(left, dict):
        assert left.keys() == right.keys(), path
        for key in left:
            assert_equal(left[key], right[key], f"{path}/{key}")
    elif isinstance(left, list | tuple):
        assert len(left) == len(right), path
        for index, pair in enumerate(zip(left, right, strict=True)):
            assert_equal(*pair, f"{path}/{index}")
    else:
        assert left == right, path


def states(checkpoint):
    return {key: checkpoint[key] for key in ("state_dict", "ema_state_dict", "optimizer")}


DROPOUT = {"type": "ToyDetector", "dropout": 0.3}


def test_a_seed_repeats_bit_for_bit(make_runner):
    for name in "ab":
        runner = make_runner(name, max_epochs=2, model=DROPOUT)
        runner.train()
    other = make_runner("c", max_epochs=2, model=DROPOUT, randomness={"seed": 1})
    other.train()
    folder = Path(runner.work_dir).parent
    first, second, third = (load(folder / name / "epoch_2.pth") for name in "abc")
    assert_equal(states(first), states(second))
    assert not torch.equal(first["state_dict"]["stem.0.weight"], third["state_dict"]["stem.0.weight"])


def test_a_resumed_run_equals_an_uninterrupted_one(make_runner, caplog, capfd):
    whole = make_runner("whole", max_epochs=4, model=DROPOUT)
    whole.train()
    part = make_runner("part", max_epochs=4, model=DROPOUT)

    class Stop(Hook):
        priority = "LOWEST"

        def before_train_epoch(self, runner):
            if runner.epoch == 3:
                raise KeyboardInterrupt

    part.register_hook(Stop())
    with pytest.raises(KeyboardInterrupt):
        part.train()
    assert load(f"{part.work_dir}/epoch_3.pth")["optimizer"]["pending"]["count"] == 1  # inside an accumulation
    resumed = make_runner("part", max_epochs=4, model=DROPOUT, resume=True)
    resumed.train()
    last, expected = load(f"{part.work_dir}/epoch_4.pth"), load(f"{whole.work_dir}/epoch_4.pth")
    assert_equal(states(last), states(expected))
    for key in ("best_score", "keep_ckpt_ids", "iter", "epoch"):
        assert last["message_hub"]["runtime_info"][key] == expected["message_hub"]["runtime_info"][key]
    assert "WARNING" not in capfd.readouterr().out


def test_a_run_with_schedulers_of_mmengine_is_resumed_exactly(make_runner):
    hooks = toy_config(Path())["default_hooks"] | {"param_scheduler": {"type": "ParamSchedulerHook"}}
    schedulers = [
        {"type": "LinearLR", "start_factor": 0.1, "begin": 0, "end": 4, "by_epoch": False},
        {"type": "MultiStepLR", "milestones": [2, 3], "gamma": 0.1, "by_epoch": True},
    ]
    whole = make_runner("whole", max_epochs=4, default_hooks=hooks, param_scheduler=schedulers)
    whole.train()
    resumed = make_runner(
        "part",
        max_epochs=4,
        default_hooks=hooks,
        param_scheduler=schedulers,
        resume=True,
        load_from=f"{whole.work_dir}/epoch_3.pth",
    )
    resumed.train()
    last, expected = load(f"{resumed.work_dir}/epoch_4.pth"), load(f"{whole.work_dir}/epoch_4.pth")
    assert_equal(states(last), states(expected))
    assert last["optimizer"]["param_groups"][0]["lr"] == pytest.approx(1e-4)


def test_resuming_takes_over_the_seed_of_the_checkpoint(make_runner):
    whole = make_runner("whole", max_epochs=3, randomness={"seed": 5})
    whole.train()
    resumed = make_runner(
        "part", max_epochs=3, resume=True, load_from=f"{whole.work_dir}/epoch_2.pth", randomness={"seed": None}
    )
    resumed.train()
    assert_equal(states(load(f"{resumed.work_dir}/epoch_3.pth")), states(load(f"{whole.work_dir}/epoch_3.pth")))


def test_resuming_in_a_new_work_dir_starts_from_the_beginning(make_runner):
    runner = make_runner(max_epochs=1, resume=True)
    runner.train()
    assert runner.epoch == 1


def test_weights_alone_cannot_be_resumed_from(make_runner):
    runner = make_runner(max_epochs=1)
    runner.train()
    best = runner.message_hub.get_info("best_ckpt")
    with pytest.raises(UsageError, match=r"best_ap50_epoch_1\.pth: holds weights only"):
        make_runner("again", load_from=best, resume=True).train()
    make_runner("tuned", max_epochs=1, load_from=best).train()


def test_a_bare_state_dict_is_loaded(make_runner, tmp_path):
    source = make_runner("source").model
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    runner = make_runner(load_from=str(tmp_path / "weights.pth"), randomness={"seed": 1})
    runner.val()
    assert torch.equal(runner.model.bbox_head.conv.weight, source.bbox_head.conv.weight)


def test_a_checkpoint_of_another_model_is_refused(make_runner, tmp_path):
    state = make_runner("source").model.state_dict()
    state["bbox_head.conv.weight"] = torch.zeros(5, 4, 1, 1)
    for key in [key for key in state if key.startswith("stem.1.")]:
        state[key.replace("stem.1", "neck")] = state.pop(key)
    torch.save({"state_dict": state}, tmp_path / "other.pth")
    words = (
        r"other\.pth: not a checkpoint of this ToyDetector: 5 missing \(stem\.1\.weight, stem\.1\.bias, "
        r"stem\.1\.running_mean, \.\.\.\); 5 unexpected \(neck\.weight, .*\); 1 of another shape "
        r"\(bbox_head\.conv\.weight \(5, 4, 1, 1\) instead of \(3, 4, 1, 1\)\): "
    )
    with pytest.raises(UsageError, match=words):
        make_runner(load_from=str(tmp_path / "other.pth")).val()


def test_what_a_killed_run_was_writing_is_removed_at_the_next_start(make_runner, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in (".epoch_7.pth.4711.tmp", ".record.json.1.tmp", ".mine.tmp", "notes.12.tmp", ".x.3.tmp.txt"):
        (folder / name).touch()
    make_runner(max_epochs=1).train()
    left = {path.name for path in folder.iterdir()}
    assert {".mine.tmp", "notes.12.tmp", ".x.3.tmp.txt"} < left
    assert not {".epoch_7.pth.4711.tmp", ".record.json.1.tmp"} & left


def test_the_global_generators_differ_from_epoch_to_epoch_and_repeat_with_the_seed(make_runner):
    class Draws(Hook):
        def __init__(self):
            self.drawn = []

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if batch_idx == 0:
                self.drawn.append((torch.rand(1).item(), np.random.rand(), random.random()))

    draws = []
    for seed in (0, 0, 1):
        runner = make_runner(max_epochs=3, randomness={"seed": seed})
        hook = Draws()
        runner.register_hook(hook)
        runner.train()
        draws.append(hook.drawn)
    assert draws[0] == draws[1]
    for numbers in zip(*draws[0], *draws[2], strict=True):  # of one generator
        assert len(set(numbers)) == 6


def test_a_fitting_state_dict_passes():
    model = torch.nn.Linear(2, 2)
    check_fits(model, model.state_dict(), "file")


def test_the_log_file_has_what_the_console_leaves_out(make_runner, capfd):
    runner = make_runner(max_epochs=1)
    runner.train()
    (log,) = Path(runner.work_dir).glob("*/*.log")
    assert "Epoch(train)" in log.read_text()
    assert "INFO" not in capfd.readouterr().out


class SeesWorkers(Hook):
    def before_train(self, runner):
        self.started = runner.val_dataloader._iterator is not None


def test_validation_workers_start_before_training_and_change_nothing_of_it(make_runner):
    weights = []
    for name, workers in (("without", 0), ("with", 1)):
        loader = toy_config(Path())["val_dataloader"]
        loader |= {"num_workers": workers, "persistent_workers": bool(workers)}
        runner = make_runner(name, max_epochs=1, model=DROPOUT, val_dataloader=loader)
        hook = SeesWorkers()
        runner.register_hook(hook)
        runner.train()
        assert hook.started == bool(workers)
        weights.append(states(load(Path(runner.work_dir) / "epoch_1.pth")))
    assert_equal(*weights)
