"""What a user is told of errors that come up while a part of a config is built."""

import pytest
from mmengine.runner import Runner

from yolo_plugins.faults import explain
from yolo_plugins.registry import MODELS


class Divides:
    def __init__(self, by: int) -> None:
        self.share = 1 / by


def failure(cfg: dict) -> Exception:
    MODELS.register_module(name="Divides", module=Divides, force=True)
    with pytest.raises(Exception) as caught:  # noqa: PT011
        MODELS.build(cfg)
    return caught.value


def test_an_error_of_a_constructor_is_told_with_its_place():
    said = explain(failure(dict(type="Divides", by=0)))
    assert said.startswith("Divides cannot be built: ZeroDivisionError: division by zero (")
    assert "test_faults.py:" in said
    assert said.endswith("; change its options in the config")


def test_an_option_of_another_type_is_told():
    assert explain(failure(dict(type="Divides", by="x"))).startswith("Divides cannot be built: TypeError: unsupported")


def test_a_part_without_a_type_is_told():
    assert explain(failure(dict(by=1))) == "a part of the config states no type: {'by': 1}; write type=... beside it"


def test_a_data_loader_that_cannot_be_is_told():
    with pytest.raises(ValueError, match="timeout") as caught:
        Runner.build_dataloader(dict(dataset=[1], sampler=dict(type="DefaultSampler"), batch_size=1, timeout=-1))
    assert explain(caught.value).startswith("dataloader cannot be built: ValueError: timeout option should be")


def test_an_error_elsewhere_is_a_defect():
    with pytest.raises(ZeroDivisionError) as caught:
        Divides(0)
    assert explain(caught.value) is None


def test_a_library_that_a_server_lacks_is_told_with_the_opencv_that_needs_none():
    error = ImportError("libGL.so.1: cannot open shared object file: No such file or directory")
    assert explain(error).startswith(
        "libGL.so.1 is missing, which the OpenCV that can open windows needs: "
        "pip install --force-reinstall --no-deps 'opencv-python-headless<4.13'"
    )
    assert explain(ImportError("libcudart.so.12: cannot open shared object file")) is None
