"""What a resolved config may say, checked before anything is built: one table of keys. Importing it loads no torch.

The constructors refuse options that they do not have; here are the values that they would take, whatever they are, and
the keys that nobody would read.
"""

import difflib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from yolo_plugins.errors import UsageError
from yolo_plugins.faults import suggest

LARGEST_SEED = 2**32 - 1  # numpy takes no larger one
LARGEST_SIDE = 8192  # pixels of a picture's side


@dataclass(frozen=True)
class Rule:
    """What a value has to be.

    Attributes:
        says: In words.
        holds: Whether a value is that.
    """

    says: str
    holds: Callable[[Any], bool]

    def __or__(self, other: "Rule") -> "Rule":
        return Rule(f"{self.says} or {other.says}", lambda value: self.holds(value) or other.holds(value))


def _number(low: float, high: float = math.inf, *, above: bool = False, below: bool = False) -> Rule:
    """From `low` (with `above`: above it) to `high` (with `below`: below it), and finite."""
    upper = "finite" if high == math.inf else f"{'less than' if below else 'at most'} {high:g}"

    def holds(value: Any) -> bool:
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            return False
        return (low < value if above else low <= value) and (value < high if below else value <= high)

    return Rule(f"a number, {'more than' if above else 'at least'} {low:g} and {upper}", holds)


def _whole(low: int, high: int | None = None) -> Rule:
    limits = f"{low} or more" if high is None else f"{low} to {high}"
    bound = math.inf if high is None else high
    return Rule(f"a whole number, {limits}", lambda value: type(value) is int and low <= value <= bound)


def _one_of(*values: Any) -> Rule:
    return Rule(" or ".join(map(repr, values)), lambda value: value in values)


def _list_of(rule: Rule, says: str, *lengths: int) -> Rule:
    def holds(value: Any) -> bool:
        right = isinstance(value, list | tuple) and (not lengths or len(value) in lengths)
        return right and all(map(rule.holds, value))

    return Rule(says, holds)


_none = Rule("None", lambda value: value is None)
_switch = Rule("True or False", lambda value: isinstance(value, bool))
_text = Rule("a text, in quotes", lambda value: isinstance(value, str))
_path = Rule("the path of a folder, in quotes", lambda value: isinstance(value, str) and value != "")
_scope = Rule("the name of an installed package", lambda value: isinstance(value, str) and _is_package(value))
_dict = Rule("a dict(...)", lambda value: isinstance(value, dict))
_typed = Rule("a dict(type=..., ...)", lambda value: isinstance(value, dict) and "type" in value)
_texts = _list_of(_text, "a list of texts, in brackets")
_side = _whole(1, LARGEST_SIDE)
_size = _side | _list_of(_side, "(height, width)", 2) | _none
_share = _number(0, 1)
_weight = _number(0)
_weights = _list_of(_weight, "a list of numbers, one for each class") | Rule(
    "a dict of numbers by the names of classes",
    lambda value: isinstance(value, dict) and all(map(_weight.holds, value.values())),
)
_count = _whole(1)


def _is_package(name: str) -> bool:
    return name.isidentifier() and find_spec(name) is not None


def _for_all(rule: Rule, *keys: str) -> dict[str, Rule]:
    return dict.fromkeys(keys, rule)


