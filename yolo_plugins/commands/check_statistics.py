"""Checks what is promised of laws, predictions, comparisons and scores, on simulations whose truth is known.

yolo-plugins check-statistics --studies 2000
yolo-plugins check-statistics --of stopping --replay docs/results/voc_animals

`laws`: the bias of a power law's exponent and, in percent with the binomial standard error, how many of the intervals
that claim 95 % hold the truth: Student's t, the bootstrap of fits.csv, the line's prediction of one new model; then,
for comparison, the percentile bootstrap and the Theil-Sen line. `predictions`: how many of the pooled law's intervals
hold a new model, by its place. `comparisons`: how often a model is better that is said to be, by what is stated.
`scores`: how many of the intervals of AP of `test.py --report` hold that of all pictures. `budget`: how many intervals
hold the mean and one run at 2 and 4 times the largest number of pictures, in how many studies the number for a wanted
score is told, and how many of its intervals hold it, or have two ends. `stopping`: how many intervals of forecasts hold
the final loss, what `study --stop-early` saves, how often the Pareto front stays, and what share of its models is lost.
"""

import argparse
from collections.abc import Callable
from typing import Any

from yolo_plugins.cli import any_path, one_line_errors, seed, whole
from yolo_plugins.errors import UsageError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", choices=CHECKS, default="laws", help="(default: laws)")
    parser.add_argument("--studies", type=whole(2, 10**6), default=2000, help="for each line (default: 2000)")
    for name, low, usual in (("--models", 4, [6, 12, 24]), ("--pictures", 2, [100, 200])):
        parser.add_argument(name, type=whole(low, 10**4), nargs="+", default=usual, help="(default: %(default)s)")
    parser.add_argument("--seed", type=seed, default=0, help="of the studies (default: %(default)s)")
    parser.add_argument("--replay", type=any_path, metavar="DIR", help="tables of a study to stop early, for stopping")
    args = parser.parse_args()
    with one_line_errors():
        try:
            table = CHECKS[args.of](args)
        except ImportError as error:
            raise UsageError(f"{error}: pip install 'yolo_plugins[analysis]'") from error
        print(table if args.replay else f"{args.studies} studies for each line; intervals claim 95 %\n{table}")


def _check_laws(args: argparse.Namespace) -> str:
    from yolo_plugins.study.laws.simulation import Design, assess, format_qualities, simulate

    designs = [(Design(n, heavy_tails),) for heavy_tails in (False, True) for n in args.models]
    return _check(
        args, designs, lambda design, n, seed, tick: assess(simulate(design, n, seed), tick), format_qualities
    )


def _check_predictions(args: argparse.Namespace) -> str:
    from yolo_plugins.study.laws.study_simulation import PREDICTION_DESIGNS, assess_predictions, format_predictions

    designs = [(design, n) for design in PREDICTION_DESIGNS for n in args.models]
    return _check(args, designs, assess_predictions, format_predictions)


def _check_comparisons(args: argparse.Namespace) -> str:
    from yolo_plugins.study.laws.study_simulation import COMPARISON_DESIGNS, assess_comparisons, format_comparisons

    designs = [(design, n) for design in COMPARISON_DESIGNS for n in args.models]
    return _check(args, designs, assess_comparisons, format_comparisons)


def _check_scores(args: argparse.Namespace) -> str:
    from yolo_plugins.evaluation.average_precision import MODES
    from yolo_plugins.evaluation.coverage import assess, format_coverage

    designs = [(pictures, mode) for mode in MODES for pictures in args.pictures]
    return _check(args, designs, lambda n, mode, k, seed, tick: assess(n, k, seed, mode, tick), format_coverage)


def _check_budget(args: argparse.Namespace) -> str:
    from yolo_plugins.study.laws.budget_simulation import DESIGNS, assess, format_shares

    return _check(args, [(design,) for design in DESIGNS], assess, format_shares)


def _check_stopping(args: argparse.Namespace) -> str:
    from yolo_plugins.study.forecast import tell_replay
    from yolo_plugins.study.laws.curve_simulation import CHECKED, assess, format_stopping

    return tell_replay(args.replay) if args.replay else _check(args, CHECKED, assess, format_stopping)


def _check(args: argparse.Namespace, designs: list[Any], assess: Callable[..., Any], tell: Callable[..., str]) -> str:
    """A table of what is assessed of each design."""
    from tqdm import tqdm

    with tqdm(total=args.studies * len(designs), unit="study", disable=None) as bar:
        return tell([(*design, assess(*design, args.studies, args.seed, bar.update)) for design in designs])


CHECKS: dict[str, Callable[[argparse.Namespace], str]] = {
    "laws": _check_laws,
    "predictions": _check_predictions,
    "comparisons": _check_comparisons,
    "scores": _check_scores,
    "budget": _check_budget,
    "stopping": _check_stopping,
}
