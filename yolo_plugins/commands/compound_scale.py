"""Scales a Scaled-YOLOv4 model to a budget: size and stages first, then depth and width; prints what is within it.

yolo-plugins compound-scale --base yolov4_p5 --budget-macs 50e9 --out configs/yolov4_50g_voc.py

docs/scaling.md states the rule. Parameters and MACs are counted for VOC's 20 classes.
"""

import argparse

from yolo_plugins.cli import any_path, one_line_errors, side


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="yolov4_p5", help="yolov4_csp, _p5, _p6 or _p7 (default: %(default)s)")
    parser.add_argument("--budget-macs", type=float, required=True, help="multiply-accumulates of one image: 50e9")
    parser.add_argument("--sizes", type=side, nargs="+", metavar="PIXELS", help="(default: multiples of 128 from 384)")
    parser.add_argument("--device-peak", type=float, metavar="FLOPS", help="FLOP/s of a device: adds images/s at most")
    parser.add_argument(
        "--out", type=any_path, metavar="CONFIG", help="write the chosen variant as a config that trains"
    )
    args = parser.parse_args()
    with one_line_errors():
        from yolo_plugins.costs.compound_scaling import choose, config_text, format_choice
        from yolo_plugins.files import write_atomically

        choice = choose(args.base, args.budget_macs, args.sizes)
        report = format_choice(choice, args.device_peak)
        if args.out:
            write_atomically(args.out, config_text(choice, args.out).encode())
            report += f"\nConfig: {args.out}"
        print(report)
