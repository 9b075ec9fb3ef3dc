"""Draws a trained detector's boxes on pictures and writes them as JSON.

python tools/infer.py pictures/ --config yolov5_n_voc --checkpoint work_dirs/yolov5_n_voc/epoch_200.pth --out drawn/
"""

import argparse
import sys

from yolo_plugins.cli import add_config_options, add_weights_options, device, fraction, one_line_errors, take_weights
from yolo_plugins.config import load_config
from yolo_plugins.errors import UsageError


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a picture, or a folder of pictures")
    parser.add_argument("--config", required=True, help="path, or name of a file in configs/")
    parser.add_argument("--checkpoint", help="of the same classes, which tools/train.py wrote")
    add_weights_options(parser)
    parser.add_argument("--out", required=True, help="folder for the drawn pictures and detections.json")
    parser.add_argument("--score-thr", type=fraction, default=0.25, help="least score that is shown (default: 0.25)")
    parser.add_argument(
        "--iou-threshold", type=fraction, default=0.45, help="of non-maximum suppression (default: 0.45)"
    )
    parser.add_argument("--device", type=device, default="cpu", help="cpu, cuda, cuda:1 ... (default: cpu)")
    add_config_options(parser)
    args = parser.parse_args()
    if bool(args.checkpoint) == bool(args.weights):
        parser.error("give --checkpoint or --weights")
    return args


def main() -> None:
    """Runs the detector on every picture."""
    args = parse_args()
    with one_line_errors():
        config = load_config(args.config, args.cfg_options)
        config.load_from = args.checkpoint
        take_weights(config, args)
        from yolo_plugins.inference import infer_folder, set_thresholds

        set_thresholds(config, args.score_thr, args.iou_threshold)
        outcome = infer_folder(config, config.load_from, args.source, args.out, args.device)
        if outcome.skipped:
            print(f"skipped {len(outcome.skipped)} that are no pictures: {_some(outcome.skipped)}", file=sys.stderr)
        print(f"{args.out}: {outcome.drawn} picture(s) and detections.json")
        if outcome.faults:
            print("\n".join(outcome.faults), file=sys.stderr)
            pictures = outcome.drawn + len(outcome.faults)
            raise UsageError(f"{args.source}: {len(outcome.faults)} of {pictures} pictures cannot be read, named above")


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
