"""Warns of installed versions that are known not to work together, with the remedy; never refuses an unknown one.

The package runs on the maintained OneDL releases of the OpenMMLab stack and imports on the original ones, whose
distributions carry other names and the same import names.
"""

import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version

from packaging.version import Version

_PAIRS = {"mmengine": "onedl-mmengine", "mmcv": "onedl-mmcv", "mmdet": "onedl-mmdetection"}
_REMEDY = "pip install onedl-mmengine onedl-mmcv onedl-mmdetection, after pip uninstall mmengine mmcv mmdet"


def _installed(distribution: str) -> Version | None:
    try:
        return Version(version(distribution))
    except PackageNotFoundError:
        return None


def find_conflicts(installed: Callable[[str], Version | None] = _installed) -> list[str]:
    """One sentence, with the remedy, for each known conflict among the installed versions.

    Args:
        installed: Gives the version of a distribution, None where it is not installed.
    """
    torch = installed("torch")
    original = {name: found for name in _PAIRS if (found := installed(name)) is not None}
    sentences = [
        f"{name} {found} and {_PAIRS[name]} are both installed and overwrite each other's files; {_REMEDY}"
        for name, found in original.items()
        if installed(_PAIRS[name]) is not None
    ]
    return sentences + [sentence for applies, sentence in _known(torch, original, installed) if applies]


def _known(
    torch: Version | None, original: Mapping[str, Version], installed: Callable[[str], Version | None]
) -> list[tuple[bool, str]]:
    """(whether it applies, sentence) of each conflict that was met when the releases were tried together."""
    mmengine, mmdet = original.get("mmengine"), original.get("mmdet")
    mmcv = original.get("mmcv") or installed("onedl-mmcv")
    return [
        (
            bool(mmengine and torch and mmengine <= Version("0.10.7") and torch >= Version("2.6")),
            f"mmengine {mmengine} cannot read its own checkpoints with torch {torch}; {_REMEDY}",
        ),
        (
            bool(mmdet and mmcv and mmdet <= Version("3.3.0") and mmcv >= Version("2.2.0")),
            f"mmdet {mmdet} refuses mmcv {mmcv} when it is imported; {_REMEDY}",
        ),
    ]


def warn_of_conflicts() -> None:
    """Issues one warning for each known conflict."""
    for sentence in find_conflicts():
        warnings.warn(sentence, stacklevel=2)
