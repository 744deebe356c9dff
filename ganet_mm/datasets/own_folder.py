"""Lists for a folder of one's own pictures, each with a ``.lines.txt`` beside it."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from .culane import lines_name

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}


def find_frames(root: str | os.PathLike) -> tuple[list[str], list[str]]:
    """Pictures below a folder, sorted by name.

    Returns:
        tuple: Names (relative to ``root``) of pictures with an annotation, and of those without.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: No picture in it has an annotation.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder")
    names = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES
    )
    annotated = [name for name in names if (root / lines_name(name)).is_file()]
    if not annotated:
        raise ValueError(
            f"{root}: {len(names)} pictures, none with an annotation; expected NAME.lines.txt "
            "beside NAME.jpg, empty for a picture without lanes"
        )
    known = set(annotated)
    return annotated, [name for name in names if name not in known]


def split_frames(names: list[str], val_fraction: float) -> tuple[list[str], list[str]]:
    """Splits frames into training and validation, neighbours of one drive on the same side.

    Frames of one folder go together, by a checksum of the folder's name, so that the split stays
    when folders are added. A single folder gives its last part to validation.

    Args:
        names: Frames.
        val_fraction: Share of validation, 0 ≤ val_fraction < 1; of several folders about so much.

    Returns:
        tuple: Names for training and for validation.

    Raises:
        ValueError: The fraction is out of range, or a side would stay empty.
    """
    if not 0 <= val_fraction < 1:
        raise ValueError(f"val fraction {val_fraction}; expected 0 ≤ fraction < 1")
    if val_fraction == 0:
        return names, []
    folders = {os.path.dirname(name) for name in names}  # noqa: PTH120  (names, not paths)
    if len(folders) == 1:
        cut = len(names) - max(1, round(len(names) * val_fraction))
        train, val = names[:cut], names[cut:]
    else:
        chosen = {f for f in folders if zlib.crc32(f.encode()) / 2**32 < val_fraction}
        if not chosen:  # few folders: the one that comes first
            chosen = {min(folders, key=lambda f: zlib.crc32(f.encode()))}
        train = [name for name in names if os.path.dirname(name) not in chosen]  # noqa: PTH120
        val = [name for name in names if os.path.dirname(name) in chosen]  # noqa: PTH120
    if not train:
        raise ValueError(
            f"{len(names)} frames in {len(folders)} folders leave none for training; lower the "
            "val fraction"
        )
    return train, val
