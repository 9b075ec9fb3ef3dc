"""Measures YOLOv5's anchors on the objects of VOC splits and, where their recall is low, fits better ones.

python tools/analysis/optimize_anchors.py --data-root data/VOCdevkit --img-size 320

The last line is config text for `model.bbox_head`.
"""

import argparse
from pathlib import Path

from yolo_plugins.cli import one_line_errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, default=Path("data/VOCdevkit"), help="(default: %(default)s)")
    parser.add_argument(
        "--sets",
        nargs="+",
        default=["VOC2007/train", "VOC2012/train"],
        metavar="SUB/NAME",
        help="(default: 07+12 train)",
    )
    size_help = "side, or height and width (default: 320)"
    parser.add_argument("--img-size", type=int, nargs="+", default=[320], metavar="PIXELS", help=size_help)
    parser.add_argument("--num", type=int, default=9, help="anchors, all levels together (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the fit (default: %(default)s)")
    args = parser.parse_args()
    with one_line_errors():
        from yolo_plugins.config import size_hw
        from yolo_plugins.costs.anchors import choose_anchors, format_anchors, read_object_sizes
        from yolo_plugins.errors import UsageError
        from yolo_plugins.models.dense_heads.yolo_anchor_head import YOLOV5_ANCHORS

        levels = len(YOLOV5_ANCHORS)
        if args.num < 1 or args.num % levels:
            raise UsageError(f"--num {args.num}: give a multiple of {levels}")
        input_hw = size_hw(args.img_size[0] if len(args.img_size) == 1 else args.img_size)
        sizes_wh, images = read_object_sizes(args.data_root, args.sets, input_hw)
        present = [anchor for level in YOLOV5_ANCHORS for anchor in level]
        choice = choose_anchors(sizes_wh, present, args.num, args.seed)
        print(f"{len(sizes_wh)} objects in {images} images at {input_hw[0]} x {input_hw[1]} px")
        for name, quality in (("present", choice.present_quality), ("chosen", choice.quality)):
            print(
                f"{name:<8} best possible recall {quality.best_possible_recall:.4f}, "
                f"anchors per object {quality.anchors_per_object:.2f}, fitness {quality.fitness:.4f}"
            )
        print(choice.reason)
        print(format_anchors(choice.anchors_wh, levels))


if __name__ == "__main__":
    main()
