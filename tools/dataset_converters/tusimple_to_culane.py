"""Writes TuSimple's labels in CULane's layout: .lines.txt beside the pictures, and a list.

    python tools/dataset_converters/tusimple_to_culane.py --data-root D --split train \\
        --labels D/label_data_0313.json D/label_data_0531.json D/label_data_0601.json
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ganet_mm.datasets.tusimple import convert


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True, help="folder holding clips/")
    parser.add_argument("--labels", type=Path, nargs="+", required=True, help="JSON label files")
    parser.add_argument("--split", required=True, help="name of the list, e.g. train")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        frames, lanes = convert(args.data_root, args.labels, args.split)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{args.data_root / 'list' / args.split}.txt: {frames} frames, {lanes} lanes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
