"""Measures speed and prints JSON lines: training pipeline, training step, evaluation, prediction, start; cost by size.

yolo-plugins benchmark pipeline --config yolov5_n_voc
yolo-plugins benchmark export  # a table: does the file of each config, with random weights, say what torch says?
"""

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from yolo_plugins.cli import add_config_options, any_path, device, one_line_errors, threads, whole
from yolo_plugins.config import load_config
from yolo_plugins.errors import UsageError
from yolo_plugins.files import EXPORTED, json_text, write_atomically

if TYPE_CHECKING:
    from mmengine.config import Config

_RUN_HERE = [name for name in EXPORTED if name != "tensorrt"]


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["pipeline", "train", "eval", "predict", "start", "scale", "export"])
    parser.add_argument("--config", nargs="+", help="by path or name (default: yolov5_n_voc; export: all)")
    add_config_options(parser)
    parser.add_argument("--batch-size", type=whole(1, 65_536), default=16, help="of train (default: 16)")
    parser.add_argument("--amp", action="store_true", help="train: float16 on CUDA, bfloat16 on CPU")
    parser.add_argument("--device", type=device, default="cpu", help="of train and predict (default: cpu)")
    parser.add_argument("--threads", type=threads, help="threads of torch (default: torch's own)")
    parser.add_argument("--detections", type=any_path, help="eval: .npz of detections and ground truths to score")
    told = f"of export (default: {' '.join(_RUN_HERE)})"
    parser.add_argument("--format", nargs="+", choices=EXPORTED, default=_RUN_HERE, help=told)
    parser.add_argument("--out", type=any_path, help="scale, export: folder for scale.csv and scale.svg, or export.csv")
    return parser.parse_args()


def main() -> None:
    """Runs one benchmark."""
    args = parse_args()
    with one_line_errors():
        if args.what == "export":
            export_configs(args)
            return
        import torch

        from yolo_plugins.testing import benchmark, benchmark_start

        if args.threads:
            torch.set_num_threads(args.threads)
        name, *more = args.config or ["yolov5_n_voc"]
        if more:
            raise UsageError(f"--config {name} {' '.join(more)}: {args.what} takes one; give several to export alone")
        config = load_config(name, args.cfg_options)
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


def export_configs(args: argparse.Namespace) -> None:
    """Prints one table of the files of all configs."""
    with contextlib.redirect_stdout(sys.stderr):  # some packages print when they are imported
        from yolo_plugins.export.report import table
        from yolo_plugins.testing.benchmark_export import benchmark_export

        rows, faults = benchmark_export(args.config, args.format, args.cfg_options, args.out, args.threads)
    if rows:
        print(table(rows))
    if faults:
        raise UsageError("; ".join(faults))
