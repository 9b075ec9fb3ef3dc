"""Evaluates a checkpoint on the test set of its config.

python tools/test.py configs/yolov5_n_voc.py work_dirs/yolov5_n_voc/best.pth
"""

import argparse
import json

from yolo_plugins.cli import add_run_options, load_config, one_line_errors


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run_options(parser)
    parser.add_argument("checkpoint", help="a checkpoint that tools/train.py wrote or tools/convert_weights.py made")
    parser.add_argument("--out", help="write the metrics to this JSON file as well")
    return parser.parse_args()


def main() -> None:
    """Builds the runner, evaluates, prints the metrics as one JSON line."""
    args = parse_args()
    with one_line_errors():
        config = load_config(args.config, args.cfg_options, args.work_dir)
        config.launcher = args.launcher
        config.load_from = args.checkpoint

        from yolo_plugins.engine import YOLORunner
        from yolo_plugins.files import write_atomically

        runner = YOLORunner.from_cfg(config)
        metrics = json.dumps(runner.test())
        if runner.rank == 0:
            print(metrics)
            if args.out:
                write_atomically(args.out, metrics.encode())


if __name__ == "__main__":
    main()
