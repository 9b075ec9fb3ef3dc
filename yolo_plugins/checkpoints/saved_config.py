"""The config that a checkpoint was trained with, read as data: nothing that it names is imported or called by its name.

What a config names is otherwise code: MMEngine imports `custom_imports`, and a `type` that no registry knows
(`os.system`) it takes for a function to import and call. Here a type has to be registered by what is installed, in a
module that makes networks and transforms of numbers.
"""

import ast
import importlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.registry import registry as lookup

from yolo_plugins.checkpoints.stated import stated
from yolo_plugins.config import complete_config
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import some
from yolo_plugins.options import literal
from yolo_plugins.registry import DATASETS, METRICS, MODELS, REGISTRIES, TASK_UTILS, TRANSFORMS

_REMEDY = "give the config that it was trained with"
# What detection and evaluation read; hooks, loggers and optimisers stay unread.
_KEPT = (
    *("model", "data_preprocessor", "test_dataloader", "test_cfg", "test_evaluator", "default_scope"),
    *("data_root", "img_size", "metainfo", "env_cfg"),
)
_KINDS = {  # of what may stand in a part, beside what takes no scope
    **dict.fromkeys(("model", "data_preprocessor"), (MODELS, TASK_UTILS)),
    "test_dataloader": (DATASETS, TRANSFORMS),
    "test_evaluator": (METRICS,),
}
_READING = {"mmdet.LoadAnnotations"}  # in every config of ours, for MMDetection's own tools; it is not worth loading it
# Packages that may be asked for what they register, and where in them nothing evaluates a text of the config.
_KNOWN = ("yolo_plugins", "mmengine", "mmcv", "mmdet", "mmpretrain")
_SOUND = re.compile(
    r"yolo_plugins\.(?!inference\.).*|torch\..*|mmengine\.(model|dataset|evaluator|runner|optim)\b.*|mmcv\.(cnn\.bricks|ops|transforms)\b.*"
    r"|mmdet\.(datasets(?!\.openimages)|evaluation|models\.(backbones|data_preprocessors|dense_heads|detectors|layers|losses|necks"
    r"|roi_heads|task_modules\.(assigners|coders|prior_generators|samplers)))\b.*"
    r"|mmpretrain\.models\.(backbones|losses|necks|utils\.(?!huggingface)).*"
)


def config_from_checkpoint(content: Mapping[str, Any], filename: str, options: Iterable[str] = ()) -> Config:
    """The config that MMEngine wrote into a checkpoint, as far as it is about the model and its test.

    From then on, no `type` in this process stands for what no registry knows.

    Args:
        content: The checkpoint, as it was read.
        filename: Of the checkpoint.
        options: Changes, as for `load_config`.

    Raises:
        UsageError: There is no config in it; it holds something else than plain values; it needs a module that nobody
            has imported, or names a type outside the networks, data sets and transforms; or as `load_config`.
    """
    text = stated(content, "cfg")
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"{filename}: holds no config; {_REMEDY}")
    values = _parse(text, filename)
    _look_up_registered_types_only()
    MODELS.import_from_location()  # plugins too
    _check_imports(values.get("custom_imports"), filename)
    config = Config({key: values[key] for key in _KEPT if key in values})
    _check_types(config.to_dict(), filename)
    return complete_config(config, options, filename)


def config_for_test(content: Mapping[str, Any], filename: str, options: Iterable[str] = ()) -> Config:
    """The config in a checkpoint with what a test of it needs besides: a work folder, our hooks.

    Args:
        content: As for `config_from_checkpoint`.
        filename: Of the checkpoint.
        options: Changes, as for `load_config`.

    Raises:
        UsageError: As `config_from_checkpoint`.
    """
    config = config_from_checkpoint(content, filename, options)
    config.work_dir = str(Path(filename).parent)
    config.default_hooks = {"class_check": {"type": "ClassCheckHook"}, "console": {"type": "ConsoleHook"}}
    return config


def _parse(text: str, filename: str) -> dict[str, Any]:
    """The values of a text of lines such as `model = dict(...)`, none of which is run."""
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise UsageError(f"{filename}: its config is no Python text; {_REMEDY}") from error
    values = {}
    for statement in statements:
        try:
            if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
                raise ValueError
            values[ast.unparse(statement.targets[0])] = literal(statement.value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
            raise UsageError(
                f"{filename}: line {statement.lineno} of its config is more than a key and plain values, and code is "
                f"not run; {_REMEDY}"
            ) from error
    return values


def _check_imports(custom: Any, filename: str) -> None:
    """Refuses a config that cannot be built unless a module is imported: a file may not choose one."""
    names = custom.get("imports") if isinstance(custom, Mapping) else None
    names = [names] if isinstance(names, str) else names or []
    missing = [str(name) for name in names if name not in sys.modules and str(name).partition(".")[0] not in _KNOWN]
    if missing:
        raise UsageError(
            f"{filename}: its config imports {some(missing)}, which a file cannot make this process do; {_REMEDY}, or "
            "install the package as a plugin"
        )


def _check_types(config: Mapping[str, Any], filename: str) -> None:
    """Refuses what is registered elsewhere than among networks, data sets and transforms."""
    for key, value in config.items():
        names = set(_types(value)) - _READING
        for name in sorted(names, key=lambda name: "." not in name):  # the scoped ones load their package
            for known in _registered(name, _KINDS.get(key, ())):
                if not _is_sound(known):
                    raise UsageError(
                        f"{filename}: its config names type={name!r} ({known.__module__}), which no file may choose; "
                        f"{_REMEDY}"
                    )


def _types(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("type"), str):
            yield value["type"]
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for item in value:
        yield from _types(item)


def _registered(name: str, kinds: Iterable[Registry]) -> Iterator[Any]:
    """All that are registered under a name: of its scope, or, as it may stand within any part, of every scope."""
    scope, _, own_name = name.rpartition(".")
    if scope:
        for registry in kinds:
            registry.get(name)  # imports the package's
    for child in REGISTRIES:
        for registry in (child.parent, *child.parent.children.values()):
            if own_name in registry.module_dict and scope in ("", registry.scope):
                yield registry.module_dict[own_name]


def _is_sound(known: Any) -> bool:
    package = known.__module__.partition(".")[0]
    return package not in _KNOWN or _SOUND.fullmatch(known.__module__) is not None


def _look_up_registered_types_only() -> None:
    """Ends MMEngine's look-up of a type as an object to import: wherever a config names one, also within networks."""
    lookup.get_object_from_string = _nothing
    lookup.import_module = _import_known


def _nothing(name: str) -> None:
    """Stands in for MMEngine's function, which imports what a name says."""


def _import_known(name: str) -> ModuleType:
    """Stands in for `import_module`, by which MMEngine fetches the registry of whatever package a type names."""
    package = name.partition(".")[0]
    if package not in _KNOWN and package not in sys.modules:
        raise ImportError(f"{name}: named by a file")
    return importlib.import_module(name)
