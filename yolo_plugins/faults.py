"""What a user is told of a fault: one sentence each, with the remedy. Importing it loads no torch."""

import difflib
import inspect
import pickle
import re
import traceback
from collections.abc import Iterable, Sequence
from types import FrameType

from yolo_plugins.errors import UsageError

_EXTRA_OF = {  # packages that not every installation has
    **dict.fromkeys(("pandas", "scipy", "matplotlib", "jinja2", "thop"), "analysis"),
    "timm": "backbones",
}


def explain(error: Exception) -> str | None:
    """What a user is told of a fault that can be fixed; None where it is a defect of ours.

    These are `UsageError`, also where a worker or a registry wrapped it, a file that cannot be read or written, a
    package of an extra that is not installed, a system library that OpenCV misses, a name that is registered twice,
    names in a config that no registry or no constructor knows, to which the nearest known one is added, and whatever
    else a part of a config ends in when it is built.
    """
    text = str(error.args[0]) if error.args else ""
    if isinstance(error, UsageError):
        return text.rpartition("UsageError: ")[2].strip()
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {str(error.strerror).lower()}; give another path, or fix that one"
    if isinstance(error, ModuleNotFoundError) and (extra := _EXTRA_OF.get(str(error.name).partition(".")[0])):
        return f"{text}: pip install 'yolo_plugins[{extra}]'"
    if isinstance(error, ImportError) and (library := re.match(r"(lib(?:GL|glib|gthread)\S*): cannot open", text)):
        return (
            f"{library[1]} is missing, which the OpenCV that can open windows needs: pip install --force-reinstall "
            "--no-deps 'opencv-python-headless<4.13', or apt-get install libgl1 libglib2.0-0"
        )
    if isinstance(error, KeyError) and (unknown := re.search(r"(\S+) is not in the \S+?::(.+?) registry", text)):
        return _unknown_type(*unknown.groups())
    if isinstance(error, KeyError) and (twice := re.search(r"(\S+) is already registered in (.+) at (\S+)", text)):
        return registered_twice(*twice.groups(), _registrant(error))
    if isinstance(error, pickle.UnpicklingError | RuntimeError) and (program := refused_program(error)):
        return (
            f"a file given to torch.load would run {program}, which is refused; give a file of tensors and plain values"
        )
    if isinstance(error, KeyError) and (untyped := re.search(r'must contain the key "type", but got (\{.*\})', text)):
        return f"a part of the config states no type: {untyped[1]}; write type=... beside it"
    return (_of_constructor(text) if isinstance(error, TypeError) else None) or _of_builder(error)


def refused_program(error: Exception) -> str | None:
    """What a file would run, where this is why torch refused to load it."""
    text = str(error)
    if found := re.search(r"GLOBAL (\S+) (?:was not|whose)", text):
        return found[1]
    formats = {"TorchScript": "TorchScript", "the legacy .tar format": "pickles in a .tar"}
    return next((program for words, program in formats.items() if "weights_only" in text and words in text), None)


def _of_constructor(text: str) -> str | None:
    """The sentence for options that do not go with a type, from Python's own words; None for other words."""
    if plain := re.search(r"(\w+)\(\) takes no arguments", text):
        return f"{plain[1]} takes no options; where it replaces another type, state _delete_=True beside it"
    unknown = re.search(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'", text)
    missing = re.search(r"(\w+)\.__init__\(\) missing \d+ required [\w-]+ arguments?: (.+)", text)
    if unknown and (known := _registered_class(unknown[1])):
        names = inspect.signature(known).parameters
        hint = suggest(unknown[2], names, "where it replaces another type, state _delete_=True beside it")
        return f"{unknown[1]} takes no {unknown[2]!r}; {hint}"
    if missing and _registered_class(missing[1]):
        return f"{missing[1]} needs {missing[2]}; state what is missing beside its type"
    return None


def _of_builder(error: Exception) -> str | None:
    """The sentence for what came up while MMEngine built a part of a config; None for what came up elsewhere."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    builders = [frame for frame in frames if _is_mmengine(frame) and frame.f_code.co_name.startswith("build_")]
    if not builders:
        return None
    known = builders[-1].f_locals.get("obj_cls")
    called = builders[-1].f_code.co_name
    name = getattr(known, "__name__", called.removeprefix("build_").removeprefix("from_").replace("_", " "))
    package = getattr(known, "__module__", "mmengine").partition(".")[0]
    return f"{name} cannot be built: {describe(error, package)}; change its options in the config"


def _is_mmengine(frame: FrameType) -> bool:
    return _module(frame).startswith("mmengine.")


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


def first_line(error: Exception) -> str:
    """What a message quotes of another library's error."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def some(names: Sequence[str]) -> str:
    """The first three of a list, as a message shows them: `a, b, c, ...`."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


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
            for other in child.parent.children.values():  # the packages that are loaded: mmdet, mmpretrain
                known |= other.module_dict
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
    hint = suggest(name, borrowed) if borrowed else suggest(own_name, _registered(kind))
    return f"unknown type={name!r} ({kind}); {hint}"


def _registered_in(scope: str, kind: str) -> list[str]:
    """Names, with their scope, of what another package (`mmdet`, `mmpretrain`) registers of one kind."""
    from yolo_plugins.registry import REGISTRIES

    siblings = [child.parent.children.get(scope) for child in REGISTRIES if child.name == kind]
    return [f"{scope}.{name}" for sibling in filter(None, siblings) for name in sibling.module_dict]


def suggest(
    name: str, known: Iterable[str], otherwise: str = "check the spelling, or the scope and custom_imports"
) -> str:
    """A remedy: the nearest known name, or what else to do."""
    nearest = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"did you mean {nearest[0]!r}?" if nearest else otherwise
