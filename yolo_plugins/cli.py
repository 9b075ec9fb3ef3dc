"""What every tool shares: reading configs, common options, the error boundary. Importing it loads no torch."""

import argparse
import difflib
import inspect
import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from yolo_plugins.errors import UsageError

if TYPE_CHECKING:
    from mmengine.config import Config

REPO = Path(__file__).resolve().parents[1]
_EXTRA_OF = {  # packages that not every installation has
    **dict.fromkeys(("pandas", "scipy", "matplotlib", "plotly", "jinja2", "thop"), "analysis"),
    "timm": "backbones",
}
_SHARED_KEYS = ("data_root", "img_size")  # stated once in a config, used by every data set that states no other


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Prints a fault that the user can mend as `error: ...` and exits with 1; Ctrl-C exits with 130.

    `explain` tells which these are. Everything else is a defect of ours and passes through.
    """
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of the output, `head` for example, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be flushed
        sys.exit(1)
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        print(f"error: {sentence}", file=sys.stderr)
        sys.exit(1)


def explain(error: Exception) -> str | None:
    """What a user is told of a fault that can be mended; None where it is a defect of ours.

    These are `UsageError`, also where a worker or a registry wrapped it, a file that cannot be read or written, a
    package of an extra that is not installed, a name that is registered twice, and names in a config that no registry
    or no constructor knows, to which the nearest known one is added.
    """
    text = str(error.args[0]) if error.args else ""
    if isinstance(error, UsageError):
        return text.rpartition("UsageError: ")[2].strip()
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {str(error.strerror).lower()}; give another path, or mend that one"
    if isinstance(error, ModuleNotFoundError) and (extra := _EXTRA_OF.get(str(error.name).partition(".")[0])):
        return f"{text}: pip install 'yolo_plugins[{extra}]'"
    if isinstance(error, KeyError) and (unknown := re.search(r"(\S+) is not in the \S+?::(.+?) registry", text)):
        return _unknown_type(*unknown.groups())
    if isinstance(error, KeyError) and (twice := re.search(r"(\S+) is already registered in (.+) at (\S+)", text)):
        return registered_twice(*twice.groups(), _registrant(error))
    unknown = re.search(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", text)
    known = _registered_class(unknown[1]) if unknown and isinstance(error, TypeError) else None
    if unknown and known:
        return f"{unknown[1]} takes no {unknown[2]!r}; {_suggest(unknown[2], inspect.signature(known).parameters)}"
    return None


def describe(error: Exception, package: str) -> str:
    """`Type: message (file:line)` in one line, the place being the deepest in the code of a top-level package."""
    message = " ".join(str(error).split())
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    places = [
        f" ({frame.f_code.co_filename}:{line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if _module(frame).partition(".")[0] == package
    ]
    return text + (places[-1] if places else "")


def registered_twice(name: str, kind: str, *modules: str) -> str:
    """The sentence for a name that two modules register in registries of one kind (`model`, `hook` ...)."""
    return f"type {name!r} ({kind}) is registered by {' and by '.join(modules)}; give one of them another name"


def _registrant(error: Exception) -> str:
    """The module whose call of a registry failed."""
    modules = [_module(frame) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return [module for module in modules if not module.startswith("mmengine.")][-1]


def _module(frame: FrameType) -> str:
    return frame.f_globals.get("__name__", "")


def _registered(kind: str | None = None) -> dict[str, type]:
    """All that our registries and MMEngine's roots know, or of one kind (`model`, `hook` ...); and DataLoader."""
    from torch.utils.data import DataLoader

    from yolo_plugins.registry import REGISTRIES

    known: dict[str, type] = {} if kind else {"DataLoader": DataLoader}
    for child in REGISTRIES:
        if kind in (None, child.name):
            child.import_from_location()
            known |= child.parent.module_dict | child.module_dict
    return known


def _registered_class(name: str) -> type | None:
    """The registered class of this name, or one that extends a class of this name."""
    classes = filter(inspect.isclass, _registered().values())
    return next((known for known in classes if any(base.__name__ == name for base in inspect.getmro(known))), None)


def _unknown_type(name: str, kind: str) -> str:
    """The sentence for a `type` that no registry of this kind knows."""
    name = name.strip("'\"")
    scope, _, own_name = name.rpartition(".")
    borrowed = _registered_in(scope, kind)
    hint = _suggest(name, borrowed) if borrowed else _suggest(own_name, _registered(kind))
    return f"unknown type={name!r} ({kind}); {hint}"


