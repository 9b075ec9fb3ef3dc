"""The door for installed packages: importing this module loads every entry point of the group `yolo_plugins.plugins`.

An entry point names a module, whose decorators register what it brings, or a function, which is called. The registries
import this module when a name is first looked up. The other door, `custom_imports` in a config, is MMEngine's.
"""

import inspect
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from yolo_plugins.errors import UsageError
from yolo_plugins.faults import describe, explain, registered_twice
from yolo_plugins.registry import REGISTRIES

GROUP = "yolo_plugins.plugins"
_BENEATH = ("mmengine", "mmcv")  # their names, such as mmcv's RandomFlip, may be taken


@dataclass(frozen=True)
class Plugin:
    """An installed plugin: name of its entry point; name and version of the package that brings it."""

    name: str
    distribution: str
    version: str


def _load_all() -> tuple[Plugin, ...]:
    found = sorted(entry_points(group=GROUP), key=lambda entry_point: entry_point.name)
    if found:
        # Ours come first, whichever registry was asked: a name that exists is then the plugin's fault.
        for module in sorted({module for modules in REGISTRIES.values() for module in modules}):
            import_module(module)
    plugins = tuple(_load(entry_point) for entry_point in found)
    _refuse_names_of_both_registries()
    return plugins


def _load(entry_point: EntryPoint) -> Plugin:
    """Lets one plugin register.

    Raises:
        UsageError: Names the plugin, its package, the fault and its place.
    """
    package = entry_point.dist
    plugin = Plugin(entry_point.name, *((package.name, package.version) if package else ("unknown", "unknown")))
    try:
        target = entry_point.load()
        if inspect.isfunction(target):
            target()
        elif not inspect.ismodule(target):
            raise TypeError(f"{entry_point.value} is neither a module nor a function")
    except Exception as error:
        fault = explain(error) or describe(error, entry_point.module.partition(".")[0])
        raise UsageError(
            f"plugin {plugin.name!r} (package {plugin.distribution} {plugin.version}) cannot be loaded: {fault}; "
            f"fix it, or pip uninstall {plugin.distribution}"
        ) from error
    return plugin


def _refuse_names_of_both_registries() -> None:
    """A name in MMEngine's registry and, for something else, in ours: only one of them could ever be built.

    Raises:
        UsageError: Names both.
    """
    for child in REGISTRIES:
        for name in sorted(child.module_dict.keys() & child.parent.module_dict.keys()):
            here, there = child.module_dict[name], child.parent.module_dict[name]
            if here is not there and there.__module__.partition(".")[0] not in _BENEATH:
                raise UsageError(registered_twice(name, child.name, here.__module__, there.__module__))


LOADED = _load_all()
