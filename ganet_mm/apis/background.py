"""Work beside the network: the next frames are read and the last ones written meanwhile.

OpenCV, the encoder and the runtimes let go of Python's lock while they compute, so threads do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
_END = object()


def _one_thread() -> ThreadPoolExecutor:
    # Without a pool of torch's own: two pools that wait for each other by spinning would take the
    # network's cores.
    return ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,))


def read_ahead(items: Generator[T, None, None], depth: int) -> Iterator[T]:
    """Yields items in order while a thread computes up to ``depth`` more.

    What the generator raises comes at its place in the order. Closed early, it waits for the item
    being computed, drops those after and closes the generator.
    """
    pool = _one_thread()
    try:
        pending = deque(pool.submit(next, items, _END) for _ in range(depth))
        while (item := pending.popleft().result()) is not _END:
            pending.append(pool.submit(next, items, _END))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)
        items.close()


class InOrder:
    """Runs calls one after the other in a thread of its own.

    Args:
        depth: calls that may wait; :meth:`submit` blocks above that.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._pool = _one_thread()
        self._pending: deque[Future] = deque()

    def submit(self, call: Callable, *args) -> None:
        """Runs ``call(*args)`` later; raises what an earlier call raised."""
        while len(self._pending) >= self._depth:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(call, *args))

    def finish(self) -> None:
        """Waits for all calls; raises what one of them raised."""
        while self._pending:
            self._pending.popleft().result()

    def close(self) -> None:
        """Waits for the running call and forgets the others."""
        self._pool.shutdown(cancel_futures=True)
