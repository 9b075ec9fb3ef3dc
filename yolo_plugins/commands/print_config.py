"""Prints a config as it is trained, or what differs between two: `model.neck.widen_factor: 0.25 -> 0.5`.

yolo-plugins print-config yolov5_n_voc --cfg-options img_size=416
yolo-plugins print-config yolov5_n_voc --diff yolov5_s_voc
yolo-plugins print-config yolov5_n_voc --diff work_dirs/yolov5_n_voc/yolov5_n_voc.py
"""

import argparse

from yolo_plugins.cli import add_config_options, one_line_errors
from yolo_plugins.config import config_differences, load_config
from yolo_plugins.files import write_atomically


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="path, or name of a file in configs/")
    add_config_options(parser)
    parser.add_argument("--diff", metavar="OTHER", help="show only what differs from this config")
    parser.add_argument("--out", metavar="FILE", help="write here instead of printing")
    args = parser.parse_args()
    with one_line_errors():
        config = load_config(args.config, args.cfg_options)
        text = config.pretty_text
        if args.diff:
            text = "\n".join(config_differences(config, load_config(args.diff))) or "no difference"
        text = text.rstrip() + "\n"
        if args.out:
            write_atomically(args.out, text.encode())
        else:
            print(text, end="")
