"""From a study's runs to its scaling law, its Pareto front and a report; from these to a prediction.

yolo-plugins frontier work_dirs/study --out frontier
yolo-plugins frontier runs.csv complexity.csv epochs.csv --out frontier --x params --y ap50
yolo-plugins frontier docs/results/published.csv --y ap50_95 --out frontier
yolo-plugins frontier predict yolov5_l_voc --fits frontier
yolo-plugins frontier compare yolov5_m_voc yolov5_repvgg_voc --fits frontier
yolo-plugins frontier forecast work_dirs/study
yolo-plugins frontier budget work_dirs/subsets --want 0.7
yolo-plugins frontier budget work_dirs/finetune --against work_dirs/scratch

`predict --help` and the like tell the rest. Needs the extra `analysis`.
"""

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from yolo_plugins.cli import add_fits_options, any_path, one_line_errors, results_path
from yolo_plugins.study.tables import quantities

X_HELP, Y_HELP = f"cost: {', '.join(quantities.costs())}", f"performance: {', '.join(quantities.performances())}"


def _add_analyse(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sources", nargs="+", type=results_path, metavar="TABLE_OR_WORK_DIR")
    parser.add_argument("--out", type=any_path, required=True, metavar="DIR", help="for tables, figures, report")
    parser.add_argument("--x", default=quantities.DEFAULT_COST, help=f"{X_HELP} (default: %(default)s)")
    parser.add_argument("--y", help=f"{Y_HELP} (default: {quantities.DEFAULT_PERFORMANCE})")
    parser.add_argument("--group", default="family", metavar="COLUMN", help="of models.csv (default: %(default)s)")
    _add_mixed(parser)


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", help="a config")
    _add_fits(parser)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    for name in ("first", "second"):
        parser.add_argument(name, help="a model in models.csv, or a config")
    _add_fits(parser)


def _add_forecast(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sources", nargs="+", type=any_path, metavar="WORK_DIR", help="of runs, at any depth")
    parser.add_argument("--y", choices=quantities.performances(), help="(default: train_loss and ap50_95)")


def _add_budget(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sources", nargs="+", type=results_path, metavar="TABLE_OR_WORK_DIR", help="runs of one model")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--want", type=float, metavar="VALUE", help="what the model is to reach")
    wanted.add_argument("--against", type=results_path, metavar="DIR", help="of other runs, that are to reach the same")
    parser.add_argument("--y", default="ap50", choices=quantities.performances(), help="of what (default: %(default)s)")
    parser.add_argument("--of", default="pictures", choices=("pictures", "epochs"), help="(default: %(default)s)")
    parser.add_argument("--model", help="whose runs count, where there are others")
    parser.add_argument("--out", type=any_path, metavar="DIR", help="for a figure, budget.png and budget.svg")
    _add_mixed(parser)


def _add_fits(parser: argparse.ArgumentParser) -> None:
    add_fits_options(parser)
    parser.add_argument("--x", help=f"{X_HELP} (default: {quantities.DEFAULT_PREDICTOR})")
    parser.add_argument("--y", help=f"{Y_HELP} (default: that of the report)")
    _add_mixed(parser)


def _add_mixed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--allow-mixed", action="store_true", help="compare models that were not trained alike")


# Its arguments, and the module of `yolo_plugins.study` whose function of this name takes them and returns what is said.
SUBCOMMANDS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], str]] = {
    "analyse": (_add_analyse, "frontier"),
    "predict": (_add_predict, "model_choice"),
    "compare": (_add_compare, "model_choice"),
    "forecast": (_add_forecast, "forecast"),
    "budget": (_add_budget, "budget"),
}


def main() -> None:
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    command = first if first in SUBCOMMANDS else "analyse"  # which alone may be left out
    add, module = SUBCOMMANDS[command]
    parser = argparse.ArgumentParser(
        prog=f"{Path(sys.argv[0]).name} {command}" if first == command else None,
        description=__doc__ if command == "analyse" else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add(parser)
    args = parser.parse_args(sys.argv[2:] if first == command else None)
    with one_line_errors():
        print(getattr(import_module(f"yolo_plugins.study.{module}"), command)(**vars(args)))
