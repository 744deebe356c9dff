"""Runs a function on chunks of work in worker processes while the caller goes on."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from mmengine.logging import print_log


class ScoringPool:
    """Hands chunks to worker processes, or works in the process itself with ``num_workers=0``.

    The processes start with the first chunk and end with :meth:`collect`, so that nothing of the
    pool lives between two evaluations. A worker ends by itself when its parent is gone, however
    that came; where workers die, the chunks they leave are done in this process.

    Args:
        function: A picklable function of one chunk.
        num_workers: Worker processes, 0 for none.

    Raises:
        ValueError: ``num_workers`` is negative.
    """

    def __init__(self, function: Callable[[Any], Any], num_workers: int) -> None:
        if num_workers < 0:
            raise ValueError(f"num_workers must be 0 or more, not {num_workers}.")
        self.function = function
        self.num_workers = num_workers
        self._executor: ProcessPoolExecutor | None = None
        self._pending: list[tuple[Future | None, Any]] = []

    def submit(self, chunk: Any) -> None:
        """Starts work on ``chunk``; without workers does it at once."""
        if self.num_workers == 0:
            self._pending.append((None, self.function(chunk)))
            return
        try:
            if self._executor is None:
                self._executor = _start_executor(self.num_workers)
            future = self._executor.submit(self.function, chunk)
        except BrokenProcessPool as error:
            future = Future()
            future.set_exception(error)
        self._pending.append((future, chunk))

    def collect(self, on_result: Callable[[Any], None] | None = None) -> list[Any]:
        """Waits for all chunks and ends the workers.

        Args:
            on_result: Called with each result as it is taken, for progress.

        Returns:
            The results in the order the chunks were given.

        Raises:
            Exception: What ``function`` raised on the first chunk that failed.
        """
        pending, self._pending = self._pending, []
        results = []
        warned = False
        try:
            for future, chunk in pending:
                if future is None:
                    result = chunk
                else:
                    try:
                        result = future.result()
                    except BrokenProcessPool:
                        if not warned:
                            print_log(
                                "A scoring process died; this process scores what it left.",
                                "current",
                                logging.WARNING,
                            )
                        warned = True
                        result = self.function(chunk)
                results.append(result)
                if on_result is not None:
                    on_result(result)
        finally:
            self.close()
        return results

    def close(self) -> None:
        """Ends the workers; work not begun is dropped."""
        executor, self._executor = self._executor, None
        self._pending = []
        if executor is not None:
            executor.shutdown(wait=True, cancel_futures=True)


def _start_executor(num_workers: int) -> ProcessPoolExecutor:
    # Forking shares what is imported already; elsewhere a worker imports the package anew.
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    return ProcessPoolExecutor(
        num_workers, multiprocessing.get_context(method), initializer=_follow_parent
    )


def _follow_parent() -> None:
    """In a worker: leaves Ctrl-C to the parent, and ends when the parent is gone, even killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
