"""Checking a packed LMDB."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from ..lmdb_store import LmdbReader, record_key
from ..pictures import decode_image
from .packer import Progress

_CHUNK = 256  # records a task


def verify(
    path: str | os.PathLike,
    *,
    decode: bool = False,
    workers: int = 1,
    progress: Progress = lambda done: None,
) -> list[str]:
    """What is wrong with an LMDB, a sentence a record; empty where all is well.

    Records are read in processes of their own: where the LMDB's tree is damaged, LMDB may follow a
    wrong page number out of the file, which kills the process.

    Args:
        path: The LMDB's folder.
        decode: Decode each picture too.
        workers: Processes.
        progress: Called with the number of records checked so far.

    Raises:
        FileNotFoundError, OSError, ValueError: As :class:`.lmdb_store.LmdbReader`.
    """
    reader = LmdbReader(path)
    faults: list[str] = []
    starts = range(0, len(reader), _CHUNK)
    pool = ProcessPoolExecutor(workers)
    try:
        tasks = [pool.submit(_faults, reader, start, decode) for start in starts]
        for start, task in zip(starts, tasks, strict=True):
            stop = min(start + _CHUNK, len(reader))
            try:
                faults += task.result()
            except BrokenProcessPool:
                first, last = record_key(start).decode(), record_key(stop - 1).decode()
                faults.append(
                    f"{reader.name}: reading on from record '{first}' ('{last}' at the furthest) "
                    "kills the process: the LMDB's tree is damaged; pack again"
                )
                break
            progress(stop)
    finally:
        pool.shutdown(cancel_futures=True)
    return faults


def _faults(reader: LmdbReader, start: int, decode: bool) -> list[str]:
    faults = []
    for index in range(start, min(start + _CHUNK, len(reader))):
        try:
            record = reader.read(index)
            if decode and decode_image(record["img_bytes"]).shape[:2] != record["shape"]:
                faults.append(
                    f"{reader.name}: record '{record_key(index).decode()}': the picture's size is "
                    "not the record's"
                )
        except (KeyError, ValueError) as error:
            faults.append(str(error.args[0]))
    return faults
