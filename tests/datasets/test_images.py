"""Facts about decoding and scaling pictures."""

import json
import struct
import warnings

import cv2
import numpy as np
import pytest
from PIL import Image

from yolo_plugins.datasets.images import check_image, read_image, scale_to_fit
from yolo_plugins.errors import UsageError


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)


def test_lossless_picture_comes_back_in_bgr_order(tmp_path, noise):
    Image.fromarray(noise).save(tmp_path / "a.png")
    img = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(img[..., ::-1], noise)
    assert img.dtype == np.uint8
    assert img.flags.c_contiguous


COLOUR = (200, 50, 30)  # RGB


def picture(mode):
    """A picture of one colour in any mode of Pillow, (60, 90) pixels, with all of it transparent where it can be."""
    image = Image.new("RGB", (90, 60), COLOUR)
    if mode in ("LA", "PA", "RGBA"):
        image = image.convert({"LA": "L", "PA": "P"}.get(mode, "RGB"))
        image.putalpha(0)
    return image.convert(mode)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        *[(mode, "png") for mode in ("1", "L", "LA", "P", "RGB", "RGBA")],
        *[(mode, "tif") for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBX", "RGBA", "CMYK", "YCbCr", "LAB")],
        *[(mode, "jpg") for mode in ("L", "RGB", "CMYK", "YCbCr")],
        *[(mode, "webp") for mode in ("L", "RGB", "HSV")],
        *[("RGB", suffix) for suffix in ("bmp", "ppm", "jp2")],
        *[(mode, "gif") for mode in ("L", "P")],
    ],
)
def test_every_mode_of_8_bits_keeps_its_colour(tmp_path, mode, suffix):
    path = tmp_path / f"a.{suffix}"
    picture(mode).save(path)
    grey = 255 if mode == "1" else 93  # 0.299 * 200 + 0.587 * 50 + 0.114 * 30
    expected = (grey,) * 3 if mode in ("1", "L", "LA") else COLOUR[::-1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        img = read_image(path)
    assert img.shape == (60, 90, 3) and img.dtype == np.uint8
    if mode != "1":  # which is dithered
        assert np.abs(img.mean((0, 1)) - expected).max() < 6
    assert set(np.unique(img)) <= {0, 255} or mode != "1"
    assert check_image(path) == (90, 60)


def test_transparency_is_left_out_whatever_the_mode(tmp_path):
    """The colours below it are read, as OpenCV and so MMDetection read them."""
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, *COLOUR])
    pictures = {
        "rgba": (picture("RGBA"), {}),
        "index": (palette, {"transparency": 1}),
        "bytes": (palette, {"transparency": b"\xff\x00"}),
        "colour": (picture("RGB"), {"transparency": COLOUR}),
    }
    for name, (image, options) in pictures.items():
        path = tmp_path / f"{name}.png"
        image.save(path, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert read_image(path)[0, 0].tolist() == [30, 50, 200], name
        assert cv2.imread(str(path), cv2.IMREAD_COLOR)[0, 0].tolist() == [30, 50, 200], name


@pytest.fixture
def grey():
    """(16, 16) uint8, every value once."""
    return np.arange(256, dtype=np.uint8).reshape(16, 16)


def sixteen_bits(grey, mode):
    values = grey.astype(np.uint16) * 257
    return Image.frombytes(mode, grey.shape, values.astype(">u2" if mode == "I;16B" else "<u2").tobytes())


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("I;16", "png"), ("I;16B", "png"), ("I;16", "tif"), ("I;16B", "tif"), ("I;16L", "tif"), ("I;16", "pgm")],
)
def test_sixteen_bits_of_grey_are_read_as_eight(tmp_path, grey, mode, suffix):
    path = tmp_path / f"a.{suffix}"
    sixteen_bits(grey, mode).save(path)
    img = read_image(path)
    np.testing.assert_array_equal(img, np.repeat(grey[..., None], 3, axis=2))
    assert check_image(path) == (16, 16)


def test_grey_of_16_bits_that_counts_from_white_is_turned_round(tmp_path, grey):
    sixteen_bits(grey, "I;16").save(tmp_path / "a.tif", tiffinfo={262: 0})
    assert (read_image(tmp_path / "a.tif")[..., 0] == 255 - grey).all()


def test_grey_of_16_bits_between_those_of_8_is_rounded(tmp_path):
    Image.fromarray(np.array([[128, 129, 385, 386]], np.uint16)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0, :, 0].tolist() == [0, 1, 1, 2]


def test_sixteen_bits_are_turned_upright_too(tmp_path, grey):
    exif = Image.Exif()
    exif[0x0112] = 6
    sixteen_bits(grey, "I;16").save(tmp_path / "a.png", exif=exif)
    assert (read_image(tmp_path / "a.png")[..., 0] == np.rot90(grey, -1)).all()


