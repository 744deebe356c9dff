"""Frames in an LMDB: a writer that can be killed, a reader that is safe in data loader workers.

An LMDB here is a folder with ``data.mdb``. Frames have the keys ``00000000``, ``00000001``, … and
the values of :mod:`.record`; the key ``!meta`` holds the index as JSON: ``schema`` (the format's
name), ``version``, ``complete`` (False while being packed), ``count`` and what the packer noted.
"""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb
import numpy as np

from .lmdb_pages import record_places
from .record import SCHEMA_VERSION, DamagedRecordError, decode_record

SCHEMA_NAME = "ganet_mm.lanes"
META_KEY = b"!meta"
PACK_COMMAND = (
    "python tools/dataset_converters/pack_culane.py --data-root DATA_ROOT "
    "--split train|val|test --out {path}"
)


def record_key(index: int) -> bytes:
    """Key of the frame at position ``index``."""
    return b"%08d" % index


def is_lmdb(path: str | os.PathLike) -> bool:
    """Whether ``path`` is a folder holding an LMDB (whole or not)."""
    return Path(path, "data.mdb").is_file()


def partial_path(path: str | os.PathLike) -> Path:
    """Where the LMDB ``path`` lies while it is being packed."""
    path = Path(path)
    return path.with_name(path.name + ".partial")


class _Environment:
    """One open LMDB, belonging to the process that opened it."""

    def __init__(self, path: str) -> None:
        self.pid = os.getpid()
        self.file_id = _file_id(path)
        try:
            # No lock file: nothing writes beside readers here, and the data may be read-only.
            # With read-ahead, though the order is random: a record that is read through the map
            # is some fifty pages, which without it come from disk one by one.
            self.env = lmdb.open(
                path, readonly=True, lock=False, readahead=True, create=False, max_readers=1
            )
        except lmdb.Error as error:
            raise OSError(
                f"{path}: not a readable LMDB ({error}); pack it again: "
                + PACK_COMMAND.format(path=path)
            ) from None
        # Reading a page beyond the end of the file kills the process with SIGBUS: check first.
        needed = (self.env.info()["last_pgno"] + 1) * self.env.stat()["psize"]
        size = Path(path, "data.mdb").stat().st_size
        if size < needed:
            self.env.close()
            raise OSError(
                f"{path}: data.mdb is cut short ({size} of {needed} bytes); copy it again or pack "
                "it again: " + PACK_COMMAND.format(path=path)
            )
        self._places: np.ndarray | None = None
        self._file = os.open(Path(path, "data.mdb"), os.O_RDONLY)
        self._close_file = weakref.finalize(self, os.close, self._file)
        self.open = True

    def close(self) -> None:
        self.env.close()
        self._close_file()
        self.open = False

    def read_directly(self, index: int) -> bytes | None:
        """The bytes of the file where record ``index`` ought to lie; None if no place is known."""
        if not hasattr(os, "pread"):  # Windows
            return None
        if self._places is None:
            self._places = self._find_places()
        if not 0 <= index < len(self._places):
            return None
        offset, length = self._places[index].tolist()
        return os.pread(self._file, length, offset) if length else None

    def _find_places(self) -> np.ndarray:
        stat = self.env.stat()
        # Where records are short enough to share pages there is next to nothing to find, and many
        # leaves to look through. Otherwise CULane's 133 235 take 0.1 s, from a cold disk 0.3 s.
        if stat["overflow_pages"] < stat["leaf_pages"]:
            return np.empty((0, 2), np.int64)
        transaction = self.env.info()["last_txnid"]
        return record_places(self._file, stat["psize"], transaction, stat["entries"])

    @property
    def usable(self) -> bool:
        return self.open and self.pid == os.getpid()


# One environment a path and process: lmdb refuses a second open of one path. Weak, so that the
# last reader closes it.
_environments: weakref.WeakValueDictionary[str, _Environment] = weakref.WeakValueDictionary()


def _file_id(path: str) -> tuple[int, int]:
    stat = Path(path, "data.mdb").stat()
    return stat.st_dev, stat.st_ino


def _open_environment(path: str) -> _Environment:
    environment = _environments.get(path)
    if environment is not None:
        if environment.usable and environment.file_id == _file_id(path):
            return environment
        # Inherited through a fork (lmdb's list of open paths is inherited with it), or the file
        # was packed anew: closing concerns this process only, as nothing is locked.
        environment.close()
    environment = _environments[path] = _Environment(path)
    return environment


