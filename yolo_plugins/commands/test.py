"""Evaluates a checkpoint on the test set of its config, or compares two on the same pictures.

yolo-plugins test work_dirs/yolov5_n_voc/epoch_200.pth --report report
yolo-plugins test yolov5_n_voc work_dirs/yolov5_n_voc/epoch_200.pth
yolo-plugins test yolov5_n_voc --weights yolov5n.pt
yolo-plugins test work_dirs/a/epoch_200.pth work_dirs/b/epoch_200.pth --report comparison
yolo-plugins test yolov5_n_finetune work_dirs/yolov5_n_finetune/epoch_10.pth --weights yolov5n.pt --report comparison
"""

import argparse
import contextlib
import functools
import sys
from pathlib import Path
from typing import Any

from yolo_plugins import cli
from yolo_plugins.config import load_config
from yolo_plugins.config_check import require
from yolo_plugins.errors import UsageError
from yolo_plugins.masking import command_line


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told = "a checkpoint, after its config unless that is the one it was trained with; or two of them"
    parser.add_argument("models", nargs="*", metavar="MODEL", help=told)
    cli.add_run_options(parser)
    cli.add_weights_option(parser)
    parser.add_argument("--deploy", action="store_true", help="evaluate the deploy form; what was fused goes to stderr")
    parser.add_argument("--out", help="write the metrics to this JSON file as well")
    parser.add_argument("--report", type=cli.any_path, metavar="DIR", help="write a page of results and the detections")
    return parser.parse_intermixed_args()  # models may stand before and after options


def main() -> None:
    """Tests each model, prints the metrics as one JSON line, writes what was asked for."""
    args = parse_args()
    with cli.one_line_errors():
        models = cli.read_models(args.models, args.weights)
        if len(models) == 2 and not args.report:
            raise UsageError(f"{models[1][1]}: a second checkpoint; say where the two are compared, by --report DIR")
        write = _report_writer(args.report) if args.report else None
        with contextlib.redirect_stdout(sys.stderr):  # some packages print when they are imported
            outcomes = [_test(args, *model) for model in models]
        metrics, tested = zip(*outcomes, strict=True)
        if metrics[0] is None:
            return
        from yolo_plugins.files import json_text, write_atomically

        text = json_text(dict(zip("ab", metrics, strict=True)) if len(metrics) == 2 else metrics[0])
        print(text, flush=True)
        if args.out:
            write_atomically(args.out, text.encode())
        if write:
            write(tested, args.report, command_line())


def _report_writer(folder: Path) -> Any:
    """What writes the report of one or two tests; the folder is made, so that a fault shows before the test."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        from yolo_plugins.results.report import write_results
    except ImportError as error:
        raise UsageError(f"--report: {error}: pip install 'yolo_plugins[analysis]'") from error
    return write_results


def _test(args: argparse.Namespace, name: str | None, checkpoint: str) -> tuple[dict[str, Any] | None, Any]:
    """What the test of one model says, and for a report what it found; None on ranks other than 0."""
    from yolo_plugins.checkpoints.saved_config import config_for_test
    from yolo_plugins.datasets.layouts import use_data
    from yolo_plugins.engine import YOLORunner
    from yolo_plugins.inference import class_names, exported_network, load_detector, read_model, use_exported
    from yolo_plugins.results.collect import scores_per_class, test_and_keep

    options, refused = args.cfg_options, {"--deploy": args.deploy, "--launcher": args.launcher != "none"}
    network = exported_network(checkpoint, options, refused=refused)
    own = functools.partial(config_for_test, filename=checkpoint, options=options)
    config = load_config(name, options) if name else own(read_model(checkpoint, network))
    require(config, "test_dataloader")
    cli.say(use_data(config, args.data, args.classes, ["test_dataloader"]))
    config.work_dir, config.launcher, config.load_from = args.work_dir or config.work_dir, args.launcher, checkpoint
    cli.take_weights(config, checkpoint if checkpoint == args.weights else None)
    if network:
        use_exported(config, network, class_names(config), by_name=checkpoint == args.weights)
        del network  # a config is text, of which the runner opens the file again
    if args.deploy:
        config.load_from = None  # the deploy form takes them
    runner = YOLORunner.from_cfg(config)
    if args.deploy:
        runner.model = load_detector(config, checkpoint, next(runner.model.parameters()).device)
        if runner.rank == 0:
            print(runner.model.deploy_report, file=sys.stderr)
    metrics, tested = test_and_keep(runner, checkpoint) if args.report else (runner.test(), None)
    return (metrics | scores_per_class(runner) if runner.rank == 0 else None), tested
