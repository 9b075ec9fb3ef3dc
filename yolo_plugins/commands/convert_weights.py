"""Converts official weights to a checkpoint of ours, without running the code pickled in them.

yolo-plugins convert-weights yolov5 yolov5s.pt checkpoints/yolov5s.pth
yolo-plugins convert-weights scaled_yolov4 yolov4-p5.pt checkpoints/yolov4_p5.pth
yolo-plugins convert-weights darknet yolov4-tiny.cfg yolov4-tiny.weights checkpoints/yolov4_tiny.pth
"""

import argparse

from yolo_plugins.cli import any_path, one_line_errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    families = parser.add_subparsers(dest="family", required=True, metavar="FAMILY")
    for family, release in {
        "yolov5": "YOLOv5 v6.0 to v7.0, n to x",
        "scaled_yolov4": "YOLOv4-CSP, P5, P6, P7 in PyTorch; CSP, tiny of the engine for Darknet's configs",
        "darknet": "YOLOv4-CSP, tiny as Darknet's .cfg and .weights",
    }.items():
        command = families.add_parser(family, help=release, description=release)
        if family == "darknet":
            command.add_argument("cfg", type=any_path, help="the network's .cfg")
        command.add_argument("src", type=any_path, help="file with the official weights")
        command.add_argument("dst", type=any_path, help="checkpoint to write")
    args = parser.parse_args()
    with one_line_errors():
        from yolo_plugins.checkpoints.darknet import load_darknet
        from yolo_plugins.checkpoints.official import OfficialWeights, read_official
        from yolo_plugins.checkpoints.soundness import write_checkpoint
        from yolo_plugins.checkpoints.weights import converted

        is_darknet = args.family == "darknet"
        official = OfficialWeights(load_darknet(args.cfg, args.src)) if is_darknet else read_official(args.src)
        checkpoint = converted(args.src, official, args.family)
        write_checkpoint(args.dst, checkpoint)
        print(f"{args.dst}: {len(checkpoint['state_dict'])} tensors of {args.src}")