@pytest.mark.parametrize("decode", [read_image, check_image])
def test_values_without_a_certain_range_are_refused_by_name(tmp_path, grey, decode):
    Image.fromarray(grey.astype(np.int32)).save(tmp_path / "integers.tif")
    Image.fromarray(grey.astype(np.float32)).save(tmp_path / "floats.tif")
    Image.fromarray(grey.astype(np.float32)).save(tmp_path / "floats.pfm")
    sixteen_bits(grey, "I;16").save(tmp_path / "twelve.tif", tiffinfo={258: 16})
    data = (tmp_path / "twelve.tif").read_bytes()
    entry = struct.pack("<HHIHH", 258, 3, 1, 16, 0)
    assert entry in data
    (tmp_path / "twelve.tif").write_bytes(data.replace(entry, struct.pack("<HHIHH", 258, 3, 1, 12, 0)))
    for name, told in (
        ("integers.tif", r"\(TIFF, mode I of 32 bits\)"),
        ("floats.tif", r"\(TIFF, mode F of 32 bits\)"),
        ("floats.pfm", r"\(PPM, mode F\)"),
        ("twelve.tif", r"\(TIFF, mode I;16 of 12 bits\)"),
    ):
        with pytest.raises(UsageError, match=rf"{name}: its values have no certain range {told}; save it with 8 bits"):
            decode(tmp_path / name)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = np.zeros((40, 64, 3), dtype=np.uint8)
    upright[:20, :32] = 255  # a bright top left quarter
    undo = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90"}
    undo |= {7: "TRANSVERSE", 8: "ROTATE_270"}
    stored = Image.fromarray(upright)
    if orientation in undo:
        stored = stored.transpose(Image.Transpose[undo[orientation]])
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95)
    img = read_image(tmp_path / "a.jpg")
    assert img.shape == (40, 64, 3)
    assert check_image(tmp_path / "a.jpg") == (64, 40)
    assert img[4:16, 4:28].min() > 200
    assert img[24:].max() < 60
    assert img[:, 36:].max() < 60


@pytest.mark.parametrize("decode", [read_image, check_image])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_truncated_picture_is_refused_by_name(tmp_path, noise, decode, kept, suffix):
    path = tmp_path / f"broken{suffix}"
    Image.fromarray(noise).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(UsageError) as caught:
        decode(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("decode", [read_image, check_image])
def test_missing_file_text_file_and_folder_are_refused(tmp_path, decode):
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(UsageError, match=r"nowhere\.jpg: no such image"):
        decode(tmp_path / "nowhere.jpg")
    for name in ("text.jpg", "empty.jpg", "."):
        with pytest.raises(UsageError, match="cannot decode the image"):
            decode(tmp_path / name)


def test_scaling_leaves_a_picture_of_that_size_alone(noise):
    assert scale_to_fit(noise, (90, 90)) is noise


def test_scaling_truncates_the_short_side(noise):
    assert scale_to_fit(noise, (50, 50)).shape == (33, 50, 3)  # 33.3
    assert scale_to_fit(noise[:, :59], (100, 100)).shape == (100, 98, 3)  # 98.3


def test_long_side_is_exact_for_every_source_size():
    for side in range(1, 1300):
        assert scale_to_fit(np.zeros((1, side), np.uint8), (416, 416)).shape == (1 if side > 416 else 416 // side, 416)


@pytest.mark.parametrize(
    ("bounds_hw", "expected"),
    [((60, 45), (30, 45)), ((20, 90), (20, 30)), ((30, 45), (30, 45)), ((31, 200), (31, 46)), ((120, 180), (120, 180))],
)
def test_a_picture_fills_that_side_of_its_bounds_that_it_meets_first(noise, bounds_hw, expected):
    assert scale_to_fit(noise, bounds_hw).shape[:2] == expected  # of 60 x 90


def test_scaling_never_gives_an_empty_side():
    assert scale_to_fit(np.zeros((1, 900, 3), np.uint8), (32, 32)).shape == (1, 32, 3)


def test_shrinking_averages_areas_and_growing_interpolates(noise):
    shrunk, grown = (scale_to_fit(noise, (side, side)) for side in (45, 99))
    np.testing.assert_array_equal(shrunk, cv2.resize(noise, (45, 30), interpolation=cv2.INTER_AREA))
    np.testing.assert_array_equal(grown, cv2.resize(noise, (99, 66), interpolation=cv2.INTER_LINEAR))


def test_scaling_agrees_with_the_reference_loader(golden_dir):
    path = golden_dir / "pipeline_golden.npz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    golden = np.load(path)
    for item in json.loads(str(golden["loader"]))["square"]["items"]:
        scaled = scale_to_fit(golden[f"loader_in{item['source']}"], (160, 160))
        _, (pad_w, pad_h) = item["shapes"][1]
        top, left = round(pad_h - 0.1), round(pad_w - 0.1)
        output = golden[f"loader_square_out{item['source']}"].transpose(1, 2, 0)[..., ::-1]  # CHW RGB -> HWC BGR
        inner = output[top : top + scaled.shape[0], left : left + scaled.shape[1]]
        np.testing.assert_array_equal(inner, scaled)


@pytest.mark.parametrize("read", [read_image, check_image])
def test_a_picture_that_is_a_program_is_refused_and_not_given_to_ghostscript(tmp_path, monkeypatch, noise, read):
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    Image.fromarray(noise).save(tmp_path / "a.jpg", format="EPS")
    with pytest.raises(UsageError, match=r"a\.jpg: cannot decode the image \(EPS is a program"):
        read(tmp_path / "a.jpg")
    assert not (tmp_path / "ran").exists()
