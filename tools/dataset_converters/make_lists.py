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
        help="share of frames for validation (default 0.1); whole folders where there are several; "
        "0: all frames train, and a list/val.txt of an earlier run is removed",
    )
    return parser.parse_args(argv)


def remove_stale_list(root: Path, split: str) -> None:
    """Removes ``list/<split>.txt`` of an earlier run, and says so; its frames are split anew.

    Raises:
        OSError: The list cannot be removed.
    """
    path = root / "list" / f"{split}.txt"
    if path.exists():
        path.unlink()
        print(f"{path}: removed, it was the list of an earlier split; this one has no {split}")


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        names, unannotated = find_frames(args.data_root)
        train, val = split_frames(names, args.val)
        print(f"{write_list(args.data_root, 'train', train)}: {len(train)} frames")
        if val:
            print(f"{write_list(args.data_root, 'val', val)}: {len(val)} frames")
        else:
            remove_stale_list(args.data_root, "val")
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if unannotated:
        print(f"{len(unannotated)} pictures have no .lines.txt and are on no list")
    return 0


if __name__ == "__main__":
    sys.exit(main())
