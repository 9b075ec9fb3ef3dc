"""Fetches the three official PASCAL VOC archives (2.9 GB), checks and unpacks them; run again to go on after a break.

yolo-plugins download-voc --out data
"""

import argparse
from pathlib import Path

from yolo_plugins.cli import any_path, one_line_errors


def main() -> None:
    """Fetches the archives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=any_path, default=Path("data"), help="gets a folder VOCdevkit (default: %(default)s)"
    )
    parser.add_argument("--base-url", help="a mirror with the paths of the official site, which is the default")
    args = parser.parse_args()
    with one_line_errors():
        from yolo_plugins.datasets.download_voc import OFFICIAL_BASE_URL, download_voc

        data_root = download_voc(args.out, args.base_url or OFFICIAL_BASE_URL)
        print(f"{data_root}: complete; check it by yolo-plugins verify --data {data_root} --official")
