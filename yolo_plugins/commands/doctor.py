"""Examines the installation and the machine, as a bug report needs it; each fault has its remedy beside it.

yolo-plugins doctor
yolo-plugins doctor --data data/screws/data.yaml
yolo-plugins doctor --json

The report tells no user name and no password. Exit status 0 where nothing is at fault, 1 otherwise.
"""

import argparse
from dataclasses import asdict

from yolo_plugins.cli import any_path, one_line_errors
from yolo_plugins.errors import UsageError


def main() -> None:
    """Prints a line for each thing that is looked at."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=any_path, metavar="PATH", help="verify own pictures too, as verify --data does")
    parser.add_argument("--json", action="store_true", help="print a list of lines as JSON: state, name, text")
    args = parser.parse_args()
    with one_line_errors():
        from yolo_plugins.doctor import all_checks, run_checks
        from yolo_plugins.files import json_text

        lines = []
        for line in run_checks(all_checks(args.data)):
            lines.append(line)
            if not args.json:
                print(line, flush=True)
        if args.json:
            print(json_text([asdict(line) for line in lines], indent=1))
        faults = sum(line.state == "fault" for line in lines)
        if faults:
            raise UsageError(f"{faults} fault(s), told above; mend them and run it again")
