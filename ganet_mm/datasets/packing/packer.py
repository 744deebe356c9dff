"""Packing a source into an LMDB, in a way that can be killed and resumed.

The LMDB grows in ``OUT.partial`` and is renamed to ``OUT`` when whole. Frames are written in list
order, a batch a transaction; each transaction also writes how far the list is done, so that a
resumed pack goes on at the right line whatever moment the last one ended at.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..lmdb_store import LmdbReader, LmdbWriter, partial_path
from .disk import check_space, disk_usage, sync_folder
from .source import BadFrameError, Source

# Bytes a transaction: large enough that flushing to disk costs little, small enough that reading
# and flushing overlap in a small set too, and that what LMDB copies is still in the processor's
# cache when it is written. Memory holds four (two are read ahead, one is gathered, one is in
# LMDB's hands).
BATCH_BYTES = 16 << 20

# Frames that a thread reads in one go, at most. One by one, several threads get in each other's
# way where others want the processor too.
_TASK = 16

Progress = Callable[[int], None]


def is_packed(source: Source, out: str | os.PathLike) -> bool:
    """Whether ``out`` is a whole LMDB of ``source``.

    Raises:
        FileExistsError: Something else lies there, which is not overwritten.
    """
    out = Path(out)
    if not out.exists():
        return False
    try:
        meta = LmdbReader(out).meta
    except (OSError, ValueError) as error:
        raise FileExistsError(
            f"{out}: something is there already that is no whole pack ({error}); remove it or "
            "choose another --out"
        ) from None
    if any(meta.get(key) != value for key, value in source.identity.items()):
        raise FileExistsError(
            f"{out}: a whole pack, but of another source (split {meta.get('split')}, "
            f"{meta['count']} frames) than this folder's list {source.split}; remove it or choose "
            "another --out"
        )
    return True


@contextmanager
def _locked(partial: Path) -> Iterator[None]:
    """Keeps a second packer out of ``partial``; the lock goes with the process that holds it."""
    import fcntl

    with (partial / "pack.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileExistsError(f"{partial}: another process is packing there") from None
        yield


def pack(
    source: Source,
    out: str | os.PathLike,
    *,
    workers: int = 1,
    resume: bool = False,
    skip_bad: bool = False,
    verify_images: bool = False,
    batch_bytes: int = BATCH_BYTES,
    progress: Progress = lambda done: None,
) -> dict:
    """Packs ``source`` into the LMDB ``out``, which appears whole or not at all.

    A bad frame ends the pack and leaves nothing behind, unless ``resume`` was given: then what is
    packed is kept for the next try. A full disk, a kill or an interruption always keep it.

    Args:
        source: What to pack.
        out: The LMDB's folder; must not exist.
        workers: Threads that read and check files. One is the fastest unless pictures are decoded
            or the disk is slow to answer.
        resume: Go on with an unfinished pack of the same source, if there is one.
        skip_bad: Leave out bad frames instead of stopping.
        verify_images: Decode every picture.
        batch_bytes: Frames of about so many bytes are written in one transaction.
        progress: Called with the number of list lines done so far.

    Returns:
        dict: The index: ``count``, ``skipped`` (reason by picture name), ``lanes``,
        ``category_frames``, ``category_lanes`` and ``source.identity``.

    Raises:
        BadFrameError: The first frame that cannot be packed.
        FileExistsError: An unfinished pack is there and ``resume`` was not given, or it is
            another source's.
        OSError: Not enough disk space, or the folder cannot be written.
    """
    out = Path(out)
    partial = partial_path(out)
    if out.exists():
        raise FileExistsError(f"{out}: is there already; remove it or choose another --out")
    if partial.exists() and not resume:
        raise FileExistsError(
            f"{partial}: an unfinished pack; finish it with --resume, or remove it to begin anew"
        )
    check_space(source.needed_bytes(source.start) - disk_usage(partial), out.parent)
    partial.mkdir(parents=True, exist_ok=True)
    with _locked(partial):
        try:
            # Twice the estimate: the map is address space only.
            with LmdbWriter(partial, 2 * source.needed_bytes(source.start) + (1 << 26)) as writer:
                begun = _begin(source, writer, partial)
                progress(begun["next"] - source.start)
                frames = _encode_all(source, begun["next"], workers, verify_images, 2 * batch_bytes)
                for done in _write_batches(source, writer, begun, frames, skip_bad, batch_bytes):
                    progress(done - source.start)
                if not writer.meta or not writer.meta["count"]:
                    raise BadFrameError(f"{source.root}: no frame of list {source.split} is whole")
                writer.write(writer.meta["count"], [], {**writer.meta, "complete": True})
        except BadFrameError:
            if not resume:
                shutil.rmtree(partial)
            raise
        partial.rename(out)
        (out / "pack.lock").unlink()
    sync_folder(out.parent)
    return LmdbReader(out).meta


def _begin(source: Source, writer: LmdbWriter, partial: Path) -> dict:
    """The index to go on from: the unfinished pack's, or a new one."""
    if writer.meta is None:
        return {
            **source.identity,
            "complete": False,
            "next": source.start,
            "count": 0,
            "skipped": {},
            "lanes": 0,
            "category_frames": {},
            "category_lanes": {},
        }
    if any(writer.meta.get(key) != value for key, value in source.identity.items()):
        raise FileExistsError(
            f"{partial}: an unfinished pack of another source (or of files changed since); remove "
            "it to begin anew"
        )
    return writer.meta


