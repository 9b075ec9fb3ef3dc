"""Evaluates a checkpoint on the test set of its config.

python tools/test.py configs/yolov5_n_voc.py work_dirs/yolov5_n_voc/epoch_200.pth
"""

import argparse
import sys

from yolo_plugins.cli import add_run_options, one_line_errors, say
from yolo_plugins.config import load_config
from yolo_plugins.config_check import require
from yolo_plugins.datasets.layouts import use_data


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run_options(parser)
    parser.add_argument("checkpoint", help="a checkpoint that tools/train.py wrote or tools/convert_weights.py made")
    parser.add_argument("--deploy", action="store_true", help="evaluate the deploy form; what was fused goes to stderr")
    parser.add_argument("--out", help="write the metrics to this JSON file as well")
    return parser.parse_args()


def main() -> None:
    """Builds the runner, evaluates, prints the metrics as one JSON line."""
    args = parse_args()
    with one_line_errors():
        config = load_config(args.config, args.cfg_options, args.work_dir)
        require(config, "test_dataloader")
        say(use_data(config, args.data, args.classes, ["test_dataloader"]))
        config.launcher = args.launcher
        config.load_from = None if args.deploy else args.checkpoint

        from yolo_plugins.engine import YOLORunner
        from yolo_plugins.files import json_text, write_atomically
        from yolo_plugins.inference import load_detector

        runner = YOLORunner.from_cfg(config)
        if args.deploy:
            device = next(runner.model.parameters()).device
            runner.model = load_detector(config, args.checkpoint, device)
            if runner.rank == 0:
                print(runner.model.deploy_report, file=sys.stderr)
        metrics = json_text(runner.test())
        if runner.rank == 0:
            print(metrics)
            if args.out:
                write_atomically(args.out, metrics.encode())
