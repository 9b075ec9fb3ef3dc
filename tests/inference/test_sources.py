"""Each kind of source gives its pictures, in order and under names of their own; what is none is one line."""

import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from tiny_pictures import add_picture, add_video, pixels

from yolo_plugins.errors import UsageError
from yolo_plugins.inference.sources import open_data, open_source


def names(source: object, **options: object) -> list[str]:
    """Names of all pictures; a fault is an error."""
    pictures = list(open_source(source, **options))
    assert not [item for item in pictures if isinstance(item, UsageError)]
    return [picture.name for picture in pictures]


def faults(source: object) -> list[str]:
    return [str(item) for item in open_source(source) if isinstance(item, UsageError)]


def test_a_folder_gives_the_pictures_of_its_sub_folders_under_their_paths(tmp_path):
    for name in ("b.png", "a.JPG", "sub/a.JPG", "sub/deep/c.bmp", "notes/x.png"):
        add_picture(tmp_path / name)
    (tmp_path / "notes/list.txt").touch()
    (tmp_path / "empty.png").mkdir()
    source = open_source(tmp_path)
    assert names(tmp_path) == ["a.JPG", "b.png", "notes/x.png", "sub/a.JPG", "sub/deep/c.bmp"] == list(source.names)
    assert (source.length, source.skipped, source.root) == (5, ["notes/list.txt"], tmp_path)


def test_links_are_followed_and_a_circle_ends(tmp_path):
    add_picture(tmp_path / "in/a.png")
    add_picture(tmp_path / "elsewhere/b.png")
    (tmp_path / "in/circle").symlink_to(tmp_path / "in")
    (tmp_path / "in/others").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to("../in")
    assert names(tmp_path / "in") == ["a.png", "others/b.png"]


def test_a_folder_for_results_is_left_out_below_another_one(tmp_path):
    add_picture(tmp_path / "a.png")
    add_picture(tmp_path / "drawn/a.png")
    assert names(tmp_path, without=tmp_path / "drawn") == ["a.png"]
    assert names(tmp_path / "drawn", without=tmp_path / "drawn") == ["a.png"]
    assert names(tmp_path, without=tmp_path / "nowhere") == ["a.png", "drawn/a.png"]


def test_a_pattern_gives_what_matches_below_its_fixed_part(tmp_path, monkeypatch):
    for name in ("x/a.png", "y/a.png", "y/z/b.png", "y/c.txt"):
        add_picture(tmp_path / name) if name.endswith("png") else (tmp_path / name).touch()
    assert names(str(tmp_path / "*/*.png")) == ["x/a.png", "y/a.png"]
    assert names(str(tmp_path / "**/*.png")) == ["x/a.png", "y/a.png", "y/z/b.png"]
    assert open_source(str(tmp_path / "y/*")).skipped == ["c.txt"]
    monkeypatch.chdir(tmp_path / "y")
    assert names("*.png") == ["a.png"]
    add_picture(tmp_path / "y/[1].png")
    assert names("[1].png") == ["[1].png"]


def test_a_picture_is_upright_and_of_three_channels_blue_first(tmp_path):
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, :30] = (255, 0, 0)  # red on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # the left side is to be on top
    for turned in (Image.fromarray(image), Image.fromarray(image).convert("RGBA")):
        turned.save(tmp_path / "a.png", exif=exif)
        with Image.open(tmp_path / "a.png") as opened:
            (by_path,), (by_pillow,) = open_source(tmp_path / "a.png"), open_source(opened)
        for picture in (by_path, by_pillow):
            assert picture.image.shape == (60, 40, 3)
            assert picture.image[10, 20].tolist() == [0, 0, 255] and picture.image[50, 20].tolist() == [0, 0, 0]
        assert (by_pillow.path, by_pillow.name) == (str(tmp_path / "a.png"), "a.png")


def test_a_named_file_is_read_whatever_its_suffix(tmp_path):
    add_picture(tmp_path / "a.png")
    add_video(tmp_path / "b.mp4", 3)
    (tmp_path / "a.png").rename(tmp_path / "a.xyz")
    (tmp_path / "b.mp4").rename(tmp_path / "b")
    assert names(tmp_path / "a.xyz") == ["a.xyz"]
    assert names(tmp_path / "b") == ["b"] * 3


def test_a_list_joins_its_sources_and_an_iterator_is_read_as_it_comes(tmp_path):
    add_picture(tmp_path / "a/1.png")
    add_picture(tmp_path / "a/2.png")
    items = [tmp_path / "a", pixels(), Image.fromarray(pixels()), (str(tmp_path / "a/1.png"),)]
    assert open_source(items).length == 5
    assert names(items) == ["1.png", "2.png", "", "", "1.png"]
    read = []

    def lazily():
        for item in items:
            read.append(1)
            yield item

    source = open_source(lazily())
    assert (source.length, read) == (None, [])
    next(iter(source))
    assert read == [1]


