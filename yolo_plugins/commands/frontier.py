"""From a study's runs to its scaling law, its Pareto front and a report; from these to a prediction.

yolo-plugins frontier work_dirs/study --out frontier
yolo-plugins frontier runs.csv complexity.csv epochs.csv --out frontier --x params --y ap50
yolo-plugins frontier docs/results/published.csv --y ap50_95 --out frontier
yolo-plugins frontier predict yolov5_l_voc --fits frontier
yolo-plugins frontier compare yolov5_m_voc yolov5_repvgg_voc --fits frontier

`predict --help` and `compare --help` tell the rest. Needs the extra `analysis`.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from yolo_plugins.cli import any_path, one_line_errors
from yolo_plugins.study.tables.quantities import DEFAULT_COST, DEFAULT_PERFORMANCE, costs, performances

X_HELP, Y_HELP = f"cost: {', '.join(costs())}", f"performance: {', '.join(performances())}"


def parse() -> tuple[str, argparse.Namespace]:
    """The command, one of analyse, predict and compare, and its arguments."""
    command = sys.argv[1] if sys.argv[1:2] in (["predict"], ["compare"]) else "analyse"
    layout = argparse.RawDescriptionHelpFormatter
    if command == "analyse":
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
        parser.add_argument("sources", nargs="+", type=any_path, metavar="TABLE_OR_WORK_DIR")
        parser.add_argument("--out", type=any_path, required=True, metavar="DIR", help="for tables, figures, report")
        parser.add_argument("--x", default=DEFAULT_COST, help=f"{X_HELP} (default: %(default)s)")
        parser.add_argument("--y", help=f"{Y_HELP} (default: {DEFAULT_PERFORMANCE})")
        parser.add_argument("--group", default="family", metavar="COLUMN", help="of models.csv (default: %(default)s)")
        return command, _parse(parser, sys.argv[1:])
    parser = argparse.ArgumentParser(prog=f"{Path(sys.argv[0]).name} {command}", formatter_class=layout)
    for name in ("config",) if command == "predict" else ("first", "second"):
        parser.add_argument(name, help="a config" if command == "predict" else "a model in models.csv, or a config")
    parser.add_argument("--fits", type=any_path, required=True, metavar="DIR", help="what this tool wrote with --out")
    parser.add_argument("--x", help=f"{X_HELP} (default: that of the report)")
    parser.add_argument("--y", help=f"{Y_HELP} (default: that of the report)")
    return command, _parse(parser, sys.argv[2:])


def _parse(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    parser.add_argument("--allow-mixed", action="store_true", help="compare models that were not trained alike")
    return parser.parse_args(arguments)


def main() -> None:
    command, args = parse()
    with one_line_errors():
        print(_function(command)(**vars(args)))


def _function(command: str) -> Callable[..., str]:
    """What the command calls; only a report loads what draws."""
    if command == "analyse":
        from yolo_plugins.study.frontier import analyse

        return analyse
    from yolo_plugins.study import model_choice

    return getattr(model_choice, command)
