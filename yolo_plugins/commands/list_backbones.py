"""Lists every backbone that a config can name, measured: parameters, MACs, channels, strides, the package it is from.

yolo-plugins list-backbones 'timm*mobilenetv4*' 'mmpretrain.RepVGG*'

A name with a dot, `timm` and `InceptionV4` go into `model.backbone.net` of PyramidBackbone, others into
`model.backbone` itself. MACs are those of one image.
"""

import argparse
import fnmatch

from yolo_plugins.cli import one_line_errors, side
from yolo_plugins.config import load_config


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", default=["*"], help="names with * and ? (default: all, half an hour)")
    parser.add_argument("--config", help="read this config first: what its custom_imports register is listed too")
    parser.add_argument("--input-hw", nargs=2, type=side, default=(320, 320), metavar=("H", "W"), help="pixels")
    parser.add_argument("--refused", action="store_true", help="also list what cannot be used, each with the reason")
    return parser.parse_args()


def main() -> None:
    """Measures and prints one backbone after the other."""
    args = parse_args()
    with one_line_errors():
        if args.config:
            load_config(args.config)

        from yolo_plugins.costs.catalogue import entries, measure
        from yolo_plugins.errors import UsageError

        chosen = [entry for entry in entries() if any(fnmatch.fnmatch(entry.name, name) for name in args.patterns)]
        if not chosen:
            raise UsageError(f"no backbone is called {' or '.join(args.patterns)}; use * around a part of the name")
        print(f"{'params':>13} {'MACs':>15}  {'channels':<18} {'strides':<10} {'source':<12} name")
        refused = 0
        for entry in chosen:
            try:
                row = measure(entry.cfg, tuple(args.input_hw))
            except UsageError as error:
                refused += 1
                if args.refused:
                    print(f"refused: {error}", flush=True)
                continue
            numbers = f"{row.params:13,} {row.macs:15,}  {_join(row.out_channels):<18} {_join(row.out_strides):<10}"
            print(f"{numbers} {entry.source:<12} {entry.name}", flush=True)
        print(f"{len(chosen) - refused} usable, {refused} refused" + ("" if args.refused else " (--refused says why)"))


def _join(values: list[int]) -> str:
    return " ".join(map(str, values))
