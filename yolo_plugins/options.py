"""`--cfg-options KEY=VALUE`: what a text stands for, and how it changes a config. Importing it loads no torch."""

import ast
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from yolo_plugins.errors import UsageError
from yolo_plugins.faults import suggest
from yolo_plugins.masking import mask_arguments

if TYPE_CHECKING:
    from mmengine.config import Config

_WORDS = {"true": True, "false": False, "none": None}  # in any case, as MMEngine takes them
_SHOWN = 200  # characters of an option in a message
_MISSING = object()  # the value of a key that a config does not have


def apply_options(config: "Config", options: Iterable[str], known: Iterable[str]) -> None:
    """Changes a config by `key=value` texts, one after the other; of two for one key the later one counts.

    A key has dots, and numbers for the items of a list: `train_dataloader.dataset.pipeline.2.prob`. A dict is merged
    into the dict that is there, or takes its place where it holds `_delete_=True`.

    Args:
        config: Changed in place.
        options: The texts.
        known: Keys that a config may have at its top without stating them.

    Raises:
        UsageError: No `key=value`, a key that leads nowhere, or a value of another kind than the config's.
    """
    pairs = [_split(option) for option in options]
    for key, text in sorted(
        pairs, key=lambda pair: not pair[0].endswith("._delete_")
    ):  # it clears what is there before
        first, *others = key.split(".")
        try:
            if first not in config and first not in known:
                raise UsageError(f"the config has no {first!r}; {suggest(first, [*config.keys(), *known])}")
            config[first] = _changed(config.get(first, _MISSING), first, others, text)
        except UsageError as error:
            shown = mask_arguments([f"{key}={text}"])[0]
            raise UsageError(f"--cfg-options {shown[:_SHOWN]!r}: {error}") from None


def parse_value(text: str) -> Any:
    """The value that a text stands for: a Python literal, `dict(...)` of literals, true, false, none; else the text."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        with warnings.catch_warnings(action="ignore"):  # of Python's parser, about texts that are no Python
            return literal(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return text


def literal(node: ast.expr) -> Any:
    """The value of an expression of literals and `dict(...)`, as a config holds them; nothing is run.

    Raises:
        ValueError: It is more than that (or a `TypeError`, `RecursionError` or `MemoryError`, of Python's reader).
    """
    value = ast.literal_eval(_DictCalls().visit(node))
    if not _is_plain(value):
        raise ValueError(f"{type(value).__name__} is nothing that a config holds")
    return value


class _DictCalls(ast.NodeTransformer):
    """Turns `dict(a=1)` into `{"a": 1}`."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.func, ast.Name) or node.func.id != "dict" or node.args:
            return node
        if any(keyword.arg is None for keyword in node.keywords):
            return node
        keys: list[ast.expr | None] = [ast.Constant(keyword.arg) for keyword in node.keywords]
        return ast.Dict(keys, [keyword.value for keyword in node.keywords])


def _is_plain(value: Any) -> bool:
    """Whether a config can hold a literal: no bytes, sets, complex numbers."""
    if isinstance(value, dict):
        return all(isinstance(key, str | int) for key in value) and all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float)


def _split(option: str) -> tuple[str, str]:
    key, equals, text = option.partition("=")
    if not equals or not key:
        raise UsageError(f"--cfg-options {option[:_SHOWN]!r} is not KEY=VALUE; put quotes around a value with blanks")
    if not all(key.split(".")):
        raise UsageError(f"--cfg-options {key}: a part of the key is missing beside a dot; name each part")
    return key, text


def _changed(present: Any, key: str, path: list[str], text: str) -> Any:
    """What a value of a config becomes when the part of it that a path leads to is changed; a copy, never the value."""
    if not path:
        return _fitted(present, key, parse_value(text), text)
    first, *others = path
    inner = f"{key}.{first}"
    if isinstance(present, list | tuple):
        if not first.isdecimal() or int(first) >= len(present):
            raise UsageError(f"{key} has no item {first!r}; it has {len(present)}, which count from 0")
        items = list(present)
        items[int(first)] = _changed(items[int(first)], inner, others, text)
        return type(present)(items)
    if isinstance(present, dict) or present is _MISSING:
        if first == "_delete_":
            return {} if parse_value(text) else present
        entries = dict(present) if isinstance(present, dict) else {}
        if first.isdecimal() and first not in entries:
            raise UsageError(f"{key} is no list, and has no item {first}; give it as a whole, or name a key of it")
        return entries | {first: _changed(entries.get(first, _MISSING), inner, others, text)}
    raise UsageError(f"{key} is {present!r}, with no part {first!r}; give it as a whole, such as dict({first}=...)")


def _fitted(present: Any, key: str, value: Any, text: str) -> Any:
    """A new value in place of a present one, refused where it cannot stand there."""
    if value is None or present is None or present is _MISSING:
        return _without_delete(value)
    if isinstance(present, dict):
        return _merged(present, key, value)
    if isinstance(present, list | tuple):
        if isinstance(value, list | tuple):
            return type(present)(map(_without_delete, value))
        items = [item.strip() for item in text.strip("[]()").split(",")] if isinstance(value, str) else [value]
        raise UsageError(f'{key} is a list; write "{key}={items}", quotes and all'[:_SHOWN])
    if isinstance(value, dict) and not value.get("_delete_"):
        raise UsageError(f"{key} is {present!r}, no dict; put _delete_=True into the dict to replace it")
    if isinstance(present, str) and isinstance(value, int | float):
        return text  # a folder may be called 2007
    return _without_delete(value)


def _merged(present: Mapping, key: str, value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("_delete_"):
            return _without_delete(value)
        changes = {
            name: _fitted(present.get(name, _MISSING), f"{key}.{name}", item, str(item))
            for name, item in value.items()
            if name != "_delete_"
        }
        return dict(present) | changes
    if isinstance(value, list | tuple) and value and all(isinstance(item, dict) for item in value):
        return [_without_delete(item) for item in value]  # several necks in place of one
    inner = next(iter(present), "type")
    raise UsageError(f"{key} is a dict; change a key of it, such as {key}.{inner}, or write dict({inner}=...)")


def _without_delete(value: Any) -> Any:
    """A value that is taken as it is: `_delete_` is for merging."""
    if isinstance(value, dict):
        return {key: _without_delete(item) for key, item in value.items() if key != "_delete_"}
    return type(value)(map(_without_delete, value)) if isinstance(value, list | tuple) else value
