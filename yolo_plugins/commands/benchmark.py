"""Measures speed and prints JSON lines: training pipeline, training step, evaluation, prediction, start; cost by size.

yolo-plugins benchmark pipeline --config yolov5_n_voc
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from yolo_plugins.cli import add_config_options, any_path, device, one_line_errors, threads, whole
from yolo_plugins.config import load_config
from yolo_plugins.files import json_text, write_atomically

if TYPE_CHECKING:
    from mmengine.config import Config


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["pipeline", "train", "eval", "predict", "start", "scale"])
    parser.add_argument("--config", default="yolov5_n_voc", help="path, or name of a file in configs/")
    add_config_options(parser)
    parser.add_argument("--batch-size", type=whole(1, 65_536), default=16, help="of train (default: 16)")
    parser.add_argument("--amp", action="store_true", help="train: float16 on CUDA, bfloat16 on CPU")
    parser.add_argument("--device", type=device, default="cpu", help="of train and predict (default: cpu)")
    parser.add_argument("--threads", type=threads, help="threads of torch (default: torch's own)")
    parser.add_argument("--detections", type=any_path, help="eval: .npz of detections and ground truths to score")
    parser.add_argument("--out", type=any_path, help="scale: folder for scale.csv and scale.svg")
    return parser.parse_args()


def main() -> None:
    """Runs one benchmark."""
    args = parse_args()
    with one_line_errors():
        import torch

        from yolo_plugins.testing import benchmark, benchmark_start

        if args.threads:
            torch.set_num_threads(args.threads)
        config = load_config(args.config, args.cfg_options)
        if args.what == "scale":
            measure_scale(config, args.out)
            return
        measure = {
            "pipeline": lambda: benchmark.benchmark_pipeline(config),
            "train": lambda: benchmark.benchmark_train(config, args.batch_size, args.amp, args.device),
            "predict": lambda: benchmark.benchmark_predict(config, args.device),
            "eval": lambda: benchmark.benchmark_eval(args.detections),
            "start": lambda: benchmark_start.benchmark_start(config),
        }
        print(json_text(dict(benchmark=args.what, threads=torch.get_num_threads(), **measure[args.what]())))


def measure_scale(config: "Config", folder: Path | None) -> None:
    """Prints each cost when its axis is measured, and how busy the machine was; writes and draws all in a folder."""
    from yolo_plugins.costs.latency import watch_machine
    from yolo_plugins.testing.benchmark_figure import draw_costs
    from yolo_plugins.testing.benchmark_scale import Cost, benchmark_scale

    watch = watch_machine(with_children=True)
    costs = []
    for cost in benchmark_scale(config):
        costs.append(cost)
        print(json_text(dict(benchmark="scale", **cost._asdict())), flush=True)
    machine = watch()
    print(json_text(dict(benchmark="scale", machine=str(machine), is_idle=machine.is_idle)))
    if folder:
        lines = [",".join(map(str, row)) for row in (Cost._fields, *costs)]
        write_atomically(folder / "scale.csv", ("\n".join(lines) + "\n").encode())
        write_atomically(folder / "scale.svg", draw_costs(costs, f"Medians, and the range of the rounds; {machine}."))
