"""Parameters, multiply-accumulates and latency of a detector and its parts, measured on the object itself.

`macs` are those of convolutions and matrix products, by torch's own flop counter, which counts two operations for
each; FLOPs are twice the MACs. The paper's counter, thop, sees modules, not operators, and adds norms, pooling and
upsampling (`macs_thop`). Where both count a module, they must agree. An operator is counted if torch has a formula for
it or thop gives the module that runs it more than nothing; all other arithmetic is named.
"""

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from yolo_plugins.costs.latency import MachineState, measure_latency, precision_of, watch_machine
from yolo_plugins.costs.utilization import flops_of
from yolo_plugins.errors import UsageError
from yolo_plugins.models.deploy import LAYERS, to_deploy

_PARTS = {"backbone": "backbone", "neck": "neck", "head": "bbox_head"}
_LATENCY_ROUNDS, _LATENCY_SECONDS = (10, 1000), (0.5, 3.0)
_TOLERANCE = 0.01  # of the larger count
# Besides views, the operators that only make, move or look up numbers, the "_" of their in-place form left out.
_NO_ARITHMETIC = re.compile(
    r"(new_)?(empty|full|ones|zeros)(_like)?|arange|fill|lift_fresh|scalar_tensor|zero"
    r"|_to_copy|_unsafe_view|as_strided|cat|clone|copy|flip|im2col|native_channel_shuffle"
    r"|pixel_shuffle|repeat|roll|stack|(constant|reflection|replication)_pad\w+"
    r"|(_unsafe_)?index|index_select|gather"
)


def _attention_flops(query_shape: Any, key_shape: Any, value_shape: Any, *_: Any, **__: Any) -> int:
    """Attention on the CPU, which torch counts on every other device."""
    return sdpa_flop_count(query_shape, key_shape, value_shape)


_FORMULAS: dict[Any, Callable[..., int]] = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
}


def summarize(model: nn.Module, input_hw: tuple[int, int]) -> dict[str, Any]:
    """Complexity and speed for one image.

    Args:
        model: A detector, ours or MMDetection's; left as it is.
        input_hw: Height and width of the input in pixels.

    Returns:
        What `count_parts` returns; `params_deploy` and `macs_deploy` of the deploy form; its `latency_seconds` on the
        model's device (batch 1, raw outputs), the 95 % interval of this median and `images_per_second`, all of them
        None where other processes kept the machine busy; `latency_precision` and, in words, `latency_machine`.
    """
    machine = watch_machine()
    deployed = to_deploy(model, input_hw)
    counts = count_parts(model, input_hw) | {
        "params_deploy": _count_params(deployed),
        "macs_deploy": count_macs(deployed, input_hw),
    }
    return counts | _latency(deployed, input_hw, machine)


def _latency(network: nn.Module, input_hw: tuple[int, int], machine: Callable[[], MachineState]) -> dict[str, Any]:
    """The keys of `summarize` on the latency; `machine` has been watched since before."""
    found = measure_latency(
        {"": lambda: _forward(network, input_hw)},
        device=_device(network),
        rounds=_LATENCY_ROUNDS,
        seconds=_LATENCY_SECONDS,
    )[""]
    state = machine()
    figures = {
        "latency_seconds": found.median_ms / 1e3,
        "latency_low_seconds": found.low_ms / 1e3,
        "latency_high_seconds": found.high_ms / 1e3,
        "images_per_second": 1e3 / found.median_ms,
    }
    return {
        **(figures if state.is_idle else dict.fromkeys(figures)),
        "latency_precision": precision_of(network),
        "latency_machine": str(state),
    }


def count_parts(model: nn.Module, input_hw: tuple[int, int]) -> dict[str, Any]:
    """`params`, `macs` and `flops` for one image and, with `_backbone`, `_neck`, `_head`, those of the parts.

    A part that the model does not have counts None.

    `uncounted_operators` names the arithmetic that `macs` leaves out. Arguments as in `summarize`.

    Raises:
        UsageError: The model refuses the size.
    """
    trace = _trace(model, input_hw)
    return _by_part(model, trace) | {"uncounted_operators": sorted({name for name, _ in trace.without_formula})}


def count_macs(network: nn.Module, input_hw: tuple[int, int]) -> int:
    """Multiply-accumulates of any network for one image, in evaluation mode; it may be on the meta device.

    Args:
        network: From (1, 3, H, W) to anything.
        input_hw: Height and width of the input in pixels.
    """
    return _trace(network, input_hw).macs[""]


