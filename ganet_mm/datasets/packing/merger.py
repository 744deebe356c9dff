"""Joining packed shards."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ..lmdb_store import LmdbReader, LmdbWriter, partial_path
from .disk import check_space, sync_folder
from .packer import BATCH_BYTES, Progress


def merge(
    shards: list[str | os.PathLike], out: str | os.PathLike, progress: Progress = lambda done: None
) -> dict:
    """Joins all shards of one list into the LMDB that a single pack would have made.

    Args:
        shards: The shards' LMDBs, in any order.
        out: The LMDB's folder; must not exist.
        progress: Called with the number of frames copied so far.

    Returns:
        dict: The index, as :func:`pack` gives it.

    Raises:
        ValueError: The shards are not of one list, or one is missing or given twice.
        FileExistsError: Something is at ``out`` or ``OUT.partial``.
        OSError: Not enough disk space, or the folder cannot be written.
    """
    out = Path(out)
    partial = partial_path(out)
    for path in (out, partial):
        if path.exists():
            raise FileExistsError(f"{path}: is there already; remove it or choose another --out")
    readers = sorted((LmdbReader(path) for path in shards), key=lambda r: r.meta["shard"])
    first = readers[0].meta
    for reader in readers:
        if any(reader.meta.get(key) != first.get(key) for key in ("split", "fingerprint")):
            raise ValueError(
                f"{reader.name}: a part of another list than {readers[0].name}; to train on both, "
                "give both to CuLaneDataset's data_root"
            )
    given = [tuple(reader.meta["shard"]) for reader in readers]
    count = first["shard"][1]
    expected = [(number, count) for number in range(1, count + 1)]
    if given != expected:
        raise ValueError(
            f"shards {', '.join(f'{i}/{n}' for i, n in given)} given; expected each of "
            f"1/{count} … {count}/{count} once"
        )
    size = sum(Path(reader.path, "data.mdb").stat().st_size for reader in readers)
    check_space(size, out.parent)
    partial.mkdir(parents=True)
    meta = {**first, "shard": [1, 1], "complete": False, "next": first["listed"]}
    meta["lanes"] = sum(reader.meta["lanes"] for reader in readers)
    meta["skipped"] = {k: v for reader in readers for k, v in reader.meta["skipped"].items()}
    for key in ("category_frames", "category_lanes"):
        counts: Counter = Counter()
        for reader in readers:
            counts.update(reader.meta[key])
        meta[key] = dict(counts)
    try:
        with LmdbWriter(partial, 2 * size + (1 << 26)) as writer:
            done = 0
            for records in _batches(readers):
                writer.write(done, records, meta)
                done += len(records)
                progress(done)
            writer.write(done, [], {**meta, "complete": True})
    except BaseException:
        shutil.rmtree(partial)
        raise
    partial.rename(out)
    sync_folder(out.parent)
    return LmdbReader(out).meta


def _batches(readers: list[LmdbReader]) -> Iterator[list[bytes]]:
    records: list[bytes] = []
    size = 0
    for reader in readers:
        for index in range(len(reader)):
            reader.read(index)  # a damaged record must not be handed on
            records.append(reader.read_bytes(index))
            size += len(records[-1])
            if size >= BATCH_BYTES:
                yield records
                records, size = [], 0
    if records:
        yield records
