"""Evaluates a checkpoint on the test set of its config.

python tools/test.py configs/yolov5_n_voc.py work_dirs/yolov5_n_voc/epoch_200.pth
python tools/test.py configs/yolov5_n_voc.py --weights yolov5n.pt
"""

import argparse
import sys

from yolo_plugins.cli import add_run_options, add_weights_options, one_line_errors, take_weights
from yolo_plugins.config import load_config
from yolo_plugins.config_check import require


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run_options(parser)
    parser.add_argument("checkpoint", nargs="?", help="a checkpoint of the same classes, which tools/train.py wrote")
    add_weights_options(parser)
    parser.add_argument("--deploy", action="store_true", help="evaluate the deploy form; what was fused goes to stderr")
    parser.add_argument("--out", help="write the metrics to this JSON file as well")
    args = parser.parse_args()
    if bool(args.checkpoint) == bool(args.weights):
        parser.error("give a checkpoint, or --weights FILE")
    return args


def main() -> None:
    """Builds the runner, evaluates, prints the metrics as one JSON line."""
    args = parse_args()
    with one_line_errors():
        config = load_config(args.config, args.cfg_options, args.work_dir)
        require(config, "test_dataloader")
        config.launcher = args.launcher
        config.load_from = args.checkpoint
        take_weights(config, args)
        checkpoint = config.load_from
        if args.deploy:
            config.load_from = None  # the deploy form takes them

        from yolo_plugins.engine import YOLORunner
        from yolo_plugins.files import json_text, write_atomically
        from yolo_plugins.inference import load_detector

        runner = YOLORunner.from_cfg(config)
        if args.deploy:
            device = next(runner.model.parameters()).device
            runner.model = load_detector(config, checkpoint, device)
            if runner.rank == 0:
                print(runner.model.deploy_report, file=sys.stderr)
        metrics = json_text(runner.test())
        if runner.rank == 0:
            print(metrics)
            if args.out:
                write_atomically(args.out, metrics.encode())
