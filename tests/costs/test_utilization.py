"""The article's own figures, and the peaks of devices by the names that they give themselves."""

import pytest

from yolo_plugins.costs.utilization import is_known, peak_flops, theoretical_images_per_second, utilization


@pytest.mark.parametrize(
    ("flops", "measured", "theoretical", "percent"),
    [(120e9, 70, 933, 7.5), (50e9, 36, 2240, 1.6)],
    ids=["YOLOv4-CSP at 640 pixels", "EfficientDet-D3 at 896 pixels"],
)
def test_figures_of_the_article_come_out(flops, measured, theoretical, percent):
    assert round(theoretical_images_per_second(flops, "V100", "float16")) == theoretical
    assert round(100 * utilization(measured, flops, "V100", "float16"), 1) == percent


@pytest.mark.parametrize(
    ("device", "float32", "tf32", "half"),
    [
        ("Tesla T4", 8.1, None, 65),
        ("Quadro RTX 8000", 16.3, None, 130.5),
        ("Tesla V100-PCIE-16GB", 14, None, 112),
        ("Tesla V100-SXM2-32GB", 15.7, None, 125),
        ("NVIDIA A10", 31.2, 62.5, 125),
        ("NVIDIA A100-SXM4-80GB", 19.5, 156, 312),
        ("NVIDIA A100 80GB PCIe", 19.5, 156, 312),
        ("NVIDIA GeForce RTX 4090", 82.6, 82.6, 165.2),
        ("NVIDIA L40S", 91.6, 183, 362.05),
        ("NVIDIA H100 80GB HBM3", 67, 494.5, 989),
        ("NVIDIA H100 PCIe", 51, 378, 756),
        ("NVIDIA H100 NVL", 60, 417.5, 835),
        ("NVIDIA H200", 67, 494.5, 989),
        ("NVIDIA H200 NVL", 60, 417.5, 835),
        ("NVIDIA GH200 480GB", 67, 494.5, 989),
        ("NVIDIA B200", 75, 1100, 2250),
    ],
)
def test_peak_is_that_of_the_form_of_the_device_in_the_precision_measured(device, float32, tf32, half):
    assert peak_flops(device, "float32") == 1e12 * float32
    assert peak_flops(device, "float16") == 1e12 * half
    if tf32 is not None:
        assert peak_flops(device, "tf32") == 1e12 * tf32
        assert peak_flops(device, "bfloat16") == 1e12 * half
    for precision in ("tf32", "bfloat16"):
        assert is_known(device, precision) == (tf32 is not None)


def test_a_precision_that_the_device_lacks_is_refused():
    with pytest.raises(ValueError, match="no peak is known of 'Tesla T4' in 'tf32': known are float32, float16"):
        peak_flops("Tesla T4", "tf32")


@pytest.mark.parametrize(
    "device", ["AMD EPYC", "NVIDIA RTX A1000", "NVIDIA A10G", "NVIDIA GB200", "NVIDIA L40", "NVIDIA T400", ""]
)
def test_a_device_without_a_known_peak_is_refused(device):
    assert not is_known(device, "float32")
    with pytest.raises(ValueError, match="no peak is known of the device"):
        utilization(70, 120e9, device, "float32")


@pytest.mark.parametrize("precision", [None, float("nan"), "int8"])
def test_an_unknown_precision_has_no_peak(precision):
    assert not is_known("NVIDIA H200", precision)


@pytest.mark.parametrize("flops", [0, -1, float("nan")])
def test_a_network_without_operations_is_refused(flops):
    with pytest.raises(ValueError, match="give a positive number"):
        theoretical_images_per_second(flops, "V100", "float16")
