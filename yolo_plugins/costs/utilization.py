"""Floating-point operations, and how much of a device's peak a network uses: measured over possible images per second.

Scaled-YOLOv4 (Wang et al., 2021): theoretical images/s = peak / FLOPs of one image; utilisation = measured / that. The
peak is that of the precision which the images per second were measured in: of one device they differ by up to 16 times.
"""

import re

# (device's name; TFLOP/s of dense products in float32, in TF32, in 16 bits), of NVIDIA's data sheets; first match.
# float32 is of the CUDA cores, the others of the tensor cores, 16 bits with sums in float32. Sheets since Ampere print
# twice the dense figure, "with sparsity". None: the device has no TF32, nor bfloat16, which came with it.
PEAK_TFLOPS = (
    (r"T4", 8.1, None, 65),  # T4, 2019: "single precision", "mixed precision"
    (r"Quadro RTX 8000", 16.3, None, 130.5),  # Quadro RTX 8000, 2018: "single precision", "tensor performance"
    (r"V100-SXM\d", 15.7, None, 125),  # Tesla V100, 2020: "NVLink"
    (r"V100", 14, None, 112),  # the same: "PCIe"; the article's 112,000 GFLOP/s
    (r"A10", 31.2, 62.5, 125),  # A10, 2021: 125 and 250 with sparsity
    (r"A100", 19.5, 156, 312),  # A100, 2021: 312 and 624 with sparsity
    (r"RTX 4090", 82.6, 82.6, 165.2),  # Ada GPU architecture, 2022, appendix A: 165.2 and 330.4 with sparsity
    (r"L40S", 91.6, 183, 362.05),  # L40S, 2023: 366 and 733 with sparsity
    (r"H100 PCIe", 51, 378, 756),  # H100, 2023: 756 and 1,513 with sparsity
    (r"H100 NVL", 60, 417.5, 835),  # H100 NVL, 2024: 835 and 1,671 with sparsity
    (r"H200 NVL", 60, 417.5, 835),  # H200, 2024: the same
    (r"G?H[12]00", 67, 494.5, 989),  # H100 SXM, H200 SXM, GH200: 989 and 1,979 with sparsity
    (r"B200", 75, 1100, 2250),  # HGX B200, 2025, of one GPU: 2,200 and 4,500 with sparsity
)


def flops_of(macs: int) -> int:
    """Floating-point operations of so many multiply-accumulates."""
    return 2 * macs


def is_known(device: str, precision: str | None) -> bool:
    """Whether a peak is known; arguments as in `peak_flops`, None (or NaN, a table's null) for an unknown precision."""
    return precision in _peaks(device)


def peak_flops(device: str, precision: str) -> float:
    """Peak of a device in floating-point operations per second, in dense products.

    Args:
        device: Its name as in runs.csv, for example `NVIDIA H200`.
        precision: As in runs.csv: `float32`, `tf32`, `bfloat16`, `float16`.

    Raises:
        ValueError: No peak is known of the device, or it has none in this precision.
    """
    peaks = _peaks(device)
    if not peaks:
        known = ", ".join(name for name, *_ in PEAK_TFLOPS)
        raise ValueError(f"no peak is known of the device {device!r}: known are {known}")
    if precision not in peaks:
        raise ValueError(f"no peak is known of {device!r} in {precision!r}: known are {', '.join(peaks)}")
    return peaks[precision]


def theoretical_images_per_second(flops: float, device: str, precision: str) -> float:
    """Images per second if the device did nothing but these operations, at its peak.

    Args:
        flops: Floating-point operations of one image, `flops_of` its MACs.
        device: As in `peak_flops`.
        precision: As in `peak_flops`.

    Raises:
        ValueError: `flops` is not positive; no peak is known.
    """
    if not flops > 0:
        raise ValueError(f"flops is {flops}: give a positive number of operations")
    return peak_flops(device, precision) / flops


def utilization(images_per_second: float, flops: float, device: str, precision: str) -> float:
    """Fraction of the peak that is used, for the measured images per second.

    Args:
        images_per_second: Measured.
        flops: Floating-point operations of one image, `flops_of` its MACs.
        device: As in `peak_flops`.
        precision: What it was measured in, as in `peak_flops`.

    Raises:
        ValueError: As `theoretical_images_per_second`.
    """
    return images_per_second / theoretical_images_per_second(flops, device, precision)


def _peaks(device: str) -> dict[str, float]:
    """Operations per second by precision; empty for an unknown device."""
    for name, float32, tf32, half in PEAK_TFLOPS:
        if re.search(rf"\b({name})\b", device):
            since_ampere = {} if tf32 is None else {"tf32": tf32, "bfloat16": half}
            return {key: 1e12 * peak for key, peak in {"float32": float32, "float16": half, **since_ampere}.items()}
    return {}
