"""Scores a folder of predicted .lines.txt files by the official CULane protocol."""

from __future__ import annotations

import argparse
import sys

from ganet_mm.evaluation.culane_cli import run_eval_culane


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gt-dir", required=True, help="folder of the annotations")
    parser.add_argument("--pred-dir", required=True, help="folder of the predictions")
    parser.add_argument(
        "--list", action="append", default=[], dest="lists", help="list of pictures; repeatable"
    )
    parser.add_argument("--list-dir", help="folder of lists, e.g. CULane's list/test_split")
    parser.add_argument("--iou-thr", type=float, nargs="+", default=[0.5, 0.75], metavar="THR")
    parser.add_argument("--mf1", action="store_true", help="also the mean F1 at 0.50:0.05:0.95")
    parser.add_argument("--workers", type=int, help="processes; default: one a core")
    parser.add_argument("--out", help="JSON file to write the scores to")
    parser.add_argument(
        "--img-size", type=int, nargs=2, default=[1640, 590], metavar=("WIDTH", "HEIGHT")
    )
    parser.add_argument(
        "--fix-degenerate",
        action="store_true",
        help="count lanes wholly outside the picture as plain misses; the official program lets "
        "a pair of them cost a good lane its match",
    )
    args = parser.parse_args()
    try:
        run_eval_culane(**vars(args))
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
