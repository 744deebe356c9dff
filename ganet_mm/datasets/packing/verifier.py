"""Checking a packed LMDB."""

from __future__ import annotations

import os

from ..lmdb_store import LmdbReader
from ..pictures import decode_image
from .packer import Progress


def verify(
    path: str | os.PathLike,
    *,
    decode: bool = False,
    progress: Progress = lambda done: None,
) -> list[str]:
    """What is wrong with an LMDB, a sentence a record; empty where all is well.

    Args:
        path: The LMDB's folder.
        decode: Decode each picture too.
        progress: Called with the number of records checked so far.

    Raises:
        FileNotFoundError, OSError, ValueError: As :class:`.lmdb_store.LmdbReader`.
    """
    reader = LmdbReader(path)
    faults = []
    for index in range(len(reader)):
        try:
            record = reader.read(index)
            if decode and decode_image(record["img_bytes"]).shape[:2] != record["shape"]:
                faults.append(f"{record['img_path']}: the picture's size is not the record's")
        except (KeyError, ValueError) as error:
            faults.append(str(error.args[0]))
        progress(index + 1)
    return faults