def count_forms(model: nn.Module, input_hw: tuple[int, int]) -> list[dict[str, Any]]:
    """The rows of complexity.csv of one detector: its `form` "train" and its `form` "deploy", counted by both counters.

    Args:
        model: As for `summarize`.
        input_hw: Height and width of the input in pixels.

    Returns:
        Dicts of `form`, `input_h`, `input_w`; the numbers of `count_parts`; `macs_thop`, all that thop counts;
        `uncounted_operators`, arithmetic that neither counts; `uncounted_by_thop`, paths of the modules that compute
        products themselves and have no rule in thop ("model": the detector). Names are joined by spaces.

    Raises:
        UsageError: thop is not installed; the counts of a module are more than 1 % apart; see `count_parts`.
    """
    height, width = input_hw
    if height < 1 or width < 1:
        raise UsageError(f"input size {height}x{width} (height x width): give pixels, 1 or more")
    train = _row("train", model, input_hw)  # first: the detector itself tells best what is wrong with a size
    return [train, _row("deploy", to_deploy(model, input_hw), input_hw)]


def format_table(table: Any) -> str:
    """Millions of parameters and billions of operations, a line a model, and all that was not counted.

    Args:
        table: A pandas.DataFrame of the rows of `count_forms`, each with its `model`.
    """
    import pandas as pd  # of the extra `analysis`, as thop

    train, deploy = (table[table["form"] == form].set_index("model") for form in ("train", "deploy"))
    parts = {"total": "", **{part: f"_{part}" for part in _PARTS}}
    shown = {("params / M", part): train[f"params{suffix}"] / 1e6 for part, suffix in parts.items()}
    shown |= {("FLOPs / G", part): train[f"flops{suffix}"] / 1e9 for part, suffix in parts.items()}
    shown |= {("MACs / G", "torch"): train["macs"] / 1e9, ("MACs / G", "thop"): train["macs_thop"] / 1e9}
    shown |= {
        ("deploy form", "params / M"): deploy["params"] / 1e6,
        ("deploy form", "FLOPs / G"): deploy["flops"] / 1e9,
    }
    lines = [pd.DataFrame(shown).rename_axis(None).to_string(float_format="{:.3f}".format)]
    operators = sorted(set(" ".join(table["uncounted_operators"]).split()))
    lines.append(f"\nCounted by neither: {' '.join(operators) or 'nothing'}")
    lines += [f"{model}: thop misses {paths}" for model, paths in train["uncounted_by_thop"].items() if paths]
    return "\n".join(lines)


def _count_params(module: nn.Module) -> int:
    """Numbers in the parameters, frozen ones too, shared ones once."""
    return sum(parameter.numel() for parameter in module.parameters())


@dataclass(frozen=True)
class _Trace:
    """What one forward pass ran; modules go by their dotted path, the model itself by "".

    Attributes:
        macs: multiply-accumulates of each module, those within it included.
        products: modules that themselves run an operator with a formula.
        without_formula: (operator, module that runs it) of arithmetic that torch has no formula for.
    """

    macs: dict[str, int]
    products: set[str]
    without_formula: set[tuple[str, str]]


class _Operators(TorchDispatchMode):
    """Collects the operators that run, each with the module that runs it; entered after the counter it watches."""

    def __init__(self, counter: FlopCounterMode) -> None:
        super().__init__()
        self.counter = counter
        self.counted: set[tuple[Any, str]] = set()
        self.uncounted: set[tuple[Any, str]] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: dict | None = None) -> Any:
        module = max(self.counter.mod_tracker.parents, key=lambda path: path.count("."))
        before = self.counter.get_total_flops()
        result = func(*args, **(kwargs or {}))
        seen = self.counted if self.counter.get_total_flops() > before else self.uncounted
        seen.add((func, _path(module)))
        return result


