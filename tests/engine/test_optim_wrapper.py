"""Summed gradients, steps, mixed precision, and the state that a checkpoint keeps."""

from contextlib import contextmanager

import pytest
import torch
from torch import nn

from yolo_plugins.engine import YOLOOptimWrapper, optim_wrapper
from yolo_plugins.errors import UsageError


def make(model=None, **options):
    model = model or nn.Linear(3, 1)
    return model, YOLOOptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), **options)


def train(model, wrapper, batches):
    stepped = []
    for batch in batches:
        with wrapper.optim_context(model):
            loss = model(batch).square().sum()
        wrapper.update_params(loss)
        stepped.append(wrapper.stepped)
    return stepped


def batches(number, seed=0):
    return list(torch.rand(number, 2, 3, generator=torch.Generator().manual_seed(seed)))


def test_steps_when_enough_iterations_are_together():
    model, wrapper = make()
    assert train(model, wrapper, batches(2)) == [True, True]
    wrapper.accumulate = 3
    assert train(model, wrapper, batches(5)) == [False, False, True, False, False]
    wrapper.accumulate = 1  # a lower threshold takes effect at once, with all that is pending
    assert train(model, wrapper, batches(1)) == [True]


def test_accumulated_gradients_are_summed_not_averaged():
    torch.manual_seed(0)
    model, wrapper = make()
    twin, twin_wrapper = make(nn.Linear(3, 1))
    twin.load_state_dict(model.state_dict())
    wrapper.accumulate = 2
    first, second = batches(2)
    train(model, wrapper, [first, second])
    train(twin, twin_wrapper, [torch.cat([first, second])])
    torch.testing.assert_close(model.weight, twin.weight, rtol=1e-6, atol=1e-7)


def test_gradient_norm_is_clipped():
    model, wrapper = make(clip_grad={"max_norm": 1e-3})
    before = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
    train(model, wrapper, batches(1))
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert (after - before).norm() == pytest.approx(0.1 * 1e-3, rel=1e-3)


def test_scaled_gradients_are_clipped_as_if_they_had_not_been_scaled(monkeypatch):
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    monkeypatch.setattr(torch.amp, "GradScaler", lambda *_, **__: scaler)
    model, wrapper = make(clip_grad={"max_norm": 1e3})
    twin = nn.Linear(3, 1)
    twin.load_state_dict(model.state_dict())
    (batch,) = batches(1)
    twin(batch).square().sum().backward()
    train(model, wrapper, [batch])
    torch.testing.assert_close(model.weight, twin.weight - 0.1 * twin.weight.grad)


def test_ranks_exchange_gradients_only_before_a_step():
    class Distributed(nn.Linear):
        silent = 0

        @contextmanager
        def no_sync(self):
            self.silent += 1
            yield

    model, wrapper = make(Distributed(3, 1))
    wrapper.accumulate = 2
    train(model, wrapper, batches(5))
    assert model.silent == 3


def test_bfloat16_autocast_works_on_cpu():
    model, wrapper = make(amp=True)
    with wrapper.optim_context(model):
        assert model(batches(1)[0]).dtype == torch.bfloat16
    assert train(model, wrapper, batches(2)) == [True, True]
    assert model.weight.dtype == torch.float32


def test_full_precision_is_the_default():
    model, wrapper = make()
    with wrapper.optim_context(model):
        assert model(batches(1)[0]).dtype == torch.float32


@pytest.mark.parametrize(("amp", "words"), [("float16", "needs CUDA"), ("fp8", "amp='fp8'")])
def test_a_wrong_amp_is_refused(amp, words):
    with pytest.raises(UsageError, match=words):
        make(amp=amp)


@pytest.mark.parametrize("native", [True, False])
def test_bfloat16_that_a_cpu_imitates_is_warned_of(native, monkeypatch):
    said = []
    monkeypatch.setattr(optim_wrapper, "_has_bfloat16", lambda: native)
    monkeypatch.setattr(optim_wrapper, "print_log", lambda text, *_: said.append(text))
    make(), make(amp=True)
    assert ["train without --amp" in text for text in said] == [True] * (not native)


@pytest.mark.parametrize("cut", [3, 4, 5])
def test_a_resumed_wrapper_continues_bit_for_bit(cut):
    torch.manual_seed(0)
    model, wrapper = make()
    wrapper.accumulate = 3
    train(model, wrapper, batches(cut))
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.utils._pytree.tree_map_only(torch.Tensor, torch.clone, wrapper.state_dict())

    resumed, resumed_wrapper = make(nn.Linear(3, 1))
    resumed.load_state_dict(weights)
    resumed_wrapper.accumulate = 3
    resumed_wrapper.load_state_dict(state)
    rest = batches(8, seed=1)
    assert train(model, wrapper, rest) == train(resumed, resumed_wrapper, rest)
    assert torch.equal(model.weight, resumed.weight)
    assert torch.equal(model.bias, resumed.bias)


@pytest.mark.parametrize(("factor", "iterations"), [(1.0, 2), (0.5, 3), (2.0, 1), (0.8, 3)])
def test_images_that_wait_decide_on_the_step_after_their_number_has_changed(factor, iterations):
    model, wrapper = make()
    wrapper.accumulate = 4
    train(model, wrapper, batches(2))
    wrapper.rescale_pending(factor)
    assert train(model, wrapper, batches(3)).index(True) + 1 == iterations


def adam(model):
    return YOLOOptimWrapper(torch.optim.Adam(model.parameters()))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda state: state.update(param_groups=[]), "parameter group"),
        (lambda state: state["param_groups"][0].pop("nesterov"), "parameter group 0 has lr, momentum"),
        (lambda state: state["state"][0].update(momentum_buffer=torch.ones(7)), r"momentum_buffer is \(7,\)"),
        (lambda state: state["pending"].update(count="x"), "'x' iterations"),
        (lambda state: state["pending"].update(count=-1), "-1 iterations"),
        (lambda state: state["pending"].update(gradients=[torch.ones(1, 3)]), "shorter"),
    ],
)
def test_the_state_of_another_optimizer_is_refused(spoil, words):
    model, wrapper = make()
    train(model, wrapper, batches(2))
    state = wrapper.state_dict()
    spoil(state)
    with pytest.raises(ValueError, match=words):
        make()[1].load_state_dict(state)
    with pytest.raises(ValueError, match="parameter group 0 has lr, momentum"):
        adam(nn.Linear(3, 1)).load_state_dict(make()[1].state_dict())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_float16_scales_its_gradients_and_resumes_on_cuda():
    torch.manual_seed(0)
    model, wrapper = make(nn.Linear(3, 1).cuda(), amp=True, clip_grad={"max_norm": 10.0})
    wrapper.accumulate = 2
    rest = [batch.cuda() for batch in batches(6)]
    with wrapper.optim_context(model):
        assert model(rest[0]).dtype == torch.float16
    train(model, wrapper, rest[:3])
    assert model.weight.grad.abs().max() > 100  # the pending gradient is still scaled
    state = torch.utils._pytree.tree_map_only(torch.Tensor, lambda value: value.cpu().clone(), wrapper.state_dict())
    resumed, resumed_wrapper = make(nn.Linear(3, 1).cuda(), amp=True, clip_grad={"max_norm": 10.0})
    resumed.load_state_dict(model.state_dict())
    resumed_wrapper.accumulate = 2
    resumed_wrapper.load_state_dict(state)
    assert train(model, wrapper, rest[3:]) == train(resumed, resumed_wrapper, rest[3:]) == [True, False, True]
    assert torch.equal(model.weight, resumed.weight)
    assert torch.isfinite(model.weight).all()
