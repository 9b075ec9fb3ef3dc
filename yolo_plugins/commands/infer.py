"""Draws a trained detector's boxes on pictures and videos and writes them as JSON.

yolo-plugins infer pictures/ --weights work_dirs/yolov5_n_voc/epoch_200.pth --out drawn/
"""

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any

from yolo_plugins.cli import add_config_options, any_path, device, fraction, one_line_errors, whole
from yolo_plugins.errors import UsageError
from yolo_plugins.faults import some


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "source",
        nargs="?",
        help="a picture, a video, a folder with its sub-folders, a pattern in quotes, an address, or a camera: 0",
    )
    parser.add_argument("--data", metavar="PATH", help="in place of it, the test pictures of own data, as for test")
    parser.add_argument(
        "--weights", required=True, metavar="FILE", help="a checkpoint, or an official YOLOv5 or Scaled-YOLOv4 file"
    )
    parser.add_argument("--config", help="path, or name of a file in configs/ (default: what the weights say)")
    parser.add_argument("--out", required=True, type=any_path, help="folder for what is drawn and detections.json")
    parser.add_argument("--score-thr", type=fraction, default=0.25, help="least score that is shown (default: 0.25)")
    parser.add_argument(
        "--iou-threshold", type=fraction, default=0.45, help="of non-maximum suppression (default: 0.45)"
    )
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="show only these (default: all)")
    parser.add_argument("--save-txt", action="store_true", help="write YOLO's text files to labels/ in --out as well")
    parser.add_argument("--save-coco", action="store_true", help="write COCO's results to coco.json in --out as well")
    parser.add_argument("--device", type=device, help="cpu, cuda, cuda:1 ... (default: a GPU where there is one)")
    parser.add_argument("--batch-size", type=whole(1), default=1, help="pictures at a time (default: 1)")
    add_config_options(parser)
    args = parser.parse_args()
    if (args.source is None) == (args.data is None):
        parser.error("give a source, or --data PATH")
    return args


def main() -> None:
    """Runs the detector on every picture."""
    args = parse_args()
    with one_line_errors():
        from yolo_plugins.inference import Detector, UnreadablePicture, open_data, write_results

        source = open_data(args.data) if args.data else _source(args.source, args.out)
        detector = Detector(
            args.weights,
            args.config,
            score_thr=args.score_thr,
            iou_threshold=args.iou_threshold,
            classes=args.classes,
            device=args.device or "auto",
            batch_size=args.batch_size,
            options=args.cfg_options,
        )
        if source.skipped:
            skipped = f"{len(source.skipped)} that are no pictures: {some(source.skipped)}"
            print(f"skipped {skipped}", file=sys.stderr)
        results = detector(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnreadablePicture)  # they are told below
            outcome = write_results(results, args.out, args.save_txt, args.save_coco)
        print(f"{args.out}: {outcome.drawn} picture(s) and detections.json")
        for name in outcome.unwritten:
            print(f"{name}: OpenCV cannot write such a video; its boxes are in detections.json", file=sys.stderr)
        if results.faults:
            print("\n".join(results.faults), file=sys.stderr)
            pictures = outcome.drawn + len(results.faults)
            raise UsageError(
                f"{args.data or args.source}: {len(results.faults)} of {pictures} pictures cannot be read, named above"
            )


def _source(text: str, out: Path) -> Any:
    """The source that an argument names; a number is a camera, unless there is a file of that name."""
    from yolo_plugins.inference import open_source

    is_camera = text.isascii() and text.isdecimal() and not Path(text).exists()
    return open_source(int(text) if is_camera else text, out)
