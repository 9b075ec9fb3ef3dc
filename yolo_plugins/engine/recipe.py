"""The recipe of a training that has been built: what its config says, and what only the built objects know."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.runner import Runner
from torch import nn

from yolo_plugins.checkpoints.read import load_weights, weights_sha256
from yolo_plugins.engine.schedule_hook import total_batch_size
from yolo_plugins.engine.unwrapped import unwrapped
from yolo_plugins.protocol import FROM_SCRATCH, INITIAL_WEIGHTS, Recipe, config_recipe


def describe_recipe(runner: Runner) -> Recipe:
    """The recipe of a runner whose training is built and whose model is initialised; see `yolo_plugins.protocol`.

    The facts come first: `epochs`, `total_batch` over all processes, `classes`, the number of pictures and a checksum
    of their names, sizes and objects for `train` and `val`, `precision`, `initial_weights`, and which parts of the
    model are `frozen` or keep the statistics of their norm layers (`fixed_norms`). Of weights whose data are known,
    `initial_weights` states these data, which trainings of several backbones share, and the model has the checksum.
    """
    model = unwrapped(runner.model)
    model.train()  # as the loop does: only then is it seen which norm layers stay as they are
    dataset = runner.train_dataloader.dataset
    weights = _initial_weights(model)
    facts = {
        "epochs": runner.max_epochs,
        "total_batch": total_batch_size(runner),
        "classes": list(getattr(dataset, "metainfo", {}).get("classes") or []),
        **_describe_data("train", dataset),
        **(_describe_data("val", runner.val_dataloader.dataset) if runner.val_loop is not None else {}),
        "precision": getattr(runner.optim_wrapper, "precision", None),
        INITIAL_WEIGHTS: {name: data or checksum for name, (data, checksum) in weights.items()} or FROM_SCRATCH,
        "frozen": _shares(model, _frozen),
        "fixed_norms": _shares(model, _fixed),
    }
    own = {f"model.{name}.{INITIAL_WEIGHTS}": checksum for name, (data, checksum) in weights.items() if data}
    return facts | own | config_recipe(runner.cfg)


def backbone_top1(model: nn.Module, recipe: Recipe) -> float | None:
    """Published ImageNet-1k top-1 accuracy of the weights that the backbone began with; None where it is not known."""
    published = getattr(getattr(model, "backbone", None), "published", None)
    return published.top1 if published and "backbone" in recipe[INITIAL_WEIGHTS] else None


def _describe_data(name: str, dataset: Any) -> Recipe:
    facts = {f"{name}_images": len(dataset)}
    return facts | {f"{name}_objects": dataset.checksum()} if hasattr(dataset, "checksum") else facts


def _initial_weights(model: nn.Module) -> dict[str, tuple[str | None, str]]:
    """Of the published weights that each part has begun with, by the part's name: their data, if known; a checksum."""
    found: dict[str, tuple[str | None, str]] = {}
    for name, module in model.named_modules():
        if checksum := getattr(module, INITIAL_WEIGHTS, None):
            published = getattr(module, "published", None)
            found[name] = published and published.data, checksum
        given = getattr(module, "init_cfg", None) or []
        for init_cfg in [given] if isinstance(given, dict) else given:
            if init_cfg.get("type") == "Pretrained":
                found[name] = None, _checksum_of(init_cfg["checkpoint"])
    return found


def _checksum_of(source: str) -> str:
    """That of a file's weights; an address or a name of a zoo stands for itself."""
    if not Path(source).is_file():
        return source
    return weights_sha256(load_weights(source)["state_dict"])


def _shares(model: nn.Module, flags_of: Callable[[nn.Module], list[bool]]) -> list[str]:
    """The parts of a model of which a flag holds, for all or only for some of what they consist of."""
    flags = {name: flags_of(child) for name, child in model.named_children()}
    return [name if all(found) else f"{name} (partly)" for name, found in flags.items() if any(found)]


def _frozen(part: nn.Module) -> list[bool]:
    return [not weight.requires_grad for weight in part.parameters()]


def _fixed(part: nn.Module) -> list[bool]:
    norms = [module for module in part.modules() if getattr(module, "running_mean", None) is not None]
    return [not norm.training for norm in norms]
