"""Trains the detector of a config.

yolo-plugins train yolov5_n_voc
"""

import argparse

from yolo_plugins.cli import add_run_options, add_weights_option, one_line_errors, say, seed, take_weights
from yolo_plugins.config import load_config
from yolo_plugins.config_check import require

LOGGERS = {"tensorboard": "TensorboardVisBackend", "wandb": "WandbVisBackend", "mlflow": "MLflowVisBackend"}


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="path, or name of a file in configs/")
    add_run_options(parser)
    parser.add_argument(
        "--resume",
        nargs="?",
        const="latest",
        metavar="CHECKPOINT",
        help="continue from this checkpoint, or from the latest one in the work folder",
    )
    add_weights_option(parser)
    parser.add_argument("--partial", action="store_true", help="of --weights, take what fits: another backbone, say")
    parser.add_argument("--overwrite", action="store_true", help="replace the run that the work folder holds")
    parser.add_argument("--allow-changes", action="store_true", help="resume by another recipe; the record says so")
    parser.add_argument("--amp", action="store_true", help="mixed precision: float16 on CUDA, bfloat16 on CPU")
    parser.add_argument("--seed", type=seed, help="seed of weights, data order and augmentation")
    parser.add_argument("--log", nargs="+", default=[], choices=LOGGERS, help="write the scalars there, too")
    args = parser.parse_args()
    if args.overwrite and args.resume:
        parser.error("--overwrite starts anew, --resume goes on: give one of them")
    if args.allow_changes and not args.resume:
        parser.error("--allow-changes goes with --resume")
    if args.partial and not args.weights:
        parser.error("--partial goes with --weights")
    return args


def main() -> None:
    """Builds the runner and trains."""
    args = parse_args()
    with one_line_errors():
        from yolo_plugins.datasets.layouts import use_data

        config = load_config(args.config, args.cfg_options, args.work_dir)
        require(config, "train_dataloader")
        say(use_data(config, args.data, args.classes, ["train_dataloader", "val_dataloader"]))
        config.launcher, config.overwrite, config.allow_changes = args.launcher, args.overwrite, args.allow_changes
        if args.seed is not None:
            config.merge_from_dict({"randomness.seed": args.seed})
        if args.amp:
            config.optim_wrapper.amp = True
        if args.log:
            config.vis_backends = [LOGGERS[name] for name in args.log]
        if args.resume:
            config.resume = args.resume
        take_weights(config, args.weights, args.partial)

        from yolo_plugins.engine import YOLORunner

        YOLORunner.from_cfg(config).train()