class LmdbReader:
    """Frames of one LMDB by position.

    The LMDB is opened once a process, however many readers a process has on it, and again by
    itself in forked and spawned workers. A reader can be pickled and copied.

    Args:
        path: The LMDB's folder.
        partial_ok: Whether an unfinished LMDB may be read (for tools that check it).

    Raises:
        FileNotFoundError: There is no LMDB at ``path``.
        OSError: ``data.mdb`` is no LMDB or cut short.
        ValueError: It has no index (an interrupted pack, or not made by this project's packer),
            is unfinished, or has an unknown schema version.
    """

    def __init__(self, path: str | os.PathLike, *, partial_ok: bool = False) -> None:
        self.name = str(path)
        self.path = os.path.realpath(path)
        self._environment: _Environment | None = None
        if not is_lmdb(self.path):
            raise FileNotFoundError(_missing(self.name))
        self.meta = self._read_meta(partial_ok)

    def __len__(self) -> int:
        return self.meta["count"]

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_environment": None}

    def _open(self) -> _Environment:
        if self._environment is None or not self._environment.usable:
            self._environment = _open_environment(self.path)
        return self._environment

    def _begin(self) -> lmdb.Transaction:
        return self._open().env.begin(buffers=True)

    def _read_meta(self, partial_ok: bool) -> dict:
        with self._begin() as transaction:
            value = transaction.get(META_KEY)
            meta = None if value is None else json.loads(bytes(value))
        again = "pack it again: " + PACK_COMMAND.format(path=self.name)
        if meta is None or meta.get("schema") != SCHEMA_NAME:
            raise ValueError(
                f"{self.name}: an LMDB without an index ('{META_KEY.decode()}' of schema "
                f"{SCHEMA_NAME}): its pack was interrupted or another program made it; {again}"
            )
        if meta["version"] != SCHEMA_VERSION:
            raise ValueError(
                f"{self.name}: schema version {meta['version']}; this reader knows version "
                f"{SCHEMA_VERSION}: use the release that packed it, or {again}"
            )
        if not meta["complete"] and not partial_ok:
            raise ValueError(
                f"{self.name}: an unfinished pack ({meta['count']} frames so far); finish it by "
                "the command that began it with --resume"
            )
        return meta

    def read_bytes(self, index: int) -> bytes:
        """The bytes that LMDB gives for frame ``index`` (0 ≤ index < len), unchecked."""
        with self._record(index) as value:
            return bytes(value)

    def read(self, index: int) -> dict:
        """Frame ``index`` (0 ≤ index < len) as :func:`.record.decode_record` gives it.

        Raises:
            KeyError: The record is missing.
            DamagedRecordError: The record's bytes are not what was written (names the key).
            OSError: The disk does not give them.
        """
        where, environment = self._where(index), self._open()
        try:
            value = environment.read_directly(index)
            if value is not None:
                return decode_record(value, where)
        except OSError as error:
            raise OSError(f"{where}: cannot be read ({error})") from error
        except ValueError:
            pass  # LMDB itself has the last word
        with self._record(index) as value:
            return decode_record(value, where)

    def _where(self, index: int) -> str:
        return f"{self.name}: record '{record_key(index).decode()}'"

    @contextmanager
    def _record(self, index: int) -> Iterator[memoryview]:
        """The stored bytes, valid inside the ``with`` only."""
        try:
            with self._begin() as transaction:
                value = transaction.get(record_key(index))
                if value is None:
                    raise KeyError(f"{self._where(index)} is missing; pack again")
                yield value
        except lmdb.Error as error:
            raise DamagedRecordError(
                f"{self._where(index)}: the LMDB's tree is damaged ({error}); pack again"
            ) from None

    def close(self) -> None:
        """Lets go of the LMDB; the next read opens it again."""
        self._environment = None


def _missing(path: str) -> str:
    if partial_path(path).exists():
        return (
            f"{path}: not packed to the end ({partial_path(path).name} lies beside it); finish it "
            "by the command that began it with --resume"
        )
    return f"{path}: no LMDB here; make it by: " + PACK_COMMAND.format(path=path)


class LmdbWriter:
    """Frames into an LMDB, a batch at a time, each batch whole on disk or not there at all.

    Args:
        path: The LMDB's folder; made if missing, else carried on.
        map_size: The most bytes that ``data.mdb`` may come to hold.
    """

    def __init__(self, path: str | os.PathLike, map_size: int) -> None:
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        # Without metasync a loss of power may undo the last batch, which is whole or gone as ever;
        # it saves one flush of two a batch.
        self._env = lmdb.open(os.path.realpath(path), map_size=map_size, lock=False, metasync=False)
        with self._env.begin() as transaction:
            value = transaction.get(META_KEY)
        self.meta: dict | None = None if value is None else json.loads(value)

    def write(self, index: int, records: list[bytes], meta: dict) -> None:
        """Puts ``records`` at positions ``index``, ``index`` + 1, … with the index that then holds.

        One transaction, flushed to disk: after a kill or a loss of power either all of it is
        there, or nothing.

        Raises:
            OSError: The disk is full or does not take the data.
        """
        count = index + len(records)
        meta = {**meta, "schema": SCHEMA_NAME, "version": SCHEMA_VERSION, "count": count}
        try:
            with self._env.begin(write=True) as transaction:
                for offset, record in enumerate(records):
                    transaction.put(record_key(index + offset), record)
                transaction.put(META_KEY, json.dumps(meta).encode())
        except lmdb.Error as error:
            raise OSError(f"{self.path}: could not write frame {index} ({error})") from error
        self.meta = meta

    def close(self) -> None:
        """Closes the LMDB, all of it on disk. The file is given its full length.

        Readers check the length, and LMDB may leave unused pages at the end unwritten.
        """
        needed = (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]
        self._env.close()
        with (self.path / "data.mdb").open("r+b") as file:
            if os.fstat(file.fileno()).st_size < needed:
                os.truncate(file.fileno(), needed)
            os.fsync(file.fileno())

    def __enter__(self) -> LmdbWriter:
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()
