"""Checks every list, annotation and picture of a VOCdevkit folder and lists every fault at once.

python tools/verify_voc.py data/VOCdevkit --official

Exit status 0 when all is sound, 1 otherwise.
"""

import argparse
from pathlib import Path

from yolo_plugins.cli import one_line_errors
from yolo_plugins.errors import UsageError


def main() -> None:
    """Checks the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_root", type=Path, help="the VOCdevkit folder, which holds VOC2007 and VOC2012")
    parser.add_argument("--sets", nargs="+", metavar="SUB:SPLIT", help="default: the study's train and test sets")
    parser.add_argument("--official", action="store_true", help="also demand the counts of the official release")
    args = parser.parse_args()
    with one_line_errors():
        from yolo_plugins.datasets.verify_voc import STUDY_SETS, verify_voc

        report = verify_voc(args.data_root, args.sets or STUDY_SETS, official=args.official)
        print(report.table())
        print("\n".join(report.faults) or "every list, annotation and picture is sound")
        if report.faults:
            raise UsageError(f"{args.data_root}: {len(report.faults)} fault(s), listed above; fix them and check again")


if __name__ == "__main__":
    main()
