"""How well each law predicts published detectors that it has not seen: error, coverage and width of its intervals.

yolo-plugins check-prediction
yolo-plugins check-prediction docs/results/published_backbones.csv

Each model is predicted by all others, then by all other families. Errors are root mean squares in points (hundredths)
of the score; coverage is the share of the models within intervals that claim 95 %, width their median length.
"""

import argparse

from yolo_plugins.cli import one_line_errors, results_path
from yolo_plugins.errors import UsageError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "table",
        nargs="?",
        type=results_path,
        default="docs/results/published.csv",
        help="models.csv, or published_backbones.csv (default: %(default)s)",
    )
    parser.add_argument("--y", default="ap50_95", help="a score (default: %(default)s)")
    parser.add_argument("--families", nargs="+", metavar="NAME", help="only models of these")
    args = parser.parse_args()
    with one_line_errors():
        print(_check(args))


def _check(args: argparse.Namespace) -> str:
    from tqdm import tqdm

    from yolo_plugins.study.laws.validation import PREDICTORS, as_models, format_errors, validate
    from yolo_plugins.study.tables.quantities import performances
    from yolo_plugins.study.tables.schema import BACKBONES, MODELS, identify, is_drawable, read_table

    scores = [name for name, row in performances().items() if row.high == 1]
    if args.y not in scores:
        raise UsageError(f"--y {args.y}: give a score: {', '.join(scores)}")
    kind = BACKBONES if identify(args.table) is BACKBONES else MODELS
    models = read_table(args.table, kind)
    models = as_models(models) if kind is BACKBONES else models
    models = models[is_drawable(models, "macs", args.y)]
    if args.families:
        models = models[models["family"].isin(args.families)]
    if models["family"].nunique() < 3 or len(models) < 8:
        raise UsageError(
            f"{args.table}: {len(models)} models of {models['family'].nunique()} families with {args.y}: "
            "at least 8 of 3 are needed"
        )
    models = models.reset_index(drop=True)
    with tqdm(total=2 * len(PREDICTORS) * len(models), unit="model", disable=None) as bar:
        rows = [
            (
                name,
                validate(models, args.y, predictor, False, bar.update),
                validate(models, args.y, predictor, True, bar.update),
            )
            for name, predictor in PREDICTORS.items()
        ]
    return f"{len(models)} models of {models['family'].nunique()} families\n{format_errors(rows)}"
