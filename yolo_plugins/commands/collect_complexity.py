"""Counts parameters, MACs and FLOPs of detectors by thop and by torch: a table, and bars of both. Needs no data.

yolo-plugins collect-complexity yolov5_n_voc yolov5_s_voc --out complexity.csv --input-hw 320 320
"""

import argparse
from pathlib import Path

from yolo_plugins.cli import any_path, one_line_errors, side
from yolo_plugins.config import find_config, load_config
from yolo_plugins.faults import explain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+", metavar="CONFIG", help="path, or name of a file in configs/")
    parser.add_argument("--out", type=any_path, default=Path("complexity.csv"), help="(default: %(default)s)")
    parser.add_argument("--bars", type=any_path, metavar="PNG", help="(default: --out with the ending .png)")
    parser.add_argument("--input-hw", type=side, nargs=2, default=(320, 320), metavar=("H", "W"), help="pixels")
    args = parser.parse_args()
    bars = args.bars or args.out.with_suffix(".png")
    with one_line_errors():
        from yolo_plugins.errors import UsageError

        if bars == args.out:
            raise UsageError(f"--out {args.out} would hold the table and the bars: give it a name that ends in .csv")
        paths: dict[str, Path] = {}
        for path in map(find_config, args.configs):
            if paths.setdefault(path.stem, path) != path:
                raise UsageError(f"{path} and {paths[path.stem]} have one name in the table: rename one of them")

        import pandas as pd
        from tqdm import tqdm

        from yolo_plugins.costs.complexity import count_forms, format_table
        from yolo_plugins.registry import MODELS
        from yolo_plugins.study.report.figures import save_complexity
        from yolo_plugins.study.tables.schema import COMPLEXITY, write_table

        rows = []
        for name, path in tqdm(paths.items(), unit="model", disable=None):
            config = load_config(str(path))
            try:
                rows += [{"model": name} | row for row in count_forms(MODELS.build(config.model), args.input_hw)]
            except Exception as error:
                sentence = explain(error)
                if sentence is None:
                    raise
                raise UsageError(f"{path}: {sentence}") from error
        table = pd.DataFrame(rows)
        print(format_table(table))
        write_table(table, args.out, COMPLEXITY)
        save_complexity(table[table["form"] == "train"], bars)
        print(f"Exact numbers: {args.out}; bars: {bars}")
