"""How a model was trained, as flat data: what two runs must share before their figures are compared. No torch.

A recipe is the resolved config as dotted keys, without what says where and how one run happens, and with the facts
that no config states. Its part outside `model` is the protocol: the model is what a study compares.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from yolo_plugins.config import RUN_KEYS

if TYPE_CHECKING:
    from mmengine.config import Config

Recipe = dict[str, Any]  # dotted key -> JSON value
INITIAL_WEIGHTS = "initial_weights"  # a key: a checksum for each part that began with published weights, or
FROM_SCRATCH = "none"
CHANGES = "changes"  # a key of a recipe that was changed on the way: what changed after which epoch
_MODEL = "model."
_CHOICES = ("type", "splits", "metainfo.classes", "indices")  # of a data set: what it takes of a folder
_SHA256 = re.compile("[0-9a-f]{64}")
_CHECKSUM = re.compile(" [0-9a-f]{8}$")
_STANDARD_DATA = {"COCO train2017 > val2017": "COCO 2017"}
_MISSING = "(missing)"
# What of a config's first level a training reads; all else is for tests, for the process, or a variable of its author.
_READ = (
    *("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler", "auto_scale_lr", "default_hooks"),
    *("custom_hooks", "randomness", "sync_bn", "model_wrapper_cfg", "activation_checkpointing"),
    *("efficient_conv_bn_eval", "compile", "multi_scale", "class_weights", "val_dataloader", "val_evaluator", "model"),
)
# Hooks, by their names, that watch and write and leave the weights alone.
_WATCHING = {
    *("checkpoint", "runtime_info", "timer", "logger", "record", "console", "visualization"),
    *("class_check", "finite_loss"),
}
# Options that move pictures and stop early or late, but change no number; and those that the facts state.
_WITHOUT_EFFECT = {
    *("pin_memory", "prefetch_factor", "cache_images", "cache_dir", "lazy_init", "_scope_"),
    *("batch_size", "amp", "max_epochs", "val_interval", "val_begin"),
}
_LOSS_KEYS = ("loss", "assigner", "coder", "train_cfg")  # parts of a head, or a detector, on which its loss depends


def config_recipe(cfg: "Config") -> Recipe:
    """What a config says of the training and of the model, sorted by key."""
    content = {key: value for key, value in cfg.to_dict().items() if key in _READ}
    hooks = content.get("default_hooks") or {}
    content["default_hooks"] = {name: hook for name, hook in hooks.items() if name not in _WATCHING}
    return dict(sorted(_flatten(content)))


def protocol_of(recipe: Mapping[str, Any]) -> Recipe:
    """The part of a recipe that runs must share to be compared."""
    return {key: value for key, value in recipe.items() if not key.startswith(_MODEL)}


def data_name(recipe: Mapping[str, Any]) -> str | None:
    """A name of the data that a recipe trains and scores on: `VOC VOC2007/train > VOC2007/test 3f2a91c0`.

    The checksum behind it is of the classes, pictures and objects, so that only equal data share the name. What a
    config states has none: `may_be_same_data` compares the two. None where the data set is not one of ours.
    """
    train, val = (
        {key: recipe.get(f"{part}_dataloader.dataset.{key}") for key in _CHOICES} for part in ("train", "val")
    )
    if not train["type"] or not train["splits"]:
        return None
    kind = train["type"].rpartition(".")[2].removesuffix("Dataset")
    splits = " > ".join("+".join(map(str, data["splits"])) for data in (train, val) if data["splits"])
    classes, pictures = train["metainfo.classes"], train["indices"]
    name = f"{kind} {splits}"
    name += f", {len(classes)} classes" if classes else ""
    name += f", {pictures if isinstance(pictures, int) else len(pictures)} pictures" if pictures else ""
    name = _STANDARD_DATA.get(name, name)
    facts = {key: recipe[key] for key in ("classes", "train_objects", "val_objects") if key in recipe}
    return f"{name} {sha256_of(facts)[:8]}" if "train_objects" in facts else name


def may_be_same_data(first: str, second: str) -> bool:
    """Whether two names of data are equal, as far as both have a checksum."""
    bare = [_CHECKSUM.sub("", name) for name in (first, second)]
    return first == second or (bare[0] == bare[1] and bool({first, second} & set(bare)))


def pretraining_name(protocol: Mapping[str, Any]) -> str | None:
    """What a training began with: `none`, or `backbone 1f2a3b4c` of a checksum; None where that is not recorded."""
    parts = protocol.get(INITIAL_WEIGHTS)
    if not isinstance(parts, Mapping):
        return parts
    return ", ".join(f"{part} {value[:8] if _SHA256.fullmatch(value) else value}" for part, value in parts.items())


def config_part(recipe: Mapping[str, Any]) -> Recipe:
    """The part of a recipe that a config states; the rest are facts of a training that was built."""
    return {key: value for key, value in recipe.items() if key.partition(".")[0] in _READ}


def recipe_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """What differs between two recipes or protocols, a line a key in their order: `total_batch: 32 -> 64`."""
    keys = dict.fromkeys([*first, *second])
    pairs = {key: (first.get(key, _MISSING), second.get(key, _MISSING)) for key in keys}
    return [f"{key}: {_show(one)} -> {_show(other)}" for key, (one, other) in pairs.items() if one != other]


def first_of(differences: Sequence[str]) -> str:
    """The first of some differences, and how many more there are; empty where there is none."""
    more = f" and {len(differences) - 1} more" if len(differences) > 1 else ""
    return f"{differences[0]}{more}" if differences else ""


def continued(earlier: Recipe, now: Recipe, epoch: int) -> tuple[Recipe, list[str]]:
    """The recipe of a run that goes on after so many epochs, and what has changed, as `recipe_differences` tells it.

    Its initial weights are those of its first start. A recipe that changed says so for good, under `changes`.
    """
    kept = {key: earlier[key] for key in (INITIAL_WEIGHTS, CHANGES) if key in earlier}
    recipe = {**now, **kept}
    changes = recipe_differences(earlier, recipe)
    if changes:
        recipe[CHANGES] = [*earlier.get(CHANGES, []), *(f"after epoch {epoch}, {change}" for change in changes)]
    return recipe, changes


def loss_name(config: Mapping[str, Any]) -> str:
    """A name that is equal for equal losses: the types of the heads, and a hash of all on which their loss depends.

    Args:
        config: Its `model`, a detector, and what it says of `class_weights`.
    """
    model = config["model"]
    heads = {name: head for name, head in model.items() if name.endswith("head") and isinstance(head, Mapping)}
    types = " + ".join(str(head.get("type")) for head in heads.values()) or str(model.get("type"))
    weights = {"class_weights": config["class_weights"]} if config.get("class_weights") else {}
    told = {"types": types, **weights} | {
        key: value for key, value in _flatten({**heads, "train_cfg": model.get("train_cfg")}) if _is_of_loss(key)
    }
    return f"{types} {sha256_of(told)[:8]}"


def _is_of_loss(key: str) -> bool:
    return any(word in part for part in key.split(".") for word in _LOSS_KEYS)


def _flatten(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key -> JSON value of everything below; lists of dicts go by their numbers."""
    if isinstance(value, (list, tuple)) and any(isinstance(item, Mapping) for item in value):
        value = dict(enumerate(value))
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            if name not in RUN_KEYS and name not in _WITHOUT_EFFECT:
                yield from _flatten(item, f"{key}.{name}" if key else str(name))
    elif key:
        yield key, json.loads(json.dumps(value, default=str))


def sha256_of(content: Any) -> str:
    """The hash by which recipes and protocols are told apart, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _show(value: Any) -> str:
    text = value if value is _MISSING else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:60]} ... {text[-15:]}"
