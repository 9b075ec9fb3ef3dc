"""A checkpoint that is not what was written is found, whatever byte of it differs; files of others are read."""

import zipfile

import pytest
import torch

from yolo_plugins.checkpoints.read import load_checkpoint
from yolo_plugins.checkpoints.soundness import check_sum, write_checkpoint
from yolo_plugins.errors import UsageError

CONTENT = {"state_dict": {"w": torch.arange(6.0), "n": torch.tensor(3)}, "meta": {"epoch": 1}}


@pytest.fixture
def path(tmp_path):
    write_checkpoint(tmp_path / "epoch_1.pth", CONTENT)
    return tmp_path / "epoch_1.pth"


def test_every_reader_of_archives_passes_over_the_checksum(path):
    assert zipfile.ZipFile(path).testzip() is None
    for options in ({}, {"mmap": True}):
        assert torch.equal(torch.load(path, **options)["state_dict"]["w"], torch.arange(6.0))
    assert load_checkpoint(path)["meta"] == {"epoch": 1}


@pytest.mark.parametrize("flip", [0x01, 0xFF])
def test_each_byte_counts(path, flip):
    data = path.read_bytes()
    for place in range(4, len(data)):  # without the first four, torch takes it for another format, which fails
        path.write_bytes(data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :])
        with pytest.raises(UsageError, match=r"epoch_1\.pth: truncated or damaged, its checksum does not fit; copy"):
            check_sum(path)
    for place in range(4):
        path.write_bytes(data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :])
        with pytest.raises(UsageError, match=r"epoch_1\.pth: truncated"):
            load_checkpoint(path)


def test_a_comment_of_no_length_does_not_pass_for_a_file_without_checksum(path):
    data = bytearray(path.read_bytes())
    data[-66:-64] = b"\0\0"
    path.write_bytes(data)
    with pytest.raises(UsageError, match="its checksum does not fit"):
        load_checkpoint(path)


def test_each_truncated_length_is_found(path):
    data = path.read_bytes()
    for length in [*range(0, len(data), 97), len(data) - 64, len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(UsageError, match=r"epoch_1\.pth: truncated"):
            load_checkpoint(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_of_others_needs_no_checksum(tmp_path, zipped):
    torch.save(CONTENT, tmp_path / "theirs.pth", _use_new_zipfile_serialization=zipped)
    assert load_checkpoint(tmp_path / "theirs.pth")["meta"] == {"epoch": 1}


@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("part", ["state_dict", "ema_state_dict", None])
def test_weights_that_are_not_finite_are_named(tmp_path, part, number):
    bad = {"first": torch.zeros(2), "second": torch.tensor([1.0, number]), "third": torch.tensor(number)}
    content = bad if part is None else CONTENT | {part: bad}
    write_checkpoint(tmp_path / "bad.pth", content)
    with pytest.raises(UsageError, match=r"bad\.pth: second holds NaN or infinite numbers; give an earlier"):
        load_checkpoint(tmp_path / "bad.pth")


def test_a_state_dict_that_is_none_is_refused(tmp_path):
    torch.save({"state_dict": None}, tmp_path / "none.pth")
    with pytest.raises(UsageError, match=r"none\.pth: its 'state_dict' is a NoneType, no weights"):
        load_checkpoint(tmp_path / "none.pth")
