"""Which detector fits a budget on this machine: measures latency, joins a study's law, says what to train.

yolo-plugins recommend --max-ms 10 --fits frontier
yolo-plugins recommend --max-ms 10 --fits frontier --runtime openvino --precision bf16 --threads 2 --out recommendation
yolo-plugins recommend --max-ms 10 --fits frontier --search 'timm.mobilenet*' --out recommendation

Every config that is like the models of the study is measured with random weights; figures are kept, by machine and
network. DIR of --fits is what `frontier` wrote with --out.
"""

import argparse
import math
import os

from yolo_plugins.cli import add_fits_options, any_path, device, one_line_errors, seed, threads, whole
from yolo_plugins.errors import UsageError
from yolo_plugins.study.tables.quantities import DEFAULT_PREDICTOR, costs, performances


def positive(text: str) -> float:
    """The type of an argument that is a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--max-ms", type=positive, required=True, help="milliseconds for a picture")
    parser.add_argument("--max-params", type=positive, help="parameters: 5e6")
    parser.add_argument("--max-macs", type=positive, help="multiply-accumulates of a picture: 1e9")
    parser.add_argument("--max-mbytes", type=positive, help="millions of bytes of the file")
    add_fits_options(parser)
    parser.add_argument("--x", help=f"cost that the law goes by: {', '.join(costs())} (default: {DEFAULT_PREDICTOR})")
    parser.add_argument("--y", help=f"score: {', '.join(performances())} (default: that of the report)")
    parser.add_argument("--allow-mixed", action="store_true", help="also configs that are not trained like the models")
    parser.add_argument("--runtime", default="torch", choices=("torch", "onnxruntime", "openvino"))
    parser.add_argument("--precision", default="f32", choices=("f32", "bf16"), help="(default: %(default)s)")
    parser.add_argument("--device", type=device, default="cpu", help="cpu, cuda, cuda:1 ... (default: %(default)s)")
    parser.add_argument("--threads", type=threads, help="of the CPU (default: all cores)")
    parser.add_argument("--minutes", type=positive, default=10.0, help="for measuring (default: %(default)s)")
    parser.add_argument("--remeasure", action="store_true", help="pass over the figures that were kept")
    parser.add_argument("--search", nargs="+", metavar="PATTERN", help="also other backbones: 'timm.mobilenet*'")
    parser.add_argument("--base", default="yolov5_s_voc", help="whose neck and head they get (default: %(default)s)")
    parser.add_argument("--sample", type=whole(1), metavar="N", help="only N of those that match, drawn by chance")
    parser.add_argument("--seed", type=seed, default=0, help="of the drawing (default: %(default)s)")
    parser.add_argument("--out", type=any_path, metavar="DIR", help="for recommend.csv and report.html")
    return parser.parse_args()


def main() -> None:
    """Measures and prints."""
    args = parse_args()
    with one_line_errors():
        from yolo_plugins.config import study_options
        from yolo_plugins.recommend.advice import Budget
        from yolo_plugins.recommend.bench import Bench
        from yolo_plugins.recommend.cache import Cache
        from yolo_plugins.recommend.networks import Setting
        from yolo_plugins.recommend.run import recommend
        from yolo_plugins.recommend.search import Search
        from yolo_plugins.study.models import read_models

        budget = Budget(args.max_ms, args.max_params, args.max_macs, args.max_mbytes)
        setting = Setting(args.runtime, args.precision, args.device, args.threads or os.cpu_count() or 1)
        if args.search and not args.out:
            raise UsageError("--search: give --out DIR too, for the configs that train what it finds")
        search = args.search and Search(tuple(args.search), args.base, args.out / "configs", args.sample, args.seed)
        models = read_models(args.fits, args.x, args.y, args.allow_mixed)
        print(
            recommend(
                Bench(setting, Cache(reads=not args.remeasure)),
                budget,
                models,
                minutes=args.minutes,
                cfg_options=[*study_options(args.study), *args.cfg_options],
                search=search,
                out=args.out,
            )
        )
