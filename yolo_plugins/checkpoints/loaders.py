"""MMEngine's loaders, by which its models and those of MMDetection and plug-ins read files: replaced by ones for data.

Its own fall back to unpickling whatever a file holds. Importing this module is what replaces them.
"""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlparse

import torch
import yaml
from filelock import FileLock
from mmengine.fileio import PickleHandler, YamlHandler, get_local_path, register_handler
from mmengine.model import PretrainedInit
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner import (
    CheckpointLoader,
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
)
from torch import nn

from yolo_plugins.checkpoints.read import load_checkpoint, read_data
from yolo_plugins.checkpoints.soundness import check_tensors
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import first_line, suggest

_MODEL_LISTS = {  # what stands before the name of a published model -> MMEngine's list of addresses by name
    "modelzoo": get_torchvision_models,
    "torchvision": get_torchvision_models,
    "open-mmlab": get_external_models,
    "openmmlab": get_external_models,
    "mmcls": get_mmcls_models,
}
_STORES = [r"(\S+\:)?s3://", r"(\S+\:)?petrel://", "pavi://"]
_SCHEMES = ["", "http://", "https://", *_STORES, *(f"{name}://" for name in _MODEL_LISTS)]


@CheckpointLoader.register_scheme(_SCHEMES, force=True)
def load_from_data_only(source: str, map_location: Any = None) -> dict[str, Any]:
    """Reads a checkpoint from wherever MMEngine would.

    Args:
        source: A file, an http address, one of a store that MMEngine knows (`s3://...`), or the name of a published
            model (`torchvision://resnet50`, `open-mmlab://...`).
        map_location: As `torch.load` takes it.

    Raises:
        UsageError: It cannot be fetched, or as `load_checkpoint`.
    """
    scheme, _, name = source.rpartition("://")
    with _fetched(_address(scheme, name) if scheme in _MODEL_LISTS else source) as path:
        content = load_checkpoint(path, map_location)
    if scheme != "mmcls":
        return content
    weights = content.get("state_dict", content)  # of a classifier, whose head is left out
    own = {key.removeprefix("backbone."): value for key, value in weights.items() if key.startswith("backbone.")}
    return {"state_dict": own}


def _address(scheme: str, name: str) -> str:
    known = _MODEL_LISTS[scheme]()
    name = get_deprecated_model_names().get(name, name)
    if name not in known:
        raise UsageError(f"{scheme}://{name}: MMEngine lists no such model; {suggest(name, known, 'give a file')}")
    return known[name]


@contextmanager
def _fetched(source: str) -> Iterator[Path]:
    """Yields the file itself, or a copy of what an address stands for: by http torch's cached one."""
    if "://" not in source:
        yield Path(source).expanduser()
        return
    try:
        if source.startswith(("http://", "https://")):
            yield _download(source)
            return
        with get_local_path(source) as path:
            yield Path(path)
    except UsageError:
        raise
    except (OSError, ImportError, LookupError, ValueError, HTTPException) as error:
        raise unreachable(source, error) from error


def _download(address: str) -> Path:
    cached = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(address).path).name)
    cached.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{cached}.lock"):  # one of the processes fetches it for all
        if not cached.exists():
            torch.hub.download_url_to_file(address, str(cached))
    return cached


def unreachable(source: str, error: Exception) -> UsageError:
    """The sentence for weights that could not be fetched."""
    return UsageError(f"{source} cannot be fetched ({first_line(error)}): check the network, or give a local file")


@WEIGHT_INITIALIZERS.register_module(name="Pretrained", force=True)
class CheckedPretrained(PretrainedInit):
    """MMEngine's, of `init_cfg=dict(type="Pretrained", ...)`; it takes what fits, here one weight at least."""

    def __call__(self, module: nn.Module) -> None:
        """Loads the weights.

        Raises:
            UsageError: The file holds none for this module, or as `load_from_data_only`.
        """
        content = load_from_data_only(self.checkpoint, self.map_location)
        weights, own = content.get("state_dict", content), module.state_dict()
        check_tensors(weights, self.checkpoint)
        prefixes = (f"{self.prefix.removesuffix('.')}.",) if self.prefix else ("", "module.")
        if not any(f"{prefix}{key}" in weights for prefix in prefixes for key in own):
            raise UsageError(
                f"{self.checkpoint}: init_cfg with prefix={self.prefix!r} finds no weight of {type(module).__name__}: "
                f"its names are {next(iter(weights), 'none')!r}, ..., those of the part {next(iter(own), 'none')!r}, "
                "...; give another prefix or file"
            )
        super().__call__(module)


# --- what else `mmengine.load` reads: lists of annotations, proposals and results


@register_handler(["pickle", "pkl"])
class PickledData(PickleHandler):
    """Reads plain values, arrays and tensors from a pickle that `mmengine.dump` wrote."""

    def load_from_fileobj(self, file: Any, **_: Any) -> Any:
        """The content.

        Raises:
            UsageError: It would run code, or is of a later protocol than 2.
        """
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as parts:  # the form in which torch's reader takes a pickle
            parts.writestr("data/data.pkl", file.read())
            parts.writestr("data/version", "3")
        archive.seek(0)
        with torch.serialization.safe_globals([(_storage, "torch.storage._load_from_bytes")]):
            remedy = "write it as JSON"
            return read_data(archive, getattr(file, "name", "a .pkl file"), kind="pickle of protocol 2", remedy=remedy)


def _storage(data: bytes) -> Any:
    """Stands in for torch's function of that name, by which a plain pickle holds a tensor's numbers."""
    return torch.load(io.BytesIO(data), weights_only=True)


class _PlainYaml(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML's own types, and the tuples that `mmengine.dump` writes."""


_PlainYaml.add_constructor(
    "tag:yaml.org,2002:python/tuple", lambda loader, node: tuple(loader.construct_sequence(node, deep=True))
)


@register_handler(["yaml", "yml"])
class YamlData(YamlHandler):
    """Reads YAML without Python's tags, which name functions to call."""

    def load_from_fileobj(self, file: TextIO, **_: Any) -> Any:
        """The content.

        Raises:
            UsageError: It is no YAML, or has such tags.
        """
        try:
            return super().load_from_fileobj(file, Loader=_PlainYaml)
        except yaml.YAMLError as error:
            name = getattr(file, "name", "a YAML file")
            raise UsageError(f"{name}: {' '.join(str(error).split())}; write plain values") from error
