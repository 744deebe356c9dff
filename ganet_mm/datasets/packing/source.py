"""What one LMDB is to hold: the frames that a list of a raw folder names."""

from __future__ import annotations

import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..culane import lines_name, read_categories, read_lines, read_list
from ..pictures import decode_image, image_shape
from ..record import encode_record

_PAGE = 4096  # bytes, LMDB's


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
        workers: int = 1,
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
