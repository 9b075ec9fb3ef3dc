"""Checks the statistics of power laws, and those of a test's report, on simulations whose truth is known.

yolo-plugins check-statistics --studies 2000
yolo-plugins check-statistics --of scores --studies 1000
yolo-plugins check-statistics --of stopping --studies 1000
yolo-plugins check-statistics --of stopping --replay docs/results/voc_animals --y ap50_95

Of power laws it prints the bias of the exponent and, in percent with the binomial standard error, how many of the
intervals that claim 95 % hold the truth: Student's t, the bootstrap of fits.csv, the prediction of one new model; then,
for comparison, the percentile bootstrap and the Theil-Sen line. The scatter is normal, as the intervals assume, or has
heavy tails. Of scores it prints how many of the intervals of AP hold that of all pictures, for single classes and for
their mean: the interval of `test.py --report`, then, for comparison, the percentile and the basic bootstrap.
Of stopping it prints how many intervals of forecasts hold the final loss, what `study --stop-early` saves of the time,
in how many studies the Pareto front stays the same, and which share of its members is lost; `--replay` runs a study
again that was trained to its end.
"""

import argparse

from yolo_plugins.cli import any_path, one_line_errors, seed, whole
from yolo_plugins.errors import UsageError
from yolo_plugins.study.tables.quantities import DEFAULT_PERFORMANCE, performances

_SHARES = (0.2, 0.3, 0.4)  # of the epochs, after which a run is judged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", choices=("laws", "scores", "stopping"), default="laws", help="(default: laws)")
    parser.add_argument("--studies", type=whole(2, 10**6), default=2000, help="for each line (default: 2000)")
    parser.add_argument(
        "--models", type=whole(4, 10**4), nargs="+", default=[5, 10, 20], metavar="N", help="(default: 5 10 20)"
    )
    parser.add_argument(
        "--pictures", type=whole(2, 10**4), nargs="+", default=[100, 200], metavar="N", help="(default: 100 200)"
    )
    parser.add_argument("--replay", type=any_path, metavar="DIR", help="tables of a study, instead of simulated ones")
    parser.add_argument("--y", default=DEFAULT_PERFORMANCE, choices=performances(), help="of its front")
    parser.add_argument("--seed", type=seed, default=0, help="of the studies (default: %(default)s)")
    args = parser.parse_args()
    with one_line_errors():
        table = {"laws": _check_laws, "scores": _check_scores, "stopping": _check_stopping}[args.of](args)
        if not args.replay:
            print(f"{args.studies} studies for each line; intervals claim 95 %")
        print(table)


def _check_laws(args: argparse.Namespace) -> str:
    try:
        from yolo_plugins.study.laws.simulation import Design, assess, format_qualities, simulate
    except ImportError as error:
        raise UsageError(f"{error}: pip install 'yolo_plugins[analysis]'") from error
    from tqdm import tqdm

    designs = [Design(n, heavy_tails) for heavy_tails in (False, True) for n in args.models]
    with tqdm(total=args.studies * len(designs), unit="study", disable=None) as bar:
        return format_qualities(
            [(design, assess(simulate(design, args.studies, args.seed), bar.update)) for design in designs]
        )


def _check_scores(args: argparse.Namespace) -> str:
    from tqdm import tqdm

    from yolo_plugins.evaluation.average_precision import MODES
    from yolo_plugins.evaluation.coverage import assess, format_coverage

    designs = [(pictures, mode) for mode in MODES for pictures in args.pictures]
    with tqdm(total=args.studies * len(designs), unit="study", disable=None) as bar:
        return format_coverage(
            [(*design, assess(design[0], args.studies, args.seed, design[1], bar.update)) for design in designs]
        )


def _check_stopping(args: argparse.Namespace) -> str:
    from tqdm import tqdm

    if args.replay:
        from yolo_plugins.study.forecast import tell_replay

        return "\n".join(tell_replay(args.replay, args.y, _SHARES))
    from yolo_plugins.study.laws.curve_simulation import DESIGNS, assess, format_stopping

    with tqdm(total=args.studies * len(DESIGNS) * len(_SHARES), unit="study", disable=None) as bar:
        return format_stopping(
            [
                (design, share, assess(design, share, args.studies, args.seed, bar.update))
                for design in DESIGNS
                for share in _SHARES
            ]
        )
