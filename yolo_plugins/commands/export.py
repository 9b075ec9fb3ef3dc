"""Writes a trained detector for other runtimes: ONNX, OpenVINO, TorchScript, torch.export; compares each with torch.

yolo-plugins export work_dirs/yolov5_n_voc/epoch_200.pth --format onnx openvino
yolo-plugins export yolov5_n_voc work_dirs/yolov5_n_voc/epoch_200.pth --nms --img-size 320
yolo-plugins export yolov5_n_voc --weights yolov5n.pt --format onnx --precision int8
"""

import argparse
import contextlib
import sys
from pathlib import Path

from yolo_plugins.cli import (
    add_config_options,
    add_data_options,
    add_weights_option,
    any_path,
    one_line_errors,
    read_models,
    side,
    threads,
)
from yolo_plugins.errors import UsageError
from yolo_plugins.files import EXPORTED

PRECISIONS = ("f32", "bf16", "int8")


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told = "a checkpoint, after its config unless that is the one it was trained with"
    parser.add_argument("models", nargs="*", metavar="MODEL", help=told)
    add_weights_option(parser)
    parser.add_argument("--format", nargs="+", choices=EXPORTED, default=["onnx"], help="(default: onnx)")
    parser.add_argument("--out", type=any_path, metavar="DIR", help="(default: the checkpoint's folder)")
    parser.add_argument("--nms", action="store_true", help="final detections, not all boxes; one picture at a time")
    parser.add_argument("--dynamic", action="store_true", help="any number of pictures, of any size")
    parser.add_argument("--precision", choices=PRECISIONS, default="f32", help="(default: f32)")
    parser.add_argument("--img-size", type=side, nargs="+", metavar="PIXELS", help="a side, or height and width")
    parser.add_argument("--threads", type=threads, help="of every runtime when it is timed (default: torch's choice)")
    parser.add_argument("--no-test", action="store_true", help="leave average precision out")
    add_data_options(parser)
    add_config_options(parser)
    return parser.parse_intermixed_args()


def main() -> None:
    """Writes each format, prints the table and writes `export.csv`."""
    args = parse_args()
    with one_line_errors():
        models = read_models(args.models, args.weights)
        if len(models) > 1:
            raise UsageError(f"{models[1][1]}: a second checkpoint; export one at a time")
        ((name, checkpoint),) = models
        size = args.img_size or []
        if len(size) > 2:
            raise UsageError(f"--img-size {' '.join(map(str, size))}: give a side, or a height and a width")
        args.cfg_options += [f"img_size={tuple(size) if len(size) > 1 else size[0]}"] if size else []
        with contextlib.redirect_stdout(sys.stderr):  # some packages print when they are imported
            from yolo_plugins.testing.exported import Wanted, export

            wanted = Wanted(
                checkpoint=Path(checkpoint),
                config=name,
                by_name=args.weights is not None,
                options=tuple(args.cfg_options),
                data=args.data,
                classes=args.classes,
                formats=tuple(args.format),
                folder=args.out or Path(checkpoint).parent,
                nms=args.nms,
                dynamic=args.dynamic,
                precision=args.precision,
                threads=args.threads,
                tested=not args.no_test,
            )
            rows, faults = export(wanted)

        from yolo_plugins.export.report import table, write_csv

        print(table(rows))
        path = wanted.folder / "export.csv"
        write_csv(rows, path)
        print(path)
        if faults:
            raise UsageError("; ".join(faults))
