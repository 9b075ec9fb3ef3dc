"""Checks the statistics of power laws on simulated studies, whose true exponent is known.

python tools/analysis/check_statistics.py --studies 2000

Prints the bias of the exponent and, in percent with the binomial standard error, how many of the intervals that claim
95 % hold the truth: Student's t, the bootstrap of fits.csv, the prediction of one new model; then, for comparison, the
percentile bootstrap and the Theil-Sen line. The scatter is normal, as the intervals assume, or has heavy tails.
"""

import argparse

from yolo_plugins.cli import one_line_errors, seed, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=whole(2, 10**6), default=2000, help="for each line (default: 2000)")
    parser.add_argument(
        "--models", type=whole(4, 10**4), nargs="+", default=[5, 10, 20], metavar="N", help="(default: 5 10 20)"
    )
    parser.add_argument("--seed", type=seed, default=0, help="of the studies (default: %(default)s)")
    args = parser.parse_args()
    with one_line_errors():
        from yolo_plugins.errors import UsageError

        try:
            from yolo_plugins.study.laws.simulation import Design, assess, format_qualities, simulate
        except ImportError as error:
            raise UsageError(f"{error}: pip install 'yolo_plugins[analysis]'") from error
        from tqdm import tqdm

        rows = []
        designs = [Design(n, heavy_tails) for heavy_tails in (False, True) for n in args.models]
        with tqdm(total=args.studies * len(designs), unit="study", disable=None) as bar:
            for design in designs:
                rows.append((design, assess(simulate(design, args.studies, args.seed), bar.update)))
        print(f"{args.studies} studies for each line; intervals claim 95 %")
        print(format_qualities(rows))
