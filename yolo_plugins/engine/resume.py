"""What a checkpoint has to hold so that a run goes on from it exactly; another is refused before anything runs."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, is_tensor

from yolo_plugins.config_check import LARGEST_SEED
from yolo_plugins.errors import UsageError

_OTHER = "resume from another checkpoint, or start a new run with load_from"


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0  # True and False are integers, too


# What hooks keep in the message hub, by the first words of its name: (is it one, what it should be).
_KEPT: dict[str, tuple[Callable[[Any], bool], str]] = {
    "best_score": (lambda value: type(value) in (int, float), "a number"),
    "best_ckpt": (lambda value: isinstance(value, str), "a path"),
    "keep_ckpt_ids": (lambda value: isinstance(value, list) and all(map(_is_count, value)), "a list of epochs"),
    "schedule": (
        lambda value: (
            isinstance(value, dict)
            and value.keys() == {"iters_per_epoch", "total_batch"}
            and all(_is_count(number) and number > 0 for number in value.values())
        ),
        "the iterations of an epoch and the images of one",
    ),
}


def check_resumable(
    checkpoint: dict[str, Any], filename: str, max_epochs: int, has_average: bool, seed: int | None
) -> None:
    """Looks at all but weights and optimizer, which the model and the optimizer compare with their own.

    Args:
        checkpoint: As it was read.
        filename: Its path.
        max_epochs: Epochs of the run that is to go on.
        has_average: Whether the run keeps an average of the weights.
        seed: That the config states; None where it takes over the checkpoint's.

    Raises:
        UsageError: A part is missing or of another kind, more epochs are done than the run shall have, or the run
            began with another seed.
    """
    if "optimizer" not in checkpoint:
        raise UsageError(
            f"{filename}: holds weights only, no state to resume from: resume from an epoch_N.pth, or start a new "
            "run with load_from"
        )
    for part in ("meta", "message_hub", "optimizer"):
        if not isinstance(checkpoint.get(part), dict):
            raise UsageError(f"{filename}: {part} is {_short(checkpoint.get(part))}, no state to resume from: {_OTHER}")
    if has_average != ("ema_state_dict" in checkpoint):
        raise UsageError(
            f"{filename}: saved with{'out' if has_average else ''} EMA, which default_hooks.ema switches "
            f"{'on' if has_average else 'off'}: resume with the same hooks, or start a new run with load_from"
        )
    _check_epoch(checkpoint["meta"].get("epoch"), filename, max_epochs)
    _check_seed(checkpoint["meta"].get("seed"), filename, seed)
    if not all(tensor.isfinite().all() for tensor in _tensors(checkpoint["optimizer"].get("state"))):
        raise UsageError(f"{filename}: the optimizer's state holds NaN or infinite numbers: {_OTHER}")
    _check_kept(checkpoint["message_hub"].get("runtime_info"), filename)


def _check_epoch(epoch: Any, filename: str, max_epochs: int) -> None:
    if not _is_count(epoch) or epoch == 0:
        raise UsageError(f"{filename}: meta.epoch={_short(epoch)} is no number of epochs that are done: {_OTHER}")
    if epoch > max_epochs:
        raise UsageError(
            f"{filename}: {epoch} epochs are done, but train_cfg.max_epochs={max_epochs}: give {epoch} or more, or "
            "resume from an earlier checkpoint"
        )


def _check_seed(found: Any, filename: str, seed: int | None) -> None:
    if not _is_count(found) or found > LARGEST_SEED:
        raise UsageError(f"{filename}: meta.seed={_short(found)} is no seed: {_OTHER}")
    if seed not in (None, found):
        raise UsageError(
            f"{filename}: of a run with seed {found}, but this one's is {seed}: resume with --seed {found}, or start a "
            "new run in another --work-dir"
        )


def _tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in nested containers."""
    if is_tensor(value):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


def _check_kept(info: Any, filename: str) -> None:
    if not isinstance(info, dict):
        raise UsageError(f"{filename}: message_hub.runtime_info is {_short(info)}, not what hooks keep: {_OTHER}")
    for name, value in info.items():
        for start, (is_one, wanted) in _KEPT.items():
            if str(name).startswith(start) and not is_one(value):
                raise UsageError(f"{filename}: {name} in message_hub is {_short(value)}, not {wanted}: {_OTHER}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 50 and "\n" not in text else f"a {type(value).__name__}"
