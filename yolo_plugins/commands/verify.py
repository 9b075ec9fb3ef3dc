"""Checks every list, annotation and picture of a data set and lists every fault at once.

yolo-plugins verify --data data/screws/data.yaml
yolo-plugins verify --data data/VOCdevkit --official
yolo-plugins verify --config configs/yolov5_s_screws.py

A config gives folders, splits, classes, `others` and `clip` of training, validation and test; --data takes the place of
its pictures. Warnings are no faults. Exit status 0 when all is sound, 1 otherwise.
"""

import argparse

from yolo_plugins.cli import add_config_options, add_data_options, one_line_errors
from yolo_plugins.errors import UsageError


def main() -> None:
    """Checks the pictures that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", help="path, or name of a file in configs/")
    add_data_options(parser)
    parser.add_argument("--official", action="store_true", help="also demand the counts of VOC's official release")
    add_config_options(parser)
    args = parser.parse_args()
    with one_line_errors():
        from yolo_plugins.datasets.from_config import find_datasets
        from yolo_plugins.datasets.verify import verify

        report = verify(find_datasets(args.config, args.cfg_options, args.data, args.classes), args.official)
        print(report.table())
        print("\n".join([*report.faults, *(f"warning: {line}" for line in report.warnings)]) or "all is sound")
        if report.faults:
            name = args.data or args.config
            raise UsageError(f"{name}: {len(report.faults)} fault(s), listed above; fix them and check again")
