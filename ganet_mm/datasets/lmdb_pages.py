"""Where the records of an LMDB lie in its file, to read them without going through its map.

LMDB gives a value as memory of a map of the file. The system fills such memory a page fault at a
time and reads ahead far beyond the value (as much as the disk's ``read_ahead_kb`` says, which may
be megabytes), or, told not to, page by page. One read of the very bytes does neither, which counts
when the set is larger than the page cache. ``benchmarks/data.py`` compares map, this and files.

Layout of the file: LMDB 0.9's ``mdb.c``, "Page Format" (data version 1, 64 bits, little-endian).
Pages 0 and 1 are meta pages, of which the one with the later transaction holds; its tree's leaves
hold keys, and for a value that does not fit into a leaf the first of its own, consecutive pages.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

import numpy as np

_MAGIC, _DATA_VERSION = 0xBEEFC0DE, 1
# magic, version, (address), map size; for each of the two trees: page size or 0, flags, depth,
# branch, leaf and overflow pages, entries, root; last page, transaction.
_META = struct.Struct("<II8xQ" + 2 * "IHHQQQQQ" + "QQ")
# number, (unused), flags, end of the nodes' places in the page, (start of the nodes).
_PAGE = struct.Struct("<Q2xHH2x")
_BRANCH, _LEAF = 1, 2  # a page's flags
_BIG_DATA = 1  # a node's flag: the value has pages of its own
_NODE = np.dtype(
    [
        ("low", "<u2"),  # length of the value, or a branch's page: bits 0…15,
        ("high", "<u2"),  # 16…31,
        ("flags", "<u2"),  # and of a branch's page 32…47
        ("key_size", "<u2"),
        ("key", "u1", 8),  # "%08d", as lmdb_store.record_key makes it
        ("page", "<u8"),
    ]
)
_POWERS = 10 ** np.arange(7, -1, -1)


def record_places(descriptor: int, page_size: int, transaction: int, count: int) -> np.ndarray:
    """Offset and length of each record's bytes in ``data.mdb``.

    Nothing is taken from the file on trust: what does not look like LMDB's page is passed over,
    so that a damaged file gives fewer places, and the bytes at one may not be the record's. A
    record's checksum is to be looked at.

    Args:
        descriptor: The open ``data.mdb``.
        page_size: Its pages' bytes (``Environment.stat()["psize"]``).
        transaction: The last one (``Environment.info()["last_txnid"]``).
        count: Number of records; they have the keys ``00000000`` … (``count`` − 1).

    Returns:
        np.ndarray: (count, 2) int64, bytes. Rows of zeros are records of no known place: short
        ones, which share a page with others, and all of a file in another version of the format.
    """
    places = np.zeros((count, 2), np.int64)
    size = os.fstat(descriptor).st_size
    for nodes in _leaves(descriptor, page_size, transaction):
        digits = nodes["key"] - 48  # uint8: what is below "0" wraps to above 9
        index = digits @ _POWERS
        known = nodes["flags"] == _BIG_DATA
        known &= (nodes["key_size"] == 8) & (digits <= 9).all(1) & (index < count)
        known &= nodes["page"] < size // page_size
        nodes, index = nodes[known], index[known]
        places[index, 0] = nodes["page"].astype(np.int64) * page_size + _PAGE.size
        places[index, 1] = nodes["low"] | nodes["high"].astype(np.int64) << 16
    # A value that an empty one replaced keeps its pages, and nothing is to be read there.
    places[(places.sum(axis=1) > size) | (places[:, 1] == 0)] = 0
    return places


def _leaves(descriptor: int, page_size: int, transaction: int) -> Iterator[np.ndarray]:
    """The nodes of each leaf of the tree that ``transaction`` left."""
    root, last = _root(descriptor, page_size, transaction)
    pending, seen = [root], 0
    while pending and seen <= last:  # a damaged branch may lead in a circle
        seen += 1
        number = pending.pop()
        page = os.pread(descriptor, page_size, number * page_size) if number <= last else b""
        if len(page) < page_size:
            continue
        found, flags, end = _PAGE.unpack_from(page)
        if found != number or not _PAGE.size < end <= page_size:
            continue
        starts = np.frombuffer(page, "<u2", (end - _PAGE.size) // 2, _PAGE.size)
        if starts.max() > page_size:
            continue
        # A short node at the page's end is read beyond it.
        data = np.frombuffer(page + bytes(_NODE.itemsize), np.uint8)
        nodes = data[starts[:, None] + np.arange(_NODE.itemsize)].view(_NODE)[:, 0]
        if flags == _LEAF:
            yield nodes
        elif flags == _BRANCH:
            low, high, top = (nodes[name].astype(np.int64) for name in ("low", "high", "flags"))
            pending += (low | high << 16 | top << 32).tolist()


def _root(descriptor: int, page_size: int, transaction: int) -> tuple[int, int]:
    """Root of the tree of records and last page of the file; a root beyond it if unknown."""
    for number in (0, 1):
        meta = os.pread(descriptor, _META.size, number * page_size + _PAGE.size)
        if len(meta) == _META.size:
            magic, version, *_, root, last, stored = _META.unpack(meta)
            if (magic, version, stored) == (_MAGIC, _DATA_VERSION, transaction):
                return root, last
    return 1, 0
