"""Where pictures come from: files, folders, patterns, addresses, arrays, videos, cameras, and lists of these."""

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from yolo_plugins.datasets.from_config import find_datasets
from yolo_plugins.datasets.images import IMAGE_SUFFIXES, image_array, read_image
from yolo_plugins.errors import UsageError
from yolo_plugins.inference.download import downloaded, is_address, name_of
from yolo_plugins.inference.videos import VIDEO_SUFFIXES, Video


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that was read.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        path: Of its file or video, its address, or `camera 0`; empty for an array.
        name: A relative path with slashes, of its own within a folder or pattern.
        frame: Its number in a video or of a camera, from 0 on; None for other pictures.
        seconds: The time of that frame since the start.
    """

    image: np.ndarray
    path: str = ""
    name: str = ""
    frame: int | None = None
    seconds: float | None = None


_Part = Callable[[], Iterator[Picture | UsageError]]  # a file, say: its pictures, and what of it cannot be read


@dataclass(frozen=True)
class Source:
    """Pictures to come, of which none is held.

    Attributes:
        parts: Files and the like; each is opened when its turn comes.
        length: How many pictures these are; None where nobody knows.
        skipped: Names of files in the folder that are neither pictures nor videos.
        names: Those of the pictures and videos, as far as they are files.
        root: The folder above all these names, which `skipped` and `names` leave out; None where there is none.
    """

    parts: Iterable[_Part]
    length: int | None
    skipped: Sequence[str] = ()
    names: Sequence[str] = ()
    root: Path | None = None

    @property
    def is_alone(self) -> bool:
        """Whether it is one thing: there are no other pictures for which to go on."""
        return isinstance(self.parts, list) and len(self.parts) == 1

    def __iter__(self) -> Iterator[Picture | UsageError]:
        for part in self.parts:
            yield from part()


def open_source(source: Any, without: Path | None = None) -> Source:
    """Finds the pictures of what `Detector` takes.

    Args:
        source: A path, folder, pattern or http address, (H, W, 3) uint8 BGR, a Pillow picture, the number of a camera;
            a list, tuple or iterator of these.
        without: A folder that is left out where it lies below another one.

    Raises:
        UsageError: It is none of these, leads nowhere, or holds no picture.
    """
    if isinstance(source, Source):
        return source
    if isinstance(source, np.ndarray):
        return Source([partial(_of_array, source)], 1)
    if isinstance(source, Image.Image):
        return Source([partial(_of_pillow, source)], 1)
    if isinstance(source, int) and not isinstance(source, bool):
        return Source([partial(_frames, Video(source), f"camera {source}", f"camera{source}.mp4")], None)
    if isinstance(source, str) and is_address(source):
        return Source([partial(_of_address, source)], None)
    if isinstance(source, str | os.PathLike):
        return _of_path(os.fspath(source), without)
    if isinstance(source, list | tuple):
        return _joined([open_source(item) for item in source])
    if isinstance(source, Iterator):
        return Source((part for item in source for part in open_source(item).parts), None)
    raise UsageError(
        f"a {type(source).__name__} is no source of pictures: give a path, an address, an array, a Pillow picture, the "
        "number of a camera, or a list of these"
    )


def open_data(data: str) -> Source:
    """The pictures of the test split of own data, or of what stands for one.

    Args:
        data: As for `find_layout`.

    Raises:
        UsageError: They cannot be read, or have no such split.
    """
    (dataset,) = find_datasets(None, data=data, loaders=["test_dataloader"])
    paths = [Path(picture.img_path) for picture in dataset.read_pictures()]
    root = Path(os.path.commonpath([str(path.parent) for path in paths] or [data]))
    return _of_files(paths, root, f"{data}: no picture found")


def _joined(sources: Sequence[Source]) -> Source:
    lengths = [source.length for source in sources]
    known = [length for length in lengths if length is not None]
    return Source(
        [part for source in sources for part in source.parts],
        sum(known) if len(known) == len(lengths) else None,
        [name for source in sources for name in source.skipped],
        [name for source in sources for name in source.names],
    )


def _of_path(text: str, without: Path | None) -> Source:
    path = Path(text).expanduser()
    if path.is_dir():
        return _of_files(list(_walk(path, without)), path, f"{text}: no picture found")
    if path.is_file():
        return _of_file(path, path.parent)
    if glob.has_magic(text):
        found = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
        fixed = next(parent for parent in path.parents if not glob.has_magic(str(parent)))
        return _of_files([path for path in found if not path.is_dir()], fixed, f"{text}: no picture matches")
    raise UsageError(f"{text}: no such picture, video or folder; check the path")


def _walk(folder: Path, without: Path | None) -> Iterator[Path]:
    """All files below a folder, sorted; each folder once, also where links lead in a circle."""
    seen = {_identity(without)} if without is not None and without.is_dir() and not without.samefile(folder) else set()
    for place, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        if _identity(place) in seen:
            folders.clear()
            continue
        seen.add(_identity(place))
        folders.sort()
        yield from (Path(place, name) for name in sorted(names))


def _identity(folder: str | Path) -> tuple[int, int]:
    state = os.stat(folder)
    return state.st_dev, state.st_ino


def _refuse(error: OSError) -> None:
    raise error


def _of_files(paths: Sequence[Path], root: Path, nothing: str) -> Source:
    """The pictures and videos among some files."""
    wanted = [path for path in paths if path.suffix.lower() in (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES) and _may_be_one(path)]
    if not wanted:
        kinds = ", ".join(IMAGE_SUFFIXES)
        raise UsageError(f"{nothing}; give a picture, a video, or a folder that holds some ({kinds})")
    kept = set(wanted)
    skipped = [_below(path, root) for path in paths if path not in kept]
    return replace(_joined([_of_file(path, root) for path in wanted]), skipped=skipped, root=root)


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _may_be_one(path: Path) -> bool:
    """Whether it is a file, or a link that leads nowhere, which is a picture that cannot be read."""
    return path.is_file() or not path.exists()


def _of_file(path: Path, root: Path) -> Source:
    """A picture or a video under its path below `root`."""
    name = _below(path, root)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        video = Video(path)
        return Source([partial(_frames, video, str(path), name)], video.length, names=[name], root=root)
    return Source([partial(_of_image_file, path, str(path), name)], 1, names=[name], root=root)


def _of_image_file(path: Path, shown: str, name: str) -> Iterator[Picture | UsageError]:
    """The picture in a file of any name; of one that is no picture, but a video, the frames."""
    try:
        image = read_image(path)
    except UsageError as error:
        video = Video(path)
        if path.suffix.lower() in IMAGE_SUFFIXES or not path.is_file() or not video.opens():
            yield UsageError(shown + str(error).removeprefix(str(path)))
            return
        yield from _frames(video, shown, name)
        return
    yield Picture(image, shown, name)


def _of_address(address: str) -> Iterator[Picture | UsageError]:
    try:
        with downloaded(address) as path:
            yield from _of_image_file(path, address, name_of(address))
    except UsageError as error:
        yield error


def _of_array(image: np.ndarray) -> Iterator[Picture | UsageError]:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        yield UsageError(
            f"an array of {image.dtype} {image.shape} is no picture: give uint8 (height, width, 3), blue first, as "
            "cv2.imread returns it"
        )
    else:
        yield Picture(image)


def _of_pillow(image: Image.Image) -> Iterator[Picture | UsageError]:
    path = str(getattr(image, "filename", ""))
    try:
        yield Picture(image_array(image, path or "a Pillow picture"), path, PurePosixPath(path).name)
    except UsageError as error:
        yield error


def _frames(video: Video, shown: str, name: str) -> Iterator[Picture | UsageError]:
    try:
        for frame, (image, seconds) in enumerate(video):
            yield Picture(image, shown, name, frame, seconds)
    except UsageError as error:
        yield UsageError(f"{shown}: {error}")