# By key, with * for one part and ** for any number of them, or by TYPE.option.
_RULES: dict[str, Rule] = {
    **_for_all(_typed, "model", "model.backbone", "model.bbox_head", "model.bbox_head.loss", "optim_wrapper.optimizer"),
    **_for_all(_typed, "*_dataloader.dataset", "*_dataloader.sampler"),
    "model.neck": _typed | _list_of(_typed, "a list of them") | _none,
    **_for_all(_dict | _none, "*_dataloader", "optim_wrapper", "train_cfg", "val_cfg", "test_cfg", "log_processor"),
    **_for_all(_dict | _none, "model.train_cfg", "model.test_cfg", "optim_wrapper.clip_grad", "default_hooks.*"),
    **_for_all(_dict, "default_hooks", "randomness", "custom_imports", "env_cfg", "env_cfg.mp_cfg", "env_cfg.dist_cfg"),
    "custom_hooks": _list_of(_typed, "a list of dict(type=..., ...)") | _none,
    "**init_cfg": _typed | _list_of(_typed, "a list of them") | _none,
    "Pretrained.checkpoint": _text,
    "Pretrained.prefix": _text | _none,
    "custom_imports.imports": _text | _texts,
    "*_dataloader.dataset.pipeline": _list_of(_typed, "a list of dict(type=..., ...)"),
    **_for_all(_texts, "*_dataloader.dataset.splits", "**metainfo.classes"),
    **_for_all(_path, "data_root", "*_dataloader.dataset.data_root"),
    **_for_all(_text | _none, "load_from", "work_dir"),
    "default_scope": _scope,
    "log_level": _one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
    "env_cfg.mp_cfg.mp_start_method": _one_of("fork", "spawn", "forkserver"),
    "compile": _switch | _dict,
    **_for_all(_switch, "resume", "find_unused_parameters", "optim_wrapper.optimizer.nesterov"),
    **_for_all(_switch, "*_dataloader.drop_last", "*_dataloader.persistent_workers", "*_dataloader.pin_memory"),
    **_for_all(_switch, "*_dataloader.sampler.shuffle", "*_dataloader.dataset.test_mode", "model.test_cfg.multi_label"),
    **_for_all(_switch, "*_dataloader.dataset.cache_images", "env_cfg.cudnn_benchmark"),
    "*_dataloader.dataset.clip": _switch | _none,
    **_for_all(_switch, "randomness.deterministic", "randomness.diff_rank_seed"),
    **_for_all(_whole(0, LARGEST_SEED) | _none, "randomness.seed", "*_dataloader.sampler.seed"),
    **_for_all(_size, "img_size", "*_dataloader.dataset.img_size", "*_dataloader.dataset.pipeline.*.img_size"),
    "*_dataloader.batch_size": _count,
    "*_dataloader.num_workers": _whole(0, 256),
    "*_dataloader.dataset.rect_batch_size": _count | _none,
    "*_dataloader.dataset.share": _number(0, 1, above=True) | _none,
    "*_dataloader.dataset.indices": _count | _list_of(_whole(0), "a list of numbers") | _none,
    **_for_all(_whole(1, 10**9), "train_cfg.max_epochs", "train_cfg.max_iters", "train_cfg.val_interval"),
    "train_cfg.val_begin": _whole(0),
    "optim_wrapper.optimizer.lr": _number(0, 100, above=True),
    "optim_wrapper.optimizer.momentum": _number(0, 1, below=True),
    "optim_wrapper.optimizer.weight_decay": _share,
    "optim_wrapper.clip_grad.max_norm": _number(0, above=True),
    "class_weights": _one_of("balanced") | _weights | _none,
    "multi_scale": _number(0, 1, below=True) | _none,
    "model.freeze": _whole(0) | _one_of("backbone") | _none,
    "model.norm_eval": _switch,
    **_for_all(_number(0, 16, above=True), "model.*.widen_factor", "model.*.deepen_factor"),
    "model.bbox_head.num_classes": _whole(1, 100_000),
    **_for_all(_share, "model.test_cfg.score_thr", "model.test_cfg.iou_threshold", "model.test_cfg.nms.iou_threshold"),
    **_for_all(_count, "model.test_cfg.nms_pre", "model.test_cfg.max_per_img", "default_hooks.*.interval"),
    "default_hooks.*.max_keep_ckpts": _count | _one_of(-1),
    "StepEMAHook.decay": _number(0, 1, below=True),
    "StepEMAHook.ramp": _number(0, above=True),
    **_for_all(_share, "ScheduleHook.final", "ScheduleHook.rise"),
    "ScheduleHook.peak": _number(0, 1000, above=True),
    "ScheduleHook.nominal_batch_size": _count,
    "ScheduleHook.warmup_epochs": _number(0) | _none,
    "ScheduleHook.warmup_min_iters": _whole(0) | _none,
    "ScheduleHook.warmup_bias_lr": _number(0, 100) | _none,
    "ScheduleHook.warmup_momentum": _number(0, 1, below=True) | _none,
    **_for_all(_share, "MosaicAffine.prob", "MosaicAffine.translate", "RandomFlip.prob", "MixUp.prob"),
    **_for_all(_share, "HSVJitter.hue", "HSVJitter.saturation", "HSVJitter.value"),
    "MosaicAffine.scale": _number(0, 1, below=True),
    "MosaicAffine.degrees": _number(0, 180),
    "MosaicAffine.shear": _number(0, 90, below=True),
    "MixUp.alpha": _number(0, above=True),
    **_for_all(_whole(0, 255), "Letterbox.value", "MosaicAffine.pad_value"),
}
_PATTERNS = {
    re.compile(re.escape(key).replace(r"\*\*", ".*").replace(r"\*", r"[^.]*")): rule for key, rule in _RULES.items()
}


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What the runner, its tools and ours read at the top of a config. A variable of one's own may stand beside it.
KNOWN_KEYS = _names(
    "model work_dir train_dataloader val_dataloader test_dataloader train_cfg val_cfg test_cfg auto_scale_lr "
    "optim_wrapper param_scheduler val_evaluator test_evaluator default_hooks custom_hooks data_preprocessor load_from "
    "resume launcher env_cfg log_processor log_level visualizer default_scope randomness experiment_name "
    "custom_imports runner_type vis_backends data_root img_size metainfo sync_bn find_unused_parameters "
    "multi_scale class_weights model_wrapper_cfg compile activation_checkpointing efficient_conv_bn_eval"
)
_HOOKS = _names(
    "param_scheduler checkpoint runtime_info timer logger sampler_seed epoch_seed class_check ema finite_loss record "
    "console visualization"
)
# Dicts whose keys are read one by one, so that nobody would refuse another one.
_CLOSED = {
    "auto_scale_lr": _names("enable base_batch_size"),
    "custom_imports": _names("imports allow_failed_imports"),
    "env_cfg": _names("cudnn_benchmark mp_cfg dist_cfg resource_limit"),
    "env_cfg.mp_cfg": _names("mp_start_method opencv_num_threads"),
    "env_cfg.dist_cfg": _names("backend timeout init_backend init_method world_size rank store group_name"),
    "randomness": _names("seed diff_rank_seed deterministic"),
    "optim_wrapper.clip_grad": _names("type max_norm clip_value norm_type error_if_nonfinite foreach"),
}
# Dicts in which keys of any name may stand: refused is what looks like a slip.
_OPEN = {
    "": KNOWN_KEYS,
    "model.test_cfg": _names("score_thr iou_threshold nms nms_pre max_per_img min_bbox_size multi_label"),
}
_TOGETHER = (
    ("train_dataloader", "train_cfg", "optim_wrapper"),
    ("val_dataloader", "val_cfg", "val_evaluator"),
    ("test_dataloader", "test_cfg", "test_evaluator"),
)