def _registered_in(scope: str, kind: str) -> list[str]:
    """Names, with their scope, of what another package (`mmdet`, `mmpretrain`) registers of one kind."""
    from yolo_plugins.registry import REGISTRIES

    siblings = [child.parent.children.get(scope) for child in REGISTRIES if child.name == kind]
    return [f"{scope}.{name}" for sibling in filter(None, siblings) for name in sibling.module_dict]


def _suggest(name: str, known: Iterable[str]) -> str:
    """A remedy: the nearest known name, or where to look."""
    nearest = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"did you mean {nearest[0]!r}?" if nearest else "check the spelling, or the scope and custom_imports"


def find_config(name: str) -> Path:
    """A config by path, or by the name of a file in configs/, with or without `.py`, from any directory.

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
    raise UsageError(f"config {name!r} does not exist; {_suggest(stem, known)}")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options that training and testing share."""
    parser.add_argument("config", help="path, or name of a file in configs/")
    parser.add_argument("--work-dir", help="folder for results (default: work_dirs/<config name>)")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="changes to the config, for example data_root=/data/VOCdevkit train_dataloader.batch_size=16",
    )
    parser.add_argument("--local-rank", "--local_rank", type=int, default=0, help=argparse.SUPPRESS)


def load_config(name: str, options: Iterable[str] = (), work_dir: str | None = None) -> "Config":
    """Reads a config, applies options, and hands the keys that data sets share to each of them.

    Args:
        name: As for `find_config`.
        options: `key=value` texts; nested keys have dots.
        work_dir: Folder for results; `work_dirs/<config name>` by default.

    Raises:
        UsageError: The config does not exist, cannot be read or is a study, one of its `custom_imports` cannot be
            imported, or an option names no key of it.
    """
    path = find_config(name)
    config = read_config(path)
    if "runs" in config and "model" not in config:
        raise UsageError(f"config {path} is a study, no model: python tools/study.py {path}")
    config.merge_from_dict(_parse_options(options, config))
    _import_custom_modules(config, path)
    config.work_dir = work_dir or config.get("work_dir") or f"work_dirs/{path.stem}"
    share_dataset_keys(config)
    return config


def read_config(path: Path) -> "Config":
    """A config as its file and those that it inherits from state it.

    Raises:
        UsageError: It cannot be read.
    """
    from mmengine.config import Config

    try:
        return Config.fromfile(path, import_custom_modules=False)
    except (SyntaxError, KeyError, FileNotFoundError) as error:
        raise UsageError(f"config {path} cannot be read: {error}; mend that line") from error


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
            remedy = "put its folder on PYTHONPATH, or pip install its package" if missing else "mend it there"
            sentence = f"config {path}: custom_imports {name!r} cannot be imported: {fault}; {remedy}"
            if not custom.get("allow_failed_imports"):
                raise UsageError(sentence) from error
            warnings.warn(sentence, stacklevel=2)


def _parse_options(options: Iterable[str], config: "Config") -> dict:
    """`key=value` texts -> values by dotted key, where the config has the key's first part."""
    from mmengine.config import DictAction

    for option in options:
        key, equals, _ = option.partition("=")
        if not equals:
            raise UsageError(f"--cfg-options {option!r} is not KEY=VALUE")
        first = key.split(".")[0]
        if first not in config:
            raise UsageError(f"--cfg-options {option!r}: the config has no {first!r}; {_suggest(first, config.keys())}")
    parser = argparse.ArgumentParser()
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    return parser.parse_args(["--cfg-options", *options]).cfg_options if options else {}


def share_dataset_keys(config: "Config") -> None:
    """Gives `data_root` and `img_size` of the config to every data set that does not set its own.

    A relative `data_root` that is absent here but present in the repository is taken from there.
    """
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        dataset = (config.get(loader) or {}).get("dataset")
        for key in _SHARED_KEYS:
            if dataset is not None and key in config:
                dataset.setdefault(key, config[key])
        if dataset is not None and "data_root" in dataset:
            dataset.data_root = _resolve(dataset.data_root)


def _resolve(data_root: str) -> str:
    in_repo = REPO / data_root
    return str(in_repo) if not Path(data_root).exists() and in_repo.exists() else data_root
