"""Facts about the memory-mapped image cache."""

import errno
import multiprocessing
import pickle
import shutil

import numpy as np
import pytest
from PIL import Image

from yolo_plugins.datasets import image_cache
from yolo_plugins.datasets.image_cache import ImageCache
from yolo_plugins.datasets.images import read_image, scale_to_fit
from yolo_plugins.errors import UsageError

SIZE = 32


@pytest.fixture
def pictures(tmp_path):
    """Five JPEG files of different shapes."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    paths = []
    for number, (h, w) in enumerate([(40, 64), (64, 40), (20, 32), (16, 16), (50, 50)]):
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)).save(paths[-1], quality=95)
    return paths


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def no_building(monkeypatch):
    """Makes any building of a cache fail, from the moment it is called."""
    return lambda: monkeypatch.setattr(image_cache, "_build", lambda *_: pytest.fail("built again"))


def test_a_size_that_is_not_square_has_a_file_of_its_own(pictures, folder):
    cache = ImageCache(pictures, (16, SIZE), folder)
    assert cache.path.name.startswith(f"images-16x{SIZE}-")
    assert [cache[i].shape[:2] for i in range(5)] == [(16, 25), (16, 10), (16, 25), (16, 16), (16, 16)]
    assert ImageCache(pictures, (SIZE, SIZE), folder).path == ImageCache(pictures, SIZE, folder).path != cache.path


def assert_holds(cache, paths):
    assert len(cache) == len(paths)
    for i, path in enumerate(paths):
        img = read_image(path)
        assert cache.original_hw(i) == img.shape[:2]
        assert cache[i].dtype == np.uint8
        assert np.array_equal(cache[i], scale_to_fit(img, (SIZE, SIZE)))


def test_cache_holds_the_scaled_pictures_read_only(pictures, folder):
    cache = ImageCache(pictures, SIZE, folder)
    assert_holds(cache, pictures)
    assert [cache[i].shape[:2] for i in range(5)] == [(20, 32), (32, 20), (20, 32), (32, 32), (32, 32)]
    assert not cache[0].flags.writeable and cache[0].base is not None
    with pytest.raises(ValueError, match="read-only"):
        cache[0][0, 0, 0] = 1


def test_cache_is_built_once_whatever_the_order_names_and_repeats(pictures, folder, no_building, tmp_path):
    ImageCache(pictures, SIZE, folder)
    no_building()
    moved = [shutil.copy(path, tmp_path / f"moved-{path.name}") for path in pictures]
    reordered = [moved[i] for i in (3, 1, 4, 0, 2, 1)]
    assert_holds(ImageCache(reordered, SIZE, folder), reordered)


def test_changed_picture_size_or_set_makes_another_cache(pictures, folder):
    names = {ImageCache(pictures, SIZE, folder).path, ImageCache(pictures, 48, folder).path}
    names.add(ImageCache(pictures[:-1], SIZE, folder).path)
    Image.new("RGB", (9, 9)).save(pictures[2])
    changed = ImageCache(pictures, SIZE, folder)
    assert_holds(changed, pictures)
    assert len(names | {changed.path}) == 4


def test_pickled_cache_opens_the_file_anew(pictures, folder):
    cache = ImageCache(pictures, SIZE, folder)
    data = pickle.dumps(cache)
    assert len(data) < 2000  # no pixels
    assert_holds(pickle.loads(data), pictures)  # noqa: S301
    cache.path.unlink()
    with pytest.raises(UsageError, match="cannot open the image cache"):
        pickle.loads(data)  # noqa: S301


def test_folder_comes_from_the_environment(pictures, folder, monkeypatch):
    monkeypatch.setenv("YOLO_PLUGINS_CACHE", str(folder))
    assert ImageCache(pictures, SIZE).path.parent == folder


def test_file_of_a_wrong_length_is_built_again(pictures, folder):
    path = ImageCache(pictures, SIZE, folder).path
    for half in (path.read_bytes()[:-1], b"", path.read_bytes()[:40]):
        path.write_bytes(half)
        assert_holds(ImageCache(pictures, SIZE, folder), pictures)


def test_corrupt_picture_is_named_and_leaves_nothing(pictures, folder):
    pictures[3].write_bytes(pictures[3].read_bytes()[:-200])
    with pytest.raises(UsageError, match=r"3\.jpg"):
        ImageCache(pictures, SIZE, folder)
    assert not [path for path in folder.iterdir() if path.suffix != ".lock"]


def test_missing_picture_is_named(pictures, folder):
    pictures[1].unlink()
    with pytest.raises(UsageError, match=r"1\.jpg: no such image; restore the file"):
        ImageCache(pictures, SIZE, folder)


def test_interrupt_leaves_no_half_cache(pictures, folder, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(image_cache, "read_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ImageCache(pictures, SIZE, folder)
    assert not [path for path in folder.iterdir() if path.suffix != ".lock"]


def test_full_disk_tells_the_size_and_the_remedy(pictures, folder, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(image_cache.os, "fsync", full)
    with pytest.raises(UsageError, match=r"disk full.*about 0\.00 GB.*YOLO_PLUGINS_CACHE"):
        ImageCache(pictures, SIZE, folder)
    assert not [path for path in folder.iterdir() if path.suffix != ".lock"]


def test_folder_that_cannot_be_written_tells_the_remedy(pictures, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write the image cache.*YOLO_PLUGINS_CACHE"):
        ImageCache(pictures, SIZE, tmp_path / "file" / "cache")


def test_processes_that_start_together_build_once(pictures, folder, tmp_path, monkeypatch):
    log, build = tmp_path / "log", image_cache._build

    def logged_build(*args):
        with log.open("a") as file:
            file.write("built\n")
        return build(*args)

    monkeypatch.setattr(image_cache, "_build", logged_build)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=ImageCache, args=(pictures, SIZE, folder)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert log.read_text() == "built\n"


def test_cached_views_survive_a_fork(pictures, folder):
    cache = ImageCache(pictures, SIZE, folder)
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=lambda: queue.put(int(cache[1].sum())))
    process.start()
    assert queue.get() == int(cache[1].sum())
    process.join()
