"""Checks what is promised of laws, predictions, comparisons and scores, on simulations whose truth is known.

yolo-plugins check-statistics --studies 2000
yolo-plugins check-statistics --of stopping --replay docs/results/voc_animals

`laws`: the bias of a power law's exponent and, in percent with the binomial standard error, how many of the intervals
that claim 95 % hold the truth: Student's t, the bootstrap of fits.csv, the line's prediction of one new model; then,
for comparison, the percentile bootstrap and the Theil-Sen line. `predictions`: how many of the pooled law's intervals
hold a new model, by its place. `warnings`: in how many studies a report warns of what is wrong, and where nothing is.
`comparisons`: how often a model is better that is said to be, by what is stated. `best`: how often the likeliest of
several to be the best is it. `scores`: how many of the intervals of AP of `test --report` hold that of all pictures.
`budget`: how many intervals hold the mean and one run at 2 and 4 times the largest number of pictures, in how many
studies the number for a wanted score is told, and how many of its intervals hold it, or have two ends. `stopping`: how
many intervals of forecasts hold the final loss, what `study --stop-early` saves, how often the Pareto front stays, and
what share of its models is lost; with --replay, of a study that was trained to its end.
"""

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from yolo_plugins.cli import one_line_errors, results_path, seed, whole
from yolo_plugins.errors import UsageError


class Check(NamedTuple):
    """A module that simulates: what its functions of these names assess and tell, of which designs."""

    module: str
    assess: str
    tell: str
    designs: Callable[[Any, argparse.Namespace], list[tuple[Any, ...]]]


def _for_models(designs: str) -> Callable[[Any, argparse.Namespace], list[tuple[Any, ...]]]:
    """Each of the module's designs of this name with each number of models."""
    return lambda module, args: [(design, n) for design in getattr(module, designs) for n in args.models]


def _for_pictures(module: Any, args: argparse.Namespace) -> list[tuple[Any, ...]]:
    """Each way to average precision with each number of pictures."""
    from yolo_plugins.evaluation.average_precision import MODES

    return [(pictures, mode) for mode in MODES for pictures in args.pictures]


_STUDIES = "study.laws.study_simulation"
CHECKS = {
    "laws": Check(
        *("study.laws.simulation", "assess_design", "format_qualities"),
        lambda module, args: [(design,) for n in args.models for design in module.designs(n)],
    ),
    "warnings": Check("study.laws.warning_rates", "warning_rates", "format_rates", _for_models("FAULTS")),
    "predictions": Check(_STUDIES, "assess_predictions", "format_predictions", _for_models("PREDICTION_DESIGNS")),
    "comparisons": Check(_STUDIES, "assess_comparisons", "format_probabilities", _for_models("COMPARISON_DESIGNS")),
    "best": Check(_STUDIES, "assess_best", "format_probabilities", _for_models("COMPARISON_DESIGNS")),
    "scores": Check("evaluation.coverage", "assess", "format_coverage", _for_pictures),
    "budget": Check(
        *("study.laws.budget_simulation", "assess", "format_shares"),
        lambda module, args: [(design,) for design in module.DESIGNS],
    ),
    "stopping": Check("study.laws.curve_simulation", "assess", "format_stopping", lambda module, _: module.CHECKED),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", choices=CHECKS, default="laws", help="(default: laws)")
    parser.add_argument("--studies", type=whole(2, 10**6), default=2000, help="for each line (default: 2000)")
    several: dict[str, Any] = {"nargs": "+", "metavar": "N", "help": "(default: %(default)s)"}
    parser.add_argument("--models", type=whole(4, 10**4), default=[6, 12, 24], **several)
    parser.add_argument("--pictures", type=whole(2, 10**4), default=[100, 200], **several)
    parser.add_argument("--seed", type=seed, default=0, help="of the studies (default: %(default)s)")
    parser.add_argument("--replay", type=results_path, metavar="DIR", help="tables of a study, for stopping")
    args = parser.parse_args()
    if args.replay and args.of != "stopping":
        parser.error("--replay is for --of stopping")
    with one_line_errors():
        try:
            print(_check(args))
        except ImportError as error:
            raise UsageError(f"{error}: pip install 'yolo_plugins[analysis]'") from error


def _check(args: argparse.Namespace) -> str:
    """The table of what is assessed of each design."""
    from tqdm import tqdm

    if args.replay:
        from yolo_plugins.study.forecast import tell_replay

        return tell_replay(args.replay)
    check = CHECKS[args.of]
    module = import_module(f"yolo_plugins.{check.module}")
    assess, designs = getattr(module, check.assess), check.designs(module, args)
    with tqdm(total=args.studies * len(designs), unit="study", disable=None) as bar:
        found = [(*design, assess(*design, args.studies, args.seed, bar.update)) for design in designs]
    return f"{args.studies} studies for each line; intervals claim 95 %\n{getattr(module, check.tell)(found)}"
