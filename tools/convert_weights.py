"""Converts official weights to a checkpoint of ours, without running the code pickled in them.

python tools/convert_weights.py yolov5 yolov5s.pt checkpoints/yolov5s.pth
"""

import argparse
from pathlib import Path

from yolo_plugins.cli import one_line_errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=["yolov5"], help="release the weights stem from")
    parser.add_argument("src", type=Path, help="official file, or one with its plain state dict")
    parser.add_argument("dst", type=Path, help="checkpoint to write")
    args = parser.parse_args()
    with one_line_errors():
        import hashlib
        import io

        import torch

        import yolo_plugins
        from yolo_plugins.converters.checkpoint import read_official_state_dict
        from yolo_plugins.converters.yolov5 import convert_state_dict
        from yolo_plugins.files import write_atomically

        state_dict = convert_state_dict(read_official_state_dict(args.src))
        meta = {
            "family": args.family,
            "source": args.src.name,
            "source_sha256": hashlib.sha256(args.src.read_bytes()).hexdigest(),
            "yolo_plugins_version": yolo_plugins.__version__,
        }
        with io.BytesIO() as buffer:
            torch.save({"state_dict": state_dict, "meta": meta}, buffer)
            write_atomically(args.dst, buffer.getvalue())
        print(f"{args.dst}: {len(state_dict)} tensors of {args.src}")


if __name__ == "__main__":
    main()