def _write_batches(
    source: Source,
    writer: LmdbWriter,
    meta: dict,
    frames: Iterator[tuple[int, tuple[bytes, int] | BadFrameError]],
    skip_bad: bool,
    batch_bytes: int,
) -> Iterator[int]:
    """Writes all that is left of the list; gives the next list position after each batch."""
    records: list[bytes] = []
    size, first = 0, meta["count"]
    meta = json.loads(json.dumps(meta))
    frame_counts, lane_counts = Counter(meta["category_frames"]), Counter(meta["category_lanes"])
    for position, result in frames:
        if isinstance(result, BadFrameError):
            if not skip_bad:
                raise result
            meta["skipped"][source.names[position]] = str(result)
        else:
            record, lane_count = result
            records.append(record)
            size += len(record)
            meta["lanes"] += lane_count
            category = source.categories.get(source.names[position])
            if category is not None:
                frame_counts[category] += 1
                lane_counts[category] += lane_count
        meta["next"] = position + 1
        if size >= batch_bytes or position + 1 == source.stop:
            meta["category_frames"], meta["category_lanes"] = dict(frame_counts), dict(lane_counts)
            writer.write(first, records, meta)
            first, records, size = first + len(records), [], 0
            yield meta["next"]


def _encode_all(
    source: Source, start: int, workers: int, verify_images: bool, ahead: int
) -> Iterator[tuple[int, tuple[bytes, int] | BadFrameError]]:
    """Each picture from ``start`` on, in order: position, and record with its number of lanes.

    In place of a record that cannot be made stands its error. Threads read, as reading, checksums
    and decoding run outside the interpreter's lock; they go on while a batch is flushed to disk,
    up to ``ahead`` bytes.
    """
    sizes = np.maximum(source.sizes, 0).sum(axis=1)
    pending: deque = deque()
    position, held = start, 0
    with ThreadPoolExecutor(workers) as pool:
        try:
            while pending or position < source.stop:
                while position < source.stop and (len(pending) < workers or held < ahead):
                    sums = np.cumsum(sizes[position : min(position + _TASK, source.stop)])
                    number = max(1, int((sums <= ahead // workers).sum()))
                    task, size = range(position, position + number), int(sums[number - 1])
                    pending.append((size, pool.submit(_encode, source, task, verify_images)))
                    held += size
                    position = task.stop
                size, future = pending.popleft()
                held -= size
                yield from zip(*future.result(), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)


def _encode(
    source: Source, positions: range, verify_images: bool
) -> tuple[range, list[tuple[bytes, int] | BadFrameError]]:
    """What :func:`_encode_all` gives for one task's positions."""
    results: list[tuple[bytes, int] | BadFrameError] = []
    for position in positions:
        try:
            results.append(source.encode(position, verify_images))
        except BadFrameError as error:
            results.append(error)
    return positions, results