def _trace(model: nn.Module, input_hw: tuple[int, int]) -> _Trace:
    """Runs one image in evaluation mode."""
    training = model.training
    counter = FlopCounterMode(display=False, custom_mapping=_FORMULAS)
    operators = _Operators(counter)
    model.eval()
    try:
        with counter, operators:
            _forward(model, input_hw)
    finally:
        model.train(training)
    macs = {"": counter.get_total_flops() // 2}
    for name, flops in counter.get_flop_counts().items():
        macs.setdefault(_path(name), sum(flops.values()) // 2)
    return _Trace(
        macs=macs,
        products={path for _, path in operators.counted},
        without_formula={(_name(func), path) for func, path in operators.uncounted if _is_arithmetic(func)},
    )


def _name(operator: Any) -> str:
    """`aten.relu`, also for its in-place form."""
    return str(operator.overloadpacket).removesuffix("_")


def _is_arithmetic(operator: Any) -> bool:
    return not operator.is_view and not _NO_ARITHMETIC.fullmatch(_name(operator).rpartition(".")[2])


def _by_part(model: nn.Module, trace: _Trace) -> dict[str, int | None]:
    """The numbers of `count_parts`; None of a part that the model does not have."""
    counts: dict[str, int | None] = {}
    for suffix, name in {"": "", **{f"_{part}": name for part, name in _PARTS.items()}}.items():
        numbers: dict[str, int] = {}
        if not name or isinstance(getattr(model, name, None), nn.Module):
            macs = _macs_within(name, trace.macs)
            numbers = {"params": _count_params(model.get_submodule(name)), "macs": macs, "flops": flops_of(macs)}
        counts |= {f"{quantity}{suffix}": numbers.get(quantity) for quantity in ("params", "macs", "flops")}
    return counts


def _macs_within(name: str, macs: dict[str, int]) -> int:
    """Multiply-accumulates of a module, or of the outermost modules within it that ran.

    The latter where its `forward` is called by name, as MMDetection calls that of its heads, and no hook sees it.
    """
    if name in macs:
        return macs[name]
    inner = [path for path in macs if path.startswith(f"{name}.")]
    return sum(macs[path] for path in inner if path.rpartition(".")[0] not in macs)


def _row(form: str, model: nn.Module, input_hw: tuple[int, int]) -> dict[str, Any]:
    """A row of `count_forms`."""
    trace = _trace(model, input_hw)
    row = {"form": form, "input_h": input_hw[0], "input_w": input_hw[1]}
    return row | _by_part(model, trace) | _cross_check(model, input_hw, trace)


def _cross_check(model: nn.Module, input_hw: tuple[int, int], trace: _Trace) -> dict[str, Any]:
    """Counts with thop and compares each module with torch's count; see `count_forms`."""
    try:
        from thop import profile
    except ImportError as error:
        raise UsageError(f"thop cannot be imported ({error}): pip install 'yolo_plugins[analysis]'") from error
    network = copy.deepcopy(model)  # thop leaves its sums in it
    inputs = (_zeros(network, input_hw), None, "tensor")
    _, _, layers = profile(network, inputs, _thop_rules(network), verbose=False, ret_layer_info=True)
    by_thop = dict(_leaves(layers))
    places: dict[nn.Module, list[str]] = {}
    for path in by_thop:
        places.setdefault(network.get_submodule(path), []).append(path)
    total = 0
    for module, paths in places.items():
        macs = by_thop[paths[0]] // len(paths)  # one in several places (RTMDet's) has as many of thop's hooks
        _compare(paths[0], module, macs, sum(trace.macs.get(path, 0) for path in paths))
        total += macs
    operators = {name for name, path in trace.without_formula if not by_thop.get(path)}
    modules = {path or "model" for path in trace.products if not any(map(by_thop.get, _ancestry(path)))}
    return {
        "macs_thop": total,
        "uncounted_operators": " ".join(sorted(operators)),
        "uncounted_by_thop": " ".join(sorted(modules)),
    }


def _path(tracked: str) -> str:
    """The module tracker's "YOLODetector.backbone.stem" -> "backbone.stem"."""
    return tracked.partition(".")[2]


def _ancestry(path: str) -> Iterator[str]:
    """The module itself and those around it, inside out."""
    while path:
        yield path
        path = path.rpartition(".")[0]


def _thop_rules(model: nn.Module) -> dict[type, Callable]:
    """A rule for each type in the model that has one, or inherits one: thop itself knows exact types alone."""
    from thop.profile import register_hooks

    transposed = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    known = {**register_hooks, **dict.fromkeys(transposed, _count_transposed)}
    rules = {}
    for kind in {type(module) for module in model.modules()}:
        base = next((base for base in kind.__mro__ if base in known), None)
        if base is not None:
            rules[kind] = known[base]
    return rules


def _count_transposed(module: Any, inputs: tuple[Tensor, ...], _: Tensor) -> None:
    """Weights times the cells of the input; thop's own rule takes the output's cells, stride^2 times as many."""
    module.total_ops += inputs[0].numel() * module.weight[0].numel()


def _leaves(layers: dict[str, tuple], prefix: str = "") -> Iterator[tuple[str, int]]:
    """(path, operations) of the modules that thop does not look into."""
    for name, (operations, _, inner) in layers.items():
        if inner:
            yield from _leaves(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", round(operations)


def _compare(path: str, module: nn.Module, by_thop: int, by_torch: int) -> None:
    """Raises `UsageError` where both counters should know the products of a module and disagree."""
    # Layers are counted by both, always.
    both_count = isinstance(module, LAYERS) or (by_thop and by_torch)
    if both_count and abs(by_thop - by_torch) > _TOLERANCE * max(by_thop, by_torch):
        raise UsageError(
            f"{path} ({type(module).__name__}): thop counts {by_thop:,} multiply-accumulates, torch {by_torch:,}, more "
            "than 1 % apart; let it call plain nn modules instead of deriving from one"
        )


def _zeros(model: nn.Module, input_hw: tuple[int, int]) -> Tensor:
    """One black image, (1, 3, H, W), on the model's device."""
    return torch.zeros(1, 3, *input_hw, device=_device(model))


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


@torch.no_grad()
def _forward(model: nn.Module, input_hw: tuple[int, int]) -> None:
    model(_zeros(model, input_hw))
