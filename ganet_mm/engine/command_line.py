"""What a user types, beyond what argparse says of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def parse_one_checkpoint(
    parser: argparse.ArgumentParser, argv: list[str] | None = None
) -> argparse.Namespace:
    """``parser.parse_args``, for a command that takes one checkpoint.

    A work directory that was trained in twice holds two ``best_*.pth``, so the shell puts two
    files in the place of the pattern; the error then names them and the newest, where argparse
    says "unrecognized arguments".
    """
    words = sys.argv[1:] if argv is None else argv
    args, left = parser.parse_known_args(words)
    if not left:
        return args
    found = [Path(word) for word in words if word.endswith(".pth") and Path(word).is_file()]
    if len(found) > 1:
        newest = max(found, key=lambda path: path.stat().st_mtime)
        names = ", ".join(str(path) for path in found)
        parser.error(f"{len(found)} checkpoints where one is expected: {names}; newest: {newest}")
    parser.error(f"unrecognized arguments: {' '.join(left)}")
