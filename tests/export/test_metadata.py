"""What a file says of itself is read back as it was written, or refused."""

import json

import pytest

from yolo_plugins.errors import UsageError
from yolo_plugins.export.metadata import read_metadata


def test_what_is_written_is_read_back(metadata):
    assert read_metadata(metadata.to_json(), "a.onnx") == metadata


@pytest.mark.parametrize("text", [None, ""])
def test_a_file_of_others_says_nothing(text):
    with pytest.raises(UsageError, match=r"^a\.onnx: says nothing of its classes"):
        read_metadata(text, "a.onnx")


@pytest.mark.parametrize(
    "changes",
    [
        {"names": "screw"},
        {"input_hw": [64]},
        {"dynamic": 1},
        {"selection": {"score_thr": 0.1}},
        {"levels": [[8, "3"]]},
        {"levels": [[0, 3]]},
        {"input_hw": [0, 64]},
        {"input_hw": [64, 1_000_000_000]},
        {"more": 1},
    ],
    ids=str,
)
def test_damage_is_one_line(metadata, changes):
    text = json.dumps(json.loads(metadata.to_json()) | changes)
    with pytest.raises(UsageError, match=r"^a\.onnx: what it says of itself is damaged \(.*\); export it by [^\n]*$"):
        read_metadata(text, "a.onnx")


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, '{"names": NaN}'], ids=["cut", "list", "deep", "nan"])
def test_what_is_no_metadata_is_one_line(text):
    with pytest.raises(UsageError, match=r"^a\.onnx: what it says of itself is damaged"):
        read_metadata(text, "a.onnx")
