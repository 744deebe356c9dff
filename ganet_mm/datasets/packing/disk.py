"""Disk space and durable renames."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def check_space(needed: int, folder: Path) -> None:
    """Looks for ``needed`` bytes on the disk of ``folder``, which need not exist yet.

    Raises:
        OSError: There is less.
    """
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"{folder}: the pack needs {needed / 1e9:.2f} GB, the disk has {free / 1e9:.2f} GB "
            "free; make room or choose another --out"
        )


def disk_usage(path: Path) -> int:
    """Bytes on disk of the files in ``path``; 0 where there is nothing."""
    return sum(file.stat().st_blocks * 512 for file in path.glob("*"))


def sync_folder(folder: Path) -> None:
    """Makes a rename in ``folder`` survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
