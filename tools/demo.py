"""Runs the whole pipeline once on drawn roads and ends with a table and pictures.

Run again, it keeps what is whole and goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # The imports below take seconds, and until main() there is nothing to close.
    signal.signal(signal.SIGINT, lambda *_: (os.write(2, b"\ninterrupted\n"), os._exit(130)))

from ganet_mm.apis.demo import run_demo
from ganet_mm.engine.interruption import one_line_on_interrupt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", nargs="?", default="configs/ganet_synlane.py")
    parser.add_argument("--train", type=int, default=800, help="frames to draw for training")
    parser.add_argument("--val", type=int, default=90, help="for validation")
    parser.add_argument("--test", type=int, default=270, help="for the test, nine categories")
    parser.add_argument("--seed", type=int, default=0, help="of the drawn world")
    parser.add_argument("--work-dir", help="default: work_dirs/<config name>")
    args = parser.parse_args()
    for option in ("train", "val", "test"):
        if getattr(args, option) < 1:
            parser.error(f"--{option} must be at least 1")
    try:
        run_demo(
            args.config,
            frames=(args.train, args.val, args.test),
            work_dir=args.work_dir,
            seed=args.seed,
        )
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    with one_line_on_interrupt("what is whole is kept; run again to go on here"):
        main()