def check_config(config: Mapping[str, Any], path: object) -> None:
    """Refuses a config that cannot be meant.

    Args:
        config: The resolved config.
        path: Its file, for the message.

    Raises:
        UsageError: It has no model; a value is of another type or out of its range; a key is unknown; a part is missing
            that another one needs. Names the key.
    """
    fault = next(_faults(config), None)
    if fault:
        raise UsageError(f"config {path}: {fault}")


def require(config: Mapping[str, Any], key: str) -> None:
    """Refuses a config without a part that a tool works on.

    Raises:
        UsageError: The key is missing, or None.
    """
    if config.get(key) is None:
        raise UsageError(f"the config has no {key}, which this tool works on; add it, or inherit it by _base_")


def _faults(config: Mapping[str, Any]) -> Iterator[str]:
    if "model" not in config:
        yield "no model: is it empty, or a part of a config? write _base_ = [...] or model = dict(...)"
    yield from _unknown_keys("", config)
    for key, option, value in _walk(config):
        if isinstance(value, float) and math.isnan(value):
            yield f"{key} is nan; give a number"
        if repr(value).startswith("<"):
            yield f"{key} is {_shown(value)}, which cannot be written down; give numbers, texts, lists, dicts"
        for pattern, rule in _PATTERNS.items():
            if (pattern.fullmatch(key) or pattern.fullmatch(option)) and not rule.holds(value):
                yield f"{key}={_shown(value)}: give {rule.says}"
        if isinstance(value, dict):
            yield from _unknown_keys(key, value)
    for parts in _TOGETHER:
        given = [part for part in parts if config.get(part) is not None]
        if given and len(given) < len(parts):
            absent = next(part for part in parts if part not in given)
            yield f"{given[0]} stands without {absent}; give {', '.join(parts)}, or None for all of them"


def _unknown_keys(key: str, value: Mapping[str, Any]) -> Iterator[str]:
    for name in value:
        if key in _CLOSED and name not in _CLOSED[key]:
            others = f"it takes {', '.join(sorted(_CLOSED[key]))}"
            yield f"{key} takes no {name!r}; {suggest(name, _CLOSED[key], others)}"
        if key in _OPEN and _is_slip(name, _OPEN[key]):
            yield f"{key or 'the config'} has an unknown key {name!r}; {suggest(name, _OPEN[key])}"
        if key == "default_hooks" and value[name] is None and _is_slip(name, _HOOKS):
            yield f"default_hooks.{name}=None: no hook of this name; {suggest(name, _HOOKS)}"


def _is_slip(name: str, known: Iterable[str]) -> bool:
    """Whether an unknown name is so near to a known one, other than by a word more or less, that it must be meant."""
    if name in known:
        return False
    words = set(name.split("_"))
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.8)
    return any(not words < set(key.split("_")) and not words > set(key.split("_")) for key in near)


def _walk(value: Any, key: str = "") -> Iterator[tuple[str, str, Any]]:
    """(dotted key, `TYPE.option` where a type owns it, value) of every value within dicts and lists of dicts."""
    if isinstance(value, Mapping):
        kind = str(value.get("type", "")).removeprefix("yolo_plugins.")
        entries = [(str(name), f"{kind}.{name}", item) for name, item in value.items()]
    else:
        parts = ((place, item) for place, item in enumerate(value) if isinstance(item, dict | list | tuple | float))
        entries = [(str(place), "", item) for place, item in parts]
    for name, option, item in entries:
        inner = f"{key}.{name}" if key else name
        yield inner, option, item
        if isinstance(item, dict | list | tuple):
            yield from _walk(item, inner)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
