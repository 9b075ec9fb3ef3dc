"""Repeating, resuming and loading."""

import random
import sysconfig
from pathlib import Path

import mmengine.runner.runner
import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.utils.dl_utils import collect_env
from toy_training import toy_config

from yolo_plugins.checkpoints.read import check_fits
from yolo_plugins.errors import UsageError
from yolo_plugins.record import read_record
from yolo_plugins.registry import HOOKS


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


class StopAfter(Hook):
    priority = "LOWEST"

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def before_train_epoch(self, runner):
        if runner.epoch == self.epochs:
            raise KeyboardInterrupt


def test_a_resumed_run_equals_an_uninterrupted_one(make_runner, caplog, capfd):
    whole = make_runner("whole", max_epochs=4, model=DROPOUT)
    whole.train()
    part = make_runner("part", max_epochs=4, model=DROPOUT)

    part.register_hook(StopAfter(3))
    with pytest.raises(KeyboardInterrupt):
        part.train()
    assert load(f"{part.work_dir}/epoch_3.pth")["optimizer"]["pending"]["count"] == 1  # inside an accumulation
    resumed = make_runner("part", max_epochs=4, model=DROPOUT, resume=True)
    resumed.train()
    last, expected = load(f"{part.work_dir}/epoch_4.pth"), load(f"{whole.work_dir}/epoch_4.pth")
    assert_equal(states(last), states(expected))
    for key in ("best_score", "keep_ckpt_ids", "iter", "epoch"):
        assert last["message_hub"]["runtime_info"][key] == expected["message_hub"]["runtime_info"][key]
    assert "WARNING" not in "".join(capfd.readouterr())


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


def test_a_run_that_is_always_resumed_begins_with_the_weights_of_load_from_and_then_goes_on_by_itself(
    make_runner, capfd
):
    source = make_runner("source", max_epochs=1, randomness={"seed": 7})
    source.train()
    weights = source.message_hub.get_info("best_ckpt")
    begun = make_runner("plain", max_epochs=2, load_from=weights)
    begun.train()
    capfd.readouterr()
    for epochs in (1, 2):
        runner = make_runner("tuned", max_epochs=2, load_from=weights, resume="latest")
        if epochs == 1:
            runner.register_hook(StopAfter(1))
            with pytest.raises(KeyboardInterrupt):
                runner.train()
        else:
            runner.train()
        assert ("starting with epoch 1 with the weights of" in capfd.readouterr().err) == (epochs == 1)
    assert_equal(states(load(f"{runner.work_dir}/epoch_2.pth")), states(load(f"{begun.work_dir}/epoch_2.pth")))
    assert runner.cfg.load_from == weights
    with pytest.raises(UsageError, match=r"nowhere\.pth: no such checkpoint file"):
        make_runner("other", load_from="nowhere.pth", resume="latest").train()


def test_the_checkpoint_that_is_named_is_resumed_whatever_else_there_is(make_runner):
    whole = make_runner("whole", max_epochs=3)
    whole.train()
    again = make_runner(
        "whole", max_epochs=3, load_from="nowhere.pth", resume=f"{whole.work_dir}/epoch_2.pth", experiment_name="again"
    )
    again.train()
    assert read_record(f"{again.work_dir}/record.json")["resumed_after"] == [2]


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


@pytest.fixture
def of_dog_and_cat(make_runner):
    """Path of a checkpoint of classes in another order than the toy data set's."""
    source = make_runner("source", max_epochs=1)
    source.train()
    path = f"{source.work_dir}/epoch_1.pth"
    content = load(path)
    content["meta"]["dataset_meta"] = {"classes": ("dog", "cat")}
    torch.save(content, path)
    return path


@pytest.mark.parametrize("door", ["train", "val", "test", "resume"])
def test_a_checkpoint_of_other_class_names_is_refused(make_runner, of_dog_and_cat, door):
    """In a new training, too: nothing in the toy model depends on the number of classes and could start anew."""
    loader, evaluator = (toy_config(Path())[f"val_{part}"] for part in ("dataloader", "evaluator"))
    tests = {"test_dataloader": loader, "test_evaluator": evaluator, "test_cfg": {}}
    runner = make_runner("other", max_epochs=2, load_from=of_dog_and_cat, resume=door == "resume", **tests)
    words = r"epoch_1\.pth: its classes are dog, cat, those of the config cat, dog; give the config"
    with pytest.raises(UsageError, match=words):
        getattr(runner, "train" if door == "resume" else door)()


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
        runner = make_runner(max_epochs=3, randomness={"seed": seed}, overwrite=True)
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
    assert "INFO" not in "".join(capfd.readouterr())


def test_warnings_leave_standard_output_to_the_results(make_runner, capfd):
    make_runner(max_epochs=1).logger.warning("look here")
    printed = capfd.readouterr()
    assert "look here" in printed.err
    assert "look here" not in printed.out


def test_a_machine_without_the_compiler_that_built_python_hears_nothing_of_it(make_runner, monkeypatch, capfd):
    monkeypatch.setattr(mmengine.runner.runner, "collect_env", collect_env)  # make_runner put another in its place
    monkeypatch.setitem(sysconfig.get_config_vars(), "CC", "no-such-compiler -pthread")
    runner = make_runner(max_epochs=1)
    assert "no-such-compiler" not in capfd.readouterr().err
    (log,) = Path(runner.work_dir).glob("*/*.log")
    assert "GCC: n/a" in log.read_text()
    assert sysconfig.get_config_var("CC") == "no-such-compiler -pthread"


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


def test_what_a_run_writes_of_its_config_holds_no_secret(make_runner, tmp_path):
    """The hook gets it; the log, the copy of the config, the checkpoint and its message hub do not."""
    hooks = [{"type": "KeepsToken", "token": "hunter2"}]
    runner = make_runner(max_epochs=1, custom_hooks=hooks, visualizer={"type": "Visualizer"}, vis_backends=[])
    runner.train()
    assert [hook.token for hook in runner.hooks if isinstance(hook, KeepsToken)] == ["hunter2"]
    written = [path.read_bytes() for path in Path(runner.work_dir).rglob("*") if path.is_file()]
    assert any(b"***" in content for content in written)
    assert not any(b"hunter2" in content for content in written)


@HOOKS.register_module()
class KeepsToken(Hook):
    def __init__(self, token):
        self.token = token


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_launcher_that_needs_gpus_is_refused_without_one(make_runner):
    with pytest.raises(
        UsageError, match=r"--launcher slurm needs GPUs, and there is none: give --launcher pytorch under torchrun"
    ):
        make_runner(launcher="slurm")
