"""Measures YOLOv5's anchors on the objects of a data set and, where their recall is low, fits better ones.

yolo-plugins optimize-anchors --data data/screws/data.yaml --img-size 640
yolo-plugins optimize-anchors --config configs/yolov5_s_screws.py

A config gives its training set and the size of the pictures; --data takes the place of its pictures. The last line is
config text for `model.bbox_head`.
"""

import argparse

from yolo_plugins.cli import add_config_options, add_data_options, one_line_errors, seed, side


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", help="path, or name of a file in configs/")
    add_data_options(parser)
    size_help = "side, or height and width (default: the config's, or 320)"
    parser.add_argument("--img-size", type=side, nargs="+", metavar="PIXELS", help=size_help)
    parser.add_argument("--num", type=int, default=9, help="anchors, all levels together (default: %(default)s)")
    parser.add_argument("--seed", type=seed, default=0, help="of the fit (default: %(default)s)")
    add_config_options(parser)
    args = parser.parse_args()
    with one_line_errors():
        from yolo_plugins.config import size_hw
        from yolo_plugins.costs.anchors import choose_anchors, format_anchors, object_sizes
        from yolo_plugins.datasets.from_config import find_datasets
        from yolo_plugins.errors import UsageError
        from yolo_plugins.models.dense_heads.yolo_anchor_head import YOLOV5_ANCHORS

        (dataset,) = find_datasets(args.config, args.cfg_options, args.data, args.classes, ["train_dataloader"])
        levels = len(YOLOV5_ANCHORS)
        if args.num < 1 or args.num % levels:
            raise UsageError(f"--num {args.num}: give a multiple of {levels}")
        given = args.img_size or [dataset.img_size or 320]
        size = size_hw(given[0] if len(given) == 1 else given)
        sizes_wh, images = object_sizes((picture.annotation for picture in dataset.read_pictures()), size)
        choice = choose_anchors(sizes_wh, [anchor for level in YOLOV5_ANCHORS for anchor in level], args.num, args.seed)
        print(f"{len(sizes_wh)} objects in {images} images at {size[0]} x {size[1]} px")
        for name, quality in (("present", choice.present_quality), ("chosen", choice.quality)):
            print(
                f"{name:<8} best possible recall {quality.best_possible_recall:.4f}, "
                f"anchors per object {quality.anchors_per_object:.2f}, fitness {quality.fitness:.4f}"
            )
        print(choice.reason)
        print(format_anchors(choice.anchors_wh, levels))
