"""Packing a folder in CULane's layout into an LMDB, in a way that can be killed and resumed.

The LMDB grows in ``OUT.partial`` and is renamed to ``OUT`` when whole. Frames are written in list
order, a batch a transaction; each transaction also writes how far the list is done, so that a
resumed pack goes on at the right line whatever moment the last one ended at.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .culane import lines_name, read_categories, read_lines, read_list
from .lmdb_store import LmdbReader, LmdbWriter, partial_path
from .pictures import decode_image, image_shape
from .record import encode_record

# Bytes a transaction: large enough that flushing to disk costs little, small enough for memory,
# which holds three of them (read ahead, gathered, in LMDB's hands).
_BATCH_BYTES = 128 << 20
_PAGE = 4096

Progress = Callable[[int], None]


class BadFrameError(ValueError):
    """A listed frame that cannot be packed; says which file and why."""


@dataclass
class Source:
    """The frames that one LMDB is to hold.

    Attributes:
        root: The raw folder.
        names: Picture names of the whole list.
        categories: Category of each picture that has one.
        split: Name of the list, e.g. ``train``.
        start, stop: The part of the list to pack (a shard of it, or all).
        shard: Number of the shard, from 1, and the count of shards.
    """

    root: Path
    names: list[str]
    categories: dict[str, str]
    split: str
    start: int = 0
    stop: int = 0
    shard: tuple[int, int] = (1, 1)
    sizes: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.int64))

    @classmethod
    def open(
        cls,
        root: str | os.PathLike,
        list_file: str | os.PathLike,
        shard: tuple[int, int] = (1, 1),
        workers: int = 4,
    ) -> Source:
        """Reads the list and looks up the size of every file that it names.

        Args:
            root: The raw folder.
            list_file: Its list, e.g. ``D/list/train.txt``.
            shard: Number (from 1) and count of shards: consecutive parts of the list.
            workers: Threads.

        Raises:
            FileNotFoundError: The folder or the list is missing.
            ValueError: The list is empty or names a picture twice; there is no such shard.
        """
        root, list_file = Path(root), Path(list_file)
        if not root.is_dir():
            raise FileNotFoundError(
                f"{root}: no such folder; unpack CULane there, or draw one by: python "
                f"tools/dataset_converters/make_synlane.py --out {root}"
            )
        number, count = shard
        if not 1 <= number <= count:
            raise ValueError(f"shard {number}/{count}: expected i/n with 1 ≤ i ≤ n")
        names = read_list(list_file)
        if count > len(names):
            raise ValueError(f"shard {number}/{count}: {list_file} has only {len(names)} pictures")
        with ThreadPoolExecutor(workers) as pool:
            sizes = list(pool.map(lambda name: _file_sizes(root, name), names, chunksize=256))
        return cls(
            root,
            names,
            read_categories(root),
            list_file.stem,
            (number - 1) * len(names) // count,
            number * len(names) // count,
            shard,
            np.array(sizes, np.int64),
        )

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def fingerprint(self) -> int:
        """CRC-32 over names, categories and file sizes of the whole list.

        Not over times of change: a copy of a folder is the same source.
        """
        crc = zlib.crc32(self.sizes.astype("<i8").tobytes())
        return zlib.crc32(
            "\n".join(f"{name}\t{self.categories.get(name)}" for name in self.names).encode(), crc
        )

    @property
    def identity(self) -> dict:
        """What the LMDB's index says of where its frames come from."""
        return {
            "split": self.split,
            "listed": len(self.names),
            "fingerprint": self.fingerprint,
            "shard": list(self.shard),
        }

    def needed_bytes(self, position: int) -> int:
        """Disk space for the list from ``position`` on, rounded up to LMDB's pages."""
        sizes = np.maximum(self.sizes[position : self.stop], 0)
        # The points take no more than their text does; the header and info less than a page.
        pages = sizes.sum(axis=1) // _PAGE + 2
        return int(pages.sum() * 1.01) * _PAGE + (1 << 20)

    def encode(self, position: int, verify_images: bool = False) -> tuple[bytes, int]:
        """The record of the list's picture at ``position``, and its number of lanes.

        Args:
            position: In the whole list.
            verify_images: Decode the picture, rather than look at its header and end only.

        Raises:
            BadFrameError: Picture or annotation are missing, damaged or hold junk.
        """
        name = self.names[position]
        path = self.root / name
        try:
            img_bytes = path.read_bytes()
        except FileNotFoundError:
            raise BadFrameError(
                f"{path}: line {position + 1} of list {self.split} names this picture, but it is "
                "not there"
            ) from None
        except IsADirectoryError:
            raise BadFrameError(f"{path}: a folder; expected a picture") from None
        try:
            shape = image_shape(img_bytes)
            if verify_images:
                decode_image(img_bytes)
            lanes = read_lines(self.root / lines_name(name))
        except FileNotFoundError as error:
            raise BadFrameError(str(error)) from None
        except ValueError as error:
            message = str(error)
            raise BadFrameError(
                message if lines_name(name) in message else f"{path}: {message}"
            ) from None
        record = encode_record(img_bytes, lanes, name, self.categories.get(name), shape)
        return record, len(lanes)


