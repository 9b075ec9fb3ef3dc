"""Writes a synthetic VOCdevkit folder: geometric shapes under VOC's class names, in VOC's layout.

yolo-plugins make-synthetic-voc data/synthetic/VOCdevkit
"""

import argparse

from yolo_plugins.cli import any_path, one_line_errors, seed, whole


def main() -> None:
    """Writes the data set that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "out", type=any_path, help="the VOCdevkit folder to write; an earlier synthetic one is replaced"
    )
    parser.add_argument("--train", type=whole(2, 100_000), default=320, help="training pictures (default: %(default)s)")
    parser.add_argument("--test", type=whole(1, 100_000), default=80, help="test pictures (default: %(default)s)")
    parser.add_argument("--classes", type=whole(1, 20), default=6, help="classes that occur, 1 to 20 (default: 6)")
    parser.add_argument("--seed", type=seed, default=0, help="seed of everything (default: %(default)s)")
    args = parser.parse_args()
    with one_line_errors():
        from yolo_plugins.datasets.synthetic_voc import make_synthetic_voc

        root = make_synthetic_voc(args.out, args.train, args.test, num_classes=args.classes, seed=args.seed)
        print(f"{root}: {args.train} training and {args.test} test pictures, {args.classes} classes")
