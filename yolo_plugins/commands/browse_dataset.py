"""Draws what a training sees of its data set, and what the labels are like.

yolo-plugins browse-dataset yolov5_n_voc --out contact_sheet.png
yolo-plugins browse-dataset yolov5_n_voc --split test --num 25 --out test.png

Beside the samples, `contact_sheet_labels.png` shows classes, box sizes, places and objects per picture; it needs the
extra `analysis`.
"""

import argparse

from yolo_plugins.cli import add_config_options, add_data_options, any_path, one_line_errors, say, seed
from yolo_plugins.config import load_config
from yolo_plugins.config_check import require


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="path, or name of a file in configs/")
    parser.add_argument("--out", type=any_path, required=True, metavar="PNG", help="file for the samples")
    parser.add_argument("--split", choices=["train", "val", "test"], default="train", help="(default: %(default)s)")
    parser.add_argument("--num", type=int, default=16, help="samples (default: %(default)s)")
    parser.add_argument("--seed", type=seed, default=0, help="the training's seed (default: %(default)s)")
    add_data_options(parser)
    add_config_options(parser)
    args = parser.parse_args()
    with one_line_errors():
        from yolo_plugins.datasets.layouts import use_data

        config = load_config(args.config, args.cfg_options)
        require(config, f"{args.split}_dataloader")
        say(use_data(config, args.data, args.classes, [f"{args.split}_dataloader"]))

        from yolo_plugins.datasets.contact_sheet import write_contact_sheet
        from yolo_plugins.datasets.labels_overview import write_labels_overview
        from yolo_plugins.registry import DATASETS

        dataset = DATASETS.build(config[f"{args.split}_dataloader"].dataset)
        labels = args.out.with_name(f"{args.out.stem}_labels.png")
        write_contact_sheet(dataset, args.out, args.num, args.seed)
        write_labels_overview(dataset, labels)
        print(f"{args.out} and {labels} written")