def test_frames_know_their_video_number_and_time(tmp_path):
    add_video(tmp_path / "clips.mp4", 5, rate=10)
    source = open_source(str(tmp_path / "clips.mp4"))
    assert source.length == 5
    frames = list(source)
    assert [picture.frame for picture in frames] == [0, 1, 2, 3, 4]
    assert [picture.seconds for picture in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert {picture.path for picture in frames} == {str(tmp_path / "clips.mp4")}
    assert [round(picture.image.mean() / 10) for picture in frames] == [1, 2, 3, 4, 5]
    add_picture(tmp_path / "a.png")
    assert open_source(tmp_path).length == 6
    assert names(tmp_path) == ["a.png", *["clips.mp4"] * 5]


def test_own_data_give_the_pictures_of_their_test_split(synthetic_voc):
    stems = (synthetic_voc / "VOC2007/ImageSets/Main/test.txt").read_text().split()
    source = open_data(str(synthetic_voc))
    assert sorted(source.names) == sorted(f"{stem}.jpg" for stem in stems)
    assert source.root == synthetic_voc / "VOC2007/JPEGImages"
    with pytest.raises(UsageError, match="nowhere"):
        open_data("nowhere")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("nowhere", "nowhere: no such picture, video or folder; check the path"),
        ("", ": no such picture, video or folder; check the path"),
        ("folder", "folder: no picture found; give a picture, a video, or a folder that holds some"),
        ("folder/*.png", "folder/*.png: no picture matches; give a picture, a video, or a folder that holds some"),
        ("no*where/*", "no*where/*: no picture matches"),
        (3.5, "a float is no source of pictures: give a path, an address, an array, a Pillow picture"),
        (None, "a NoneType is no source of pictures"),
        (True, "a bool is no source of pictures"),
        ({"a.png": 1}, "a dict is no source of pictures"),
        (["nowhere"], "nowhere: no such picture"),
        ([[None]], "a NoneType is no source of pictures"),
    ],
)
def test_what_is_no_source_is_told_at_once(tmp_path, monkeypatch, source, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.txt").touch()
    if source == "":
        monkeypatch.setattr(Path, "is_dir", lambda self: False)
    with pytest.raises(UsageError, match=re.escape(sentence)):
        open_source(source)


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_an_array_that_is_no_picture_is_told(image):
    (fault,) = faults(image)
    assert fault.startswith(
        f"an array of {image.dtype} {image.shape} is no picture: give uint8 (height, width, 3), blue"
    )


def test_a_pillow_picture_that_cannot_be_read_is_told(tmp_path):
    add_picture(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:200])
    with Image.open(tmp_path / "a.png") as image:
        (fault,) = faults(image)
    assert fault.startswith(f"{tmp_path / 'a.png'}: cannot decode the image")
    (fault,) = faults(Image.fromarray(np.zeros((4, 4), np.float32)))
    assert fault.startswith("a Pillow picture: its values have no certain range")


def test_what_cannot_be_read_takes_the_place_of_its_picture(tmp_path):
    for name in ("a.png", "c.png"):
        add_picture(tmp_path / name)
    (tmp_path / "b.png").write_bytes(b"no picture")
    (tmp_path / "d.png").symlink_to("nowhere.png")
    (tmp_path / "e.mp4").write_bytes(b"no video")
    os.mkfifo(tmp_path / "f.png")  # which nobody writes: opening it would wait for ever
    source = open_source(tmp_path)
    assert (source.length, source.skipped) == (None, ["f.png"])
    kinds = [item.name if not isinstance(item, UsageError) else str(item) for item in source]
    assert kinds[0] == "a.png" and kinds[2] == "c.png" and len(kinds) == 5
    assert kinds[1].startswith(f"{tmp_path / 'b.png'}: cannot decode the image")
    assert kinds[3].startswith(f"{tmp_path / 'd.png'}: no such image")
    assert kinds[4] == f"{tmp_path / 'e.mp4'}: cannot be opened as a video; give another file"


def test_a_folder_that_may_not_be_read_is_an_error_and_not_left_out(tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir()
    scan = os.scandir

    def scandir(place):
        if str(place).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError):
        open_source(tmp_path)


def test_opencv_sees_the_picture_that_pillow_reads(tmp_path):
    add_picture(tmp_path / "a.png")
    (picture,) = open_source(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.image, cv2.imread(str(tmp_path / "a.png")))
