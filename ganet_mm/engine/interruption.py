"""Ctrl-C ends a tool with one line and exit status 130."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_STATUS = 128 + signal.SIGINT


@contextmanager
def one_line_on_interrupt(message: str) -> Iterator[None]:
    """Runs the work of a process; on Ctrl-C prints ``interrupted; <message>`` and exits with 130.

    The block is left by ``KeyboardInterrupt``, so its ``finally`` clauses run. Processes that are
    forked inside (data loaders, which get the terminal's signal too) leave the signal to this one,
    which ends them. Where the caller ignores SIGINT, as a shell's background jobs do, it stays
    ignored.

    A tool's imports take seconds; until it gets here it has a handler of its own, see
    ``tools/train.py``. Behind the block the signal is ignored: what was to be done is done, torch
    takes a second to leave, and the interpreter would die of a signal in the middle of that.

    Args:
        message: What is whole and how to go on.
    """
    process = os.getpid()
    pressed = False

    def handler(*_) -> None:
        nonlocal pressed
        if os.getpid() == process:
            pressed = True
            raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)
    try:
        yield
    except BaseException:
        if not pressed:  # an error made of the interrupt, by an import for example, is one too
            raise
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # another one must not break into this
        sys.stdout.flush()
        print(f"\ninterrupted; {message}", file=sys.stderr, flush=True)
        sys.exit(EXIT_STATUS)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
