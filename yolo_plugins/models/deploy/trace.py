"""Which layer wrote the input of which other one, found by watching a run: no order of registration tells it."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from yolo_plugins.models.deploy.compare import Call, run, tensors


class Trace(TorchDispatchMode):
    """Watches a run of a network: every operator that reads the output of a maker is seen, whoever calls it.

    Args:
        makers: Modules whose outputs are watched.
        takers: Modules that may be merged with the maker of their input.

    Attributes:
        takers: As given.
        maker: Taker -> the maker of its input, if there is one.
        input_shape: Maker -> shape of its input.
    """

    def __init__(self, makers: Iterable[nn.Module], takers: Iterable[nn.Module]) -> None:
        super().__init__()
        self._makers, self.takers = list(makers), list(takers)
        self.maker: dict[nn.Module, nn.Module] = {}
        self.input_shape: dict[nn.Module, torch.Size] = {}
        self._runs: Counter[nn.Module] = Counter()
        self._read_elsewhere: set[nn.Module] = set()
        self._watched: dict[int, tuple[nn.Module, Tensor]] = {}  # by id, which is unique while the tensor is kept here
        self._inside: nn.Module | None = None  # the taker that runs

    def run(self, model: nn.Module, call: Call) -> None:
        """Runs the network."""
        handles = [maker.register_forward_hook(self._made) for maker in self._makers]
        for taker in self.takers:
            handles += [taker.register_forward_pre_hook(self._enter), taker.register_forward_hook(self._leave)]
        with self:
            outputs = run(model, call)
        self._read(outputs)  # by the caller
        for handle in handles:
            handle.remove()

    def obstacle(self, taker: nn.Module) -> str | None:
        """Why a taker cannot be merged with the layer before it; None where it can."""
        maker = self.maker.get(taker)
        if not self._runs[taker]:
            return "it does not run"
        if self._runs[taker] > 1:
            return "it runs more than once"
        if maker is None:
            return "no convolution or linear layer is directly before it"
        if self._runs[maker] > 1:
            return "the layer before it runs more than once"
        if maker in self._read_elsewhere:
            return "the output of the layer before it is used elsewhere too"
        return None

    def _made(self, maker: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        self._runs[maker] += 1
        if args:
            self.input_shape[maker] = args[0].shape
            self._watched[id(output)] = (maker, output)

    def _enter(self, taker: nn.Module, args: tuple[Any, ...]) -> None:
        self._runs[taker] += 1
        self._inside = taker
        maker = self._maker_of(args[0]) if args else None
        if maker is not None:
            if maker in self.maker.values():
                self._read_elsewhere.add(maker)
            self.maker[taker] = maker

    def _leave(self, taker: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self._inside = None
        if args and output is args[0]:  # in place: the tensor is the taker's output from here on
            self._watched.pop(id(output), None)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: dict | None = None) -> Any:
        self._read((args, kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _read(self, values: Any) -> None:
        for tensor in tensors(values):
            maker = self._maker_of(tensor)
            if maker is not None and (self._inside is None or self.maker.get(self._inside) is not maker):
                self._read_elsewhere.add(maker)

    def _maker_of(self, tensor: Any) -> nn.Module | None:
        return self._watched.get(id(tensor), (None,))[0]
