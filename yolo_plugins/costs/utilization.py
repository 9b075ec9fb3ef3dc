"""Floating-point operations, and how much of a device's peak a network uses: measured over possible images per second.

Scaled-YOLOv4 (Wang et al., 2021): theoretical images/s = peak / FLOPs of one image; utilisation = measured / that.
"""

import re

PEAK_FLOPS = (  # (device's name, peak per second in dense 16-bit matrix products), of NVIDIA's data sheets; first match
    (r"V100-SXM\d", 125e12),  # Tesla V100, 2020: "NVLink" 125, "PCIe" 112 TFLOPS
    (r"V100", 112e12),  # the same; the article's 112,000 GFLOP/s
    (r"A100", 312e12),  # A100, 2021: 624 TFLOPS with sparsity, half of it without
    (r"H100 PCIe", 756e12),  # H100, 2023: 1,513 with sparsity
    (r"H100 NVL", 835e12),  # H100 NVL, 2024: 1,671 with sparsity
    (r"H200 NVL", 835e12),  # H200, 2024: the same
    (r"H[12]00", 989e12),  # H100 SXM and H200 SXM: 1,979 with sparsity
)


def flops_of(macs: int) -> int:
    """Floating-point operations of so many multiply-accumulates."""
    return 2 * macs


def is_known(device: str) -> bool:
    """Whether a peak is known of a device; argument as in `peak_flops`."""
    return any(re.search(rf"\b({name})\b", device) for name, _ in PEAK_FLOPS)


def peak_flops(device: str) -> float:
    """Peak of a device in floating-point operations per second.

    Args:
        device: Its name as in runs.csv, for example `NVIDIA H200`.

    Raises:
        ValueError: No peak is known of it.
    """
    for name, peak in PEAK_FLOPS:
        if re.search(rf"\b({name})\b", device):
            return peak
    known = ", ".join(name for name, _ in PEAK_FLOPS)
    raise ValueError(f"no peak is known of the device {device!r}: known are {known}")


def theoretical_images_per_second(flops: float, device: str) -> float:
    """Images per second if the device did nothing but these operations, at its peak.

    Args:
        flops: Floating-point operations of one image, `flops_of` its MACs.
        device: As in `peak_flops`.

    Raises:
        ValueError: `flops` is not positive; no peak is known of the device.
    """
    if not flops > 0:
        raise ValueError(f"flops is {flops}: give a positive number of operations")
    return peak_flops(device) / flops


def utilization(images_per_second: float, flops: float, device: str) -> float:
    """Fraction of the peak that is used, for the measured images per second.

    Args:
        images_per_second: Measured.
        flops: Floating-point operations of one image, `flops_of` its MACs.
        device: As in `peak_flops`.

    Raises:
        ValueError: As `theoretical_images_per_second`.
    """
    return images_per_second / theoretical_images_per_second(flops, device)
