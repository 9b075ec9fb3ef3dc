"""Configs: found by name or path, read, changed by options, compared, described. Importing it loads no torch."""

import ast
import hashlib
import json
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from yolo_plugins.config_check import KNOWN_KEYS, check_config
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import describe, explain, suggest
from yolo_plugins.files import REPO, or_shipped
from yolo_plugins.masking import mask_values
from yolo_plugins.options import apply_options

if TYPE_CHECKING:
    from mmengine.config import Config

_LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
_MISSING = object()  # the value of a key that a config does not have
_MODULES = ("backbone", "neck", "bbox_head")
# They say where and how a run happens, not what it is.
RUN_KEYS = {
    *("work_dir", "resume", "load_from", "launcher", "seed", "data_root", "num_workers", "persistent_workers"),
    *("vis_backends", "visualizer", "experiment_name", "allow_changes", "overwrite", "by_name", "partial"),
}


class ConfigDescription(TypedDict):
    """Name, hash and parts of a config, as a record states them."""

    config_name: str
    config_sha256: str
    modules: dict[str, str]


def find_config(name: str) -> Path:
    """A config by path, or by the name of one that comes with the package, with or without `.py`, from any directory.

    Raises:
        UsageError: There is none.
    """
    known = {path.stem: path for path in sorted((REPO / "configs").glob("*.py"))}
    for path in (Path(name), Path(f"{name}.py"), REPO / name):
        if path.is_file():
            return path.resolve()
    stem = Path(name).name.removesuffix(".py")
    if stem in known and Path(name).parent.name in ("", "configs"):
        return known[stem]
    found = "is a folder" if name and Path(name).is_dir() else "does not exist"
    raise UsageError(
        f"config {name!r} {found}; {suggest(stem, known, 'give its path, or the name of one in configs/')}"
    )


def load_config(name: str, options: Iterable[str] = (), work_dir: str | None = None) -> "Config":
    """Reads a config, applies options, and hands the keys that data sets share to each of them.

    Args:
        name: As for `find_config`.
        options: `key=value` texts; nested keys have dots.
        work_dir: Folder for results; `work_dirs/<config name>` by default.

    Raises:
        UsageError: The config does not exist, cannot be read or is a study, an option does not fit it, it says what
            `check_config` refuses, or one of its `custom_imports` cannot be imported.
    """
    path = find_config(name)
    config = read_config(path)
    if "runs" in config and "model" not in config:
        raise UsageError(f"config {path} is a study, no model: yolo-plugins study {path}")
    complete_config(config, options, path)
    _import_custom_modules(config, path)
    config.work_dir = work_dir or config.get("work_dir") or f"work_dirs/{path.stem}"
    return config


def complete_config(config: "Config", options: Iterable[str], path: object) -> "Config":
    """Applies options to a config that was read, checks it, and hands the keys that data sets share to each of them.

    Args:
        config: Changed in place.
        options: As for `load_config`.
        path: Its file, for messages.

    Returns:
        The config.

    Raises:
        UsageError: An option does not fit it, or it says what `check_config` refuses.
    """
    apply_options(config, options, KNOWN_KEYS)
    check_config(config.to_dict(), path)
    share_dataset_keys(config)
    return config


def read_config(path: Path) -> "Config":
    """A config as its file and those that it inherits from state it.

    Raises:
        UsageError: It cannot be read, or its code fails.
    """
    from mmengine.config import Config

    if path.suffix != ".py":
        raise UsageError(f"config {path} is no Python file: write it as Python, NAME.py")
    try:
        return Config.fromfile(path, import_custom_modules=False)
    except (Exception, SystemExit) as error:  # a config is code: anything may come
        raise UsageError(f"config {_place(error, path)} cannot be read: {_reason(error)}; fix it there") from error


def study_options(name: str | None) -> list[str]:
    """What the config of a study changes in each of its models' configs, as `KEY=VALUE`; nothing without a study.

    Raises:
        UsageError: There is no such config, it is none of a study, or its `options` are something else.
    """
    if name is None:
        return []
    path = find_config(name)
    study = read_config(path)
    if "runs" not in study:
        raise UsageError(f"{path}: no runs, so it is no study; give the config by which the models were trained")
    return options_in(study, path)


def options_in(study: "Config", path: Path) -> list[str]:
    """The `options` of a study's config, which was read from a path.

    Raises:
        UsageError: They are no list of texts.
    """
    options = study.get("options", [])
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise UsageError(f"{path}: options={options!r}; write options = ['img_size=160'], a list of texts")
    return options


def _place(error: BaseException, path: Path) -> str:
    """The file, `path` or one that it inherits from, that MMEngine was reading, and the line where there is one."""
    frames = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    read = [frame.f_locals.get("filename", path) for frame, _ in frames if frame.f_code.co_name == "_file2dict"]
    file = Path(read[-1]) if read else path
    lines = [line for frame, line in frames if frame.f_code.co_filename == str(file)]
    if isinstance(error, SyntaxError):
        try:
            ast.parse(file.read_text(encoding="utf-8"))
        except SyntaxError as syntax:
            lines = [syntax.lineno] if syntax.lineno else []
    return f"{file}, line {lines[-1]}," if lines else str(file)


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it inherits from itself by _base_, or does not end"
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    if isinstance(error, FileNotFoundError):
        return f"no such file ({error.filename or error})"
    message = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _import_custom_modules(config: "Config", path: Path) -> None:
    """As `Config.fromfile` does by itself, except that the error tells what went wrong in the module."""
    custom = config.get("custom_imports") or {}
    names = custom.get("imports") or []
    for name in [names] if isinstance(names, str) else names:
        try:
            import_module(name)
        except Exception as error:
            missing = isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}.")
            fault = explain(error) or describe(error, name.partition(".")[0])
            remedy = "put its folder on PYTHONPATH, or pip install its package" if missing else "fix it there"
            sentence = f"config {path}: custom_imports {name!r} cannot be imported: {fault}; {remedy}"
            if not custom.get("allow_failed_imports"):
                raise UsageError(sentence) from error
            warnings.warn(sentence, stacklevel=2)


