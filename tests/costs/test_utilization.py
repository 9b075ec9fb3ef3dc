"""The article's own figures, and the peaks of devices by the names that they give themselves."""

import pytest

from yolo_plugins.costs.utilization import peak_flops, theoretical_images_per_second, utilization


@pytest.mark.parametrize(
    ("flops", "measured", "theoretical", "percent"),
    [(120e9, 70, 933, 7.5), (50e9, 36, 2240, 1.6)],
    ids=["YOLOv4-CSP at 640 pixels", "EfficientDet-D3 at 896 pixels"],
)
def test_figures_of_the_article_come_out(flops, measured, theoretical, percent):
    assert round(theoretical_images_per_second(flops, "V100")) == theoretical
    assert round(100 * utilization(measured, flops, "V100"), 1) == percent


@pytest.mark.parametrize(
    ("device", "peak"),
    [
        ("Tesla V100-PCIE-16GB", 112e12),
        ("Tesla V100-SXM2-32GB", 125e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA A100 80GB PCIe", 312e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H200", 989e12),
    ],
)
def test_peak_is_that_of_the_form_of_the_device(device, peak):
    assert peak_flops(device) == peak


@pytest.mark.parametrize(
    "device", ["AMD EPYC", "NVIDIA RTX A1000", "NVIDIA GH200 480GB", "NVIDIA GeForce RTX 4090", ""]
)
def test_a_device_without_a_known_peak_is_refused(device):
    with pytest.raises(ValueError, match="no peak is known of the device"):
        utilization(70, 120e9, device)


@pytest.mark.parametrize("flops", [0, -1, float("nan")])
def test_a_network_without_operations_is_refused(flops):
    with pytest.raises(ValueError, match="give a positive number"):
        theoretical_images_per_second(flops, "V100")