def _file_sizes(root: Path, name: str) -> tuple[int, int]:
    """Bytes of picture and annotation; −1 for a file that is missing."""
    return tuple(_file_size(root / part) for part in (name, lines_name(name)))


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


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
    """Keeps ``partial`` to one packer, and to one run of the machine.

    What a killed packer wrote is whole as long as the machine runs on; after a loss of power it
    may not be, as the disk is not waited for until the pack's end. The lock file goes with the
    process that holds it and names the machine's run.
    """
    import fcntl

    with (partial / "pack.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileExistsError(f"{partial}: another process is packing there") from None
        file.seek(0)
        began = file.read()
        if began and began != _machine_run():
            raise FileExistsError(
                f"{partial}: the machine was restarted since this pack began, and what was not "
                "on disk by then is lost; remove the folder and pack again"
            )
        if not began:
            file.write(_machine_run())
            file.flush()
        yield


def _machine_run() -> str:
    """Names the time between two starts of the machine, where the system tells."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def pack(
    source: Source,
    out: str | os.PathLike,
    *,
    workers: int = 4,
    resume: bool = False,
    skip_bad: bool = False,
    verify_images: bool = False,
    batch_bytes: int = _BATCH_BYTES,
    progress: Progress = lambda done: None,
) -> dict:
    """Packs ``source`` into the LMDB ``out``, which appears whole or not at all.

    A bad frame ends the pack and leaves nothing behind, unless ``resume`` was given: then what is
    packed is kept for the next try. A full disk, a kill or an interruption always keep it.

    Args:
        source: What to pack.
        out: The LMDB's folder; must not exist.
        workers: Threads that read and check files.
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
    _check_space(source.needed_bytes(source.start) - _disk_usage(partial), out.parent)
    partial.mkdir(parents=True, exist_ok=True)
    with _locked(partial):
        try:
            # Twice the estimate: the map is address space only.
            with LmdbWriter(partial, 2 * source.needed_bytes(source.start) + (1 << 26)) as writer:
                begun = _begin(source, writer, partial)
                progress(begun["next"] - source.start)
                frames = _encode_all(source, begun["next"], workers, verify_images, batch_bytes)
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
    _sync_folder(out.parent)
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
    sizes = np.maximum(source.sizes, 0).sum(axis=1).tolist()
    pending: deque = deque()
    position, held = start, 0
    with ThreadPoolExecutor(workers) as pool:
        try:
            while pending or position < source.stop:
                while position < source.stop and (len(pending) < workers or held < ahead):
                    future = pool.submit(source.encode, position, verify_images)
                    pending.append((position, future))
                    held += sizes[position]
                    position += 1
                done, future = pending.popleft()
                held -= sizes[done]
                error = future.exception()
                if error is not None and not isinstance(error, BadFrameError):
                    raise error
                yield done, error if error is not None else future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _check_space(needed: int, folder: Path) -> None:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"{folder}: the pack needs {needed / 1e9:.2f} GB, the disk has {free / 1e9:.2f} GB "
            "free; make room or choose another --out"
        )


def _disk_usage(path: Path) -> int:
    """Bytes on disk of the files in ``path``; 0 where there is nothing."""
    return sum(file.stat().st_blocks * 512 for file in path.glob("*"))


def _sync_folder(folder: Path) -> None:
    """Makes a rename in ``folder`` survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
    _check_space(size, out.parent)
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
    _sync_folder(out.parent)
    return LmdbReader(out).meta


def _batches(readers: list[LmdbReader]) -> Iterator[list[bytes]]:
    records: list[bytes] = []
    size = 0
    for reader in readers:
        for index in range(len(reader)):
            reader.read(index)  # a damaged record must not be handed on
            records.append(reader.read_bytes(index))
            size += len(records[-1])
            if size >= _BATCH_BYTES:
                yield records
                records, size = [], 0
    if records:
        yield records


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