def share_dataset_keys(config: "Config") -> None:
    """Hands `data_root` and `img_size`, where the config states them by themselves, to every data set.

    A relative `data_root` that is absent here but present in the repository is taken from there.
    """
    for dataset in _datasets(config):
        if "data_root" in config:
            dataset.data_root = config.data_root
        if "img_size" in config:
            dataset.img_size = config.img_size
            for step in dataset.get("pipeline") or []:
                if "img_size" in step:
                    step.img_size = config.img_size
        if "data_root" in dataset:
            dataset.data_root = str(or_shipped(Path(dataset.data_root)))


def _datasets(config: "Config") -> list[Any]:
    """Configs of the data sets of training, validation and test, as far as there are any."""
    datasets = [(config.get(loader) or {}).get("dataset") for loader in _LOADERS]
    return [dataset for dataset in datasets if dataset is not None]


def with_num_classes(model: Any, change: Callable[[int], int]) -> Any:
    """A model's config with every `num_classes` changed, but for those of the networks below the heads."""
    if isinstance(model, Mapping):
        return {
            key: value
            if key in ("backbone", "rpn_head")
            else change(value)
            if key == "num_classes"
            else with_num_classes(value, change)
            for key, value in model.items()
        }
    return type(model)(with_num_classes(item, change) for item in model) if isinstance(model, list | tuple) else model


def input_hw(config: "Config") -> tuple[int, int]:
    """Height and width in pixels of the input that a config is tested with.

    Raises:
        UsageError: Its test set states none.
    """
    dataset = (config.get("test_dataloader") or {}).get("dataset") or {}
    stated = [dataset.get("img_size"), *(step.get("img_size") for step in dataset.get("pipeline") or [])]
    size = next((size for size in stated if size is not None), None)
    if size is None:
        raise UsageError(
            "test_dataloader.dataset states no size: give it img_size=320, or a Letterbox with img_size in its pipeline"
        )
    return size_hw(size)


def size_hw(img_size: int | Sequence[int]) -> tuple[int, int]:
    """Height and width in pixels of an `img_size`: the side of a square, or both.

    Raises:
        UsageError: It is neither.
    """
    sides = (img_size, img_size) if isinstance(img_size, int) else img_size
    whole = isinstance(sides, Sequence) and all(type(side) is int and side > 0 for side in sides)
    if not whole or len(sides) != 2:
        raise UsageError(
            f"img_size={img_size!r} is neither a number of pixels nor a height and a width: give img_size=320 or "
            "img_size=(192, 320)"
        )
    height, width = sides
    return height, width


def config_differences(first: "Config", second: "Config") -> list[str]:
    """What differs between two configs, a line a key, sorted: `model.backbone.net.type: 'timm' -> (missing)`.

    Keys are those of `--cfg-options`: a transform of a pipeline is known by its number.
    """
    return sorted(_differences(first.to_dict(), second.to_dict()))


def _differences(first: Any, second: Any, key: str = "") -> Iterator[str]:
    one, other = _by_key(first), _by_key(second)
    if one is not None and other is not None:
        for name in one.keys() | other.keys():
            yield from _differences(one.get(name, _MISSING), other.get(name, _MISSING), f"{key}.{name}".lstrip("."))
    elif first != second:
        shown = ["(missing)" if value is _MISSING else repr(value) for value in (first, second)]
        yield f"{key}: {' -> '.join(shown)}"


def _by_key(value: Any) -> dict | None:
    """What can be compared key by key: a dict, or a list of nothing but dicts by their numbers."""
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, dict) for item in value):
        return dict(enumerate(value))
    return value if isinstance(value, dict) else None


def describe_config(cfg: "Config") -> ConfigDescription:
    """`config_name`, `config_sha256` and `modules`, the type of each part: `PyramidBackbone(mmpretrain.ResNet)`.

    The hash is over the resolved config without the seed, secrets, and what says where and how one run happens: the
    runs of a model in a study share it, wherever their data lie.
    """
    text = json.dumps(_without_run_keys(mask_values(cfg.to_dict())), sort_keys=True, default=str)
    return {
        "config_name": Path(cfg.filename).stem if cfg.filename else "unnamed",
        "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "modules": {"detector": cfg.model.type}
        | {part: _type_of(cfg.model[part]) for part in _MODULES if cfg.model.get(part)},
    }


def mask_config(config: "Config | dict | None") -> "Config | dict | None":
    """A config as it may be written down: itself, or a copy in which its secrets are masked."""
    from mmengine.config import Config

    if not isinstance(config, Config):
        return mask_values(config)
    content = config.to_dict()
    masked = mask_values(content)
    return config if masked == content else Config(masked, cfg_text=config.text, filename=config.filename)


def _without_run_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_run_keys(item) for key, item in value.items() if key not in RUN_KEYS}
    return [_without_run_keys(item) for item in value] if isinstance(value, (list, tuple)) else value


def _type_of(module: dict[str, Any] | Sequence[dict[str, Any]]) -> str:
    """The type that a config names; of a wrapped network also its own."""
    if not isinstance(module, dict):  # several necks, one after the other
        return " + ".join(map(_type_of, module))
    net = module.get("net")
    return module["type"] if net is None else f"{module['type']}({net.get('model_name', net['type'])})"
