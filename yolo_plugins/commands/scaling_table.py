"""Prints the tables of Scaled-YOLOv4's scaling theory: the article's figures, the formulas, modules counted by torch.

yolo-plugins scaling-table --layers 8 --channels 256 --size 40

Costs are multiply-accumulates (MACs) of one map; docs/scaling.md derives the formulas.
"""

import argparse

from yolo_plugins.cli import one_line_errors, side, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=whole(1, 100), default=8, help="of a stage, k (default: %(default)s)")
    parser.add_argument("--channels", type=whole(1, 16_384), default=256, help="of a stage, b (default: %(default)s)")
    parser.add_argument("--size", type=side, default=40, help="cells on each side of the map (default: %(default)s)")
    parser.add_argument("--tiny-layers", type=whole(1, 100), default=3, help="of a tiny block, k (default: 3)")
    parser.add_argument("--tiny-channels", type=whole(1, 16_384), default=64, help="of a tiny block, b (default: 64)")
    parser.add_argument("--growth", type=whole(1, 16_384), help="of a tiny block, g (default: half of --tiny-channels)")
    args = parser.parse_args()
    growth = args.tiny_channels // 2 if args.growth is None else args.growth
    with one_line_errors():
        from yolo_plugins.costs import scaling_table

        stage = (args.layers, args.channels, args.size)
        tables = (
            scaling_table.format_stages(*stage),
            scaling_table.format_savings(*stage),
            scaling_table.format_blocks(args.tiny_layers, args.tiny_channels, growth, args.size),
            scaling_table.format_receptive_fields(),
        )
        print("\n\n".join(tables))
