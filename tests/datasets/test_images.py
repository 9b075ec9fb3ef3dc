"""Facts about decoding and scaling pictures."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from yolo_plugins.datasets.images import check_image, read_image, scale_long_side
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


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_every_colour_mode_becomes_three_channels(tmp_path, noise, mode):
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.fromarray(noise).convert(mode).save(path)
    assert read_image(path).shape == (60, 90, 3)
    assert check_image(path) == (90, 60)


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
    assert scale_long_side(noise, 90) is noise


def test_scaling_truncates_the_short_side(noise):
    assert scale_long_side(noise, 50).shape == (33, 50, 3)  # 33.3
    assert scale_long_side(noise[:, :59], 100).shape == (100, 98, 3)  # 98.3


def test_long_side_is_exact_for_every_source_size():
    for side in range(1, 1300):
        assert scale_long_side(np.zeros((1, side), np.uint8), 416).shape == (1 if side > 416 else 416 // side, 416)


def test_scaling_never_gives_an_empty_side():
    assert scale_long_side(np.zeros((1, 900, 3), np.uint8), 32).shape == (1, 32, 3)


def test_shrinking_averages_areas_and_growing_interpolates(noise):
    np.testing.assert_array_equal(scale_long_side(noise, 45), cv2.resize(noise, (45, 30), interpolation=cv2.INTER_AREA))
    np.testing.assert_array_equal(
        scale_long_side(noise, 99), cv2.resize(noise, (99, 66), interpolation=cv2.INTER_LINEAR)
    )


def test_scaling_agrees_with_the_reference_loader(golden_dir):
    path = golden_dir / "pipeline_golden.npz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    golden = np.load(path)
    for item in json.loads(str(golden["loader"]))["square"]["items"]:
        scaled = scale_long_side(golden[f"loader_in{item['source']}"], 160)
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
