"""Measures speed and prints one JSON line: training pipeline, training step, evaluation or prediction.

yolo-plugins benchmark pipeline --config yolov5_n_voc
"""

import argparse

from yolo_plugins.cli import add_config_options, any_path, device, one_line_errors, threads, whole
from yolo_plugins.config import load_config
from yolo_plugins.files import json_text


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["pipeline", "train", "eval", "predict"])
    parser.add_argument("--config", default="yolov5_n_voc", help="path, or name of a file in configs/")
    add_config_options(parser)
    parser.add_argument("--batch-size", type=whole(1, 65_536), default=16, help="of train (default: 16)")
    parser.add_argument("--amp", action="store_true", help="train: float16 on CUDA, bfloat16 on CPU")
    parser.add_argument("--device", type=device, default="cpu", help="of train and predict (default: cpu)")
    parser.add_argument("--threads", type=threads, help="threads of torch (default: torch's own)")
    parser.add_argument("--detections", type=any_path, help="eval: .npz of detections and ground truths to score")
    return parser.parse_args()


def main() -> None:
    """Runs one benchmark."""
    args = parse_args()
    with one_line_errors():
        import torch

        from yolo_plugins.testing import benchmark

        if args.threads:
            torch.set_num_threads(args.threads)
        config = load_config(args.config, args.cfg_options)
        if args.what == "pipeline":
            figures = benchmark.benchmark_pipeline(config)
        elif args.what == "train":
            figures = benchmark.benchmark_train(config, args.batch_size, args.amp, args.device)
        elif args.what == "predict":
            figures = benchmark.benchmark_predict(config, args.device)
        else:
            figures = benchmark.benchmark_eval(args.detections)
        print(json_text(dict(benchmark=args.what, threads=torch.get_num_threads(), **figures)))
