"""Writes list/train.txt and list/val.txt for a folder of pictures with .lines.txt beside them.

python tools/dataset_converters/make_lists.py --data-root my_data --val 0.1
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ganet_mm.datasets.culane import write_list
from ganet_mm.datasets.own_folder import find_frames, split_frames


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True, help="folder of pictures")
    parser.add_argument(
        "--val",
        type=float,
        default=0.1,
        help="share of frames for validation (default 0.1); whole folders where there are several",
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        names, unannotated = find_frames(args.data_root)
        train, val = split_frames(names, args.val)
        for split, part in (("train", train), ("val", val)):
            if part:
                print(f"{write_list(args.data_root, split, part)}: {len(part)} frames")
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if unannotated:
        print(f"{len(unannotated)} pictures have no .lines.txt and are on no list")
    return 0


if __name__ == "__main__":
    sys.exit(main())
