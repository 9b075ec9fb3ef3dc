"""What is written of a command or a config tells no password: values of keys that look like one become `***`."""

import os
import re
import shlex
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

_MASK = "***"
# Of a key in words, `api_key`: monkeys, keypoints, num_tokens and greater_keys are none.
_SECRET = re.compile(
    r"(^|_)(pass(word|wd|phrase)s?|pwd|secrets?|credentials?|authorization|(api|access|private|auth)_?(key|token)s?)(_|$)"
    r"|(^|_)(token|key)$"
)
_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|-")  # apiKey, api-key
_KEY = re.compile(r"""([\w-]+)['"]?\s*[=:]\s*""")  # within the text of a dict
_QUOTED = r"""[rbuf]?(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")\s*"""
_VALUE = re.compile(rf"(?:{_QUOTED})+|[\w.]*[\[({{].*|[^,)\]}}]*", re.DOTALL)  # a bracket hides all that follows
_IN_ADDRESS = re.compile(r"(?<=://)[^/\s@'\"]+(?=@)")  # https://user:password@host


def is_secret(key: str) -> bool:
    """Whether the values of a key, dotted or not, are kept out of what is written: `init_kwargs.api_key`, `token`."""
    return any(_SECRET.search(_WORD_BREAK.sub("_", part).lower()) for part in key.split("."))


def command_line() -> str:
    """The command of this process as it may be written down: `yolo-plugins train ...`, or a script's path from here."""
    program, *arguments = sys.argv
    with suppress(ValueError):  # no name at all, or another drive of Windows
        program = os.path.relpath(program)
    return f"{program} {shlex.join(mask_arguments(arguments))}".strip()


def mask_arguments(arguments: Iterable[str]) -> list[str]:
    """A command line as it may be written down: `KEY=VALUE` with the secrets masked, also those within the value."""
    return [_mask_argument(argument) for argument in arguments]


def _mask_argument(argument: str) -> str:
    key, equals, value = argument.partition("=")
    return f"{key}={_MASK}" if equals and is_secret(key) else key + equals + _mask_text(value)


def _mask_text(text: str) -> str:
    """A text, which may be that of a dict, without the values of its secret keys and without passwords in addresses."""
    for key in _KEY.finditer(text):
        if is_secret(key[1]):
            rest = _VALUE.sub("", text[key.end() :], count=1)
            return _mask_text(text[: key.start()]) + key[0] + _MASK + _mask_text(rest)
    return _IN_ADDRESS.sub(_MASK, text)


def mask_values(value: Any) -> Any:
    """A config, or a part of one, as plain dicts with the secrets masked. Switches (True, False, None) are none."""
    if isinstance(value, dict):
        return {key: _MASK if _hides(key, item) else mask_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(mask_values, value))
    return _IN_ADDRESS.sub(_MASK, value) if isinstance(value, str) else value


def _hides(key: Any, value: Any) -> bool:
    return isinstance(key, str) and is_secret(key) and value is not None and not isinstance(value, bool)
