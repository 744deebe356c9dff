"""Packs a folder in CULane's layout into an LMDB: the pictures' own bytes, the lanes, a checksum.

    python tools/dataset_converters/pack_culane.py --data-root D --split train --out D/train_lmdb

Packing again what is packed says so and does nothing. A large list can be packed in parts, on
several machines, and joined:

    pack_culane.py --data-root D --split train --shard 1/4 --out part1    # … 4/4 --out part4
    pack_culane.py --merge part1 part2 part3 part4 --out D/train_lmdb
    pack_culane.py --verify --out D/train_lmdb
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ganet_mm.cores import allowed_cores
from ganet_mm.datasets import packing
from ganet_mm.datasets.culane import is_culane, total_warnings
from ganet_mm.datasets.lmdb_store import LmdbReader
from ganet_mm.files import write_json


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, help="folder in CULane's layout")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--split", help="name of a list, e.g. train: DATA_ROOT/list/train.txt")
    which.add_argument("--list", type=Path, help="a list file anywhere")
    parser.add_argument("--out", type=Path, required=True, help="the LMDB's folder")
    parser.add_argument(
        "--workers",
        type=int,
        # Reading is so short that more threads wait for the interpreter's lock most of the time,
        # and packing is slower (benchmarks/data.py --workers).
        help="reading threads (default 1; more only help where a network drive answers slowly); "
        "threads of --verify-images and processes of --verify (default: one a core)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with an unfinished pack, if there is one"
    )
    parser.add_argument("--shard", metavar="i/n", type=_shard, default=(1, 1), help="part i of n")
    parser.add_argument(
        "--skip-bad",
        metavar="REPORT",
        type=Path,
        help="leave out frames that cannot be packed and list them in this JSON file",
    )
    parser.add_argument(
        "--verify-images",
        action="store_true",
        help="decode every picture (default: look at its header and its end)",
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--merge", nargs="+", metavar="LMDB", type=Path, help="join these shards")
    mode.add_argument("--verify", action="store_true", help="check every record of --out")
    args = parser.parse_args(argv)
    if args.workers is None:
        args.workers = allowed_cores() if args.verify or args.verify_images else 1
    if args.workers < 1:
        parser.error(f"--workers {args.workers}: expected 1 or more")
    if not (args.merge or args.verify):
        if args.data_root is None:
            parser.error("--data-root is needed to pack")
        if args.split is None and args.list is None:
            parser.error("--split or --list is needed to pack")
    return args


def _shard(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text}: expected i/n with 1 ≤ i ≤ n, e.g. 1/4")
    return int(number), int(count)


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal; gives the function that sets how much is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TextColumn("frames"), TimeRemainingColumn()) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)


def run_pack(args: argparse.Namespace, console: Console) -> None:
    list_file = args.list or args.data_root / "list" / f"{args.split}.txt"
    source = packing.Source.open(args.data_root, list_file, args.shard, args.workers)
    if packing.is_packed(source, args.out):
        meta = LmdbReader(args.out).meta
        console.print(f"{args.out}: packed already, {meta['count']} frames; nothing to do")
    else:
        with progress_bar(f"pack {source.split}", len(source)) as progress:
            meta = packing.pack(
                source,
                args.out,
                workers=args.workers,
                resume=args.resume,
                skip_bad=args.skip_bad is not None,
                verify_images=args.verify_images,
                progress=progress,
            )
        size = (args.out / "data.mdb").stat().st_size
        console.print(
            f"{args.out}: {meta['count']} frames, {meta['lanes']} lanes, {size / 1e6:.1f} MB"
        )
    if args.skip_bad is not None:
        report = {"out": str(args.out), "packed": meta["count"], "skipped": meta["skipped"]}
        write_json(args.skip_bad, report)
        console.print(f"{args.skip_bad}: {len(meta['skipped'])} frames left out")
    if args.shard == (1, 1) and is_culane(source.names):
        warn_totals(meta, console)


def warn_totals(meta: dict, console: Console) -> None:
    """Says where a CULane split's counts are not the published ones."""
    for warning in total_warnings(
        meta["split"], meta["count"], meta["category_frames"], meta["category_lanes"]
    ):
        console.print(f"[yellow]warning[/]: {warning}")


def run_merge(args: argparse.Namespace, console: Console) -> None:
    total = sum(len(LmdbReader(path)) for path in args.merge)
    with progress_bar("merge", total) as progress:
        meta = packing.merge(args.merge, args.out, progress)
    console.print(f"{args.out}: {meta['count']} frames of {len(args.merge)} shards")
    if is_culane([LmdbReader(args.out).read(0)["img_path"]]):
        warn_totals(meta, console)


def run_verify(args: argparse.Namespace, console: Console) -> int:
    total = len(LmdbReader(args.out))
    with progress_bar("verify", total) as progress:
        faults = packing.verify(
            args.out, decode=args.verify_images, workers=args.workers, progress=progress
        )
    for fault in faults:
        console.print(f"[red]fault[/]: {fault}", soft_wrap=True)
    console.print(f"{args.out}: {total - len(faults)} of {total} records are whole")
    return 1 if faults else 0


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    console = Console(highlight=False, soft_wrap=True)
    try:
        if args.verify:
            return run_verify(args, console)
        if args.merge:
            run_merge(args, console)
        else:
            run_pack(args, console)
    except KeyboardInterrupt:
        how = "go on with --resume"
        if args.verify:
            how = "not every record was looked at; run the same command again"
        elif args.merge:
            how = "nothing was written; run the same command again"
        print(f"interrupted; {how}", file=sys.stderr)
        return 130
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    # Threads inside OpenCV would only stand in each other's way.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
