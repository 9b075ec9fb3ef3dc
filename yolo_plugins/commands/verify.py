"""Checks every list, annotation and picture of a VOCdevkit folder and lists every fault at once.

python tools/verify_voc.py data/VOCdevkit --official
python tools/verify_voc.py data/screws/VOCdevkit --sets VOC2007/train VOC2007/test --classes screw nut
python tools/verify_voc.py --config configs/yolov5_s_screws.py

A config gives folders, splits, classes, `others` and `clip` of training, validation and test. Exit status 0 when all is
sound, 1 otherwise.
"""

import argparse

from yolo_plugins.cli import add_data_options, check_data_options, one_line_errors
from yolo_plugins.errors import UsageError


def main() -> None:
    """Checks the folders that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_options(parser, "data_root", "the study's train and test sets")
    parser.add_argument("--official", action="store_true", help="also demand the counts of the official release")
    args = parser.parse_args()
    with one_line_errors():
        check_data_options(args)
        from yolo_plugins.datasets.verify_voc import STUDY_SETS, verify_config, verify_voc
        from yolo_plugins.datasets.voc import VOC_CLASSES

        if args.config:
            reports = verify_config(args.config, args.cfg_options, args.official)
        elif args.data_root:
            sets, classes = args.sets or STUDY_SETS, args.classes or VOC_CLASSES
            reports = [verify_voc(args.data_root, sets, classes, args.official)]
        else:
            raise UsageError("name a VOCdevkit folder, or a config by --config")
        faults = [fault for report in reports for fault in report.faults]
        print("\n".join(report.table() for report in reports))
        print("\n".join(faults) or "every list, annotation and picture is sound")
        if faults:
            name = args.config or args.data_root
            raise UsageError(f"{name}: {len(faults)} fault(s), listed above; fix them and check again")
