"""Finds lanes on pictures, folders and videos: drawings, .lines.txt files, JSON."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from mmengine.config import Config, DictAction

from ganet_mm.apis import LaneInferencer
from ganet_mm.apis.lane_inferencer import BACKENDS
from ganet_mm.files import write_json


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="config file path")
    parser.add_argument(
        "weights", help="checkpoint (.pth), float or fake-quantized, or exported model (.onnx)"
    )
    parser.add_argument(
        "inputs", nargs="+", help="pictures, videos, and folders of them (searched recursively)"
    )
    parser.add_argument(
        "--out-dir",
        default="work_dirs/infer",
        help="where drawings and .lines.txt go, named as the inputs are (default: %(default)s)",
    )
    parser.add_argument("--no-draw", action="store_true", help="write no drawings")
    parser.add_argument("--lines", action="store_true", help="write CULane's .lines.txt files too")
    parser.add_argument("--json", metavar="FILE", help="write all lanes and scores to this file")
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        help="torch for .pth; onnxruntime (default) or openvino for .onnx",
    )
    parser.add_argument("--device", help="cpu, cuda:0, … (default: the best at hand)")
    parser.add_argument("--batch-size", type=int, default=1, help="frames a step (default: 1)")
    parser.add_argument(
        "--score-thr", type=float, default=0.0, help="leave out lanes with a lower score"
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        help="override settings of the config, xxx=yyy, nested keys by dots, lists as key=[a,b]",
    )
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    """Returns the exit status: 1 if an input did not decode."""
    if not Path(args.config).is_file():
        raise FileNotFoundError(f"config '{args.config}' does not exist")
    cfg = Config.fromfile(args.config)
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    inferencer = LaneInferencer(cfg, args.weights, args.device, args.backend)
    begin = time.perf_counter()
    result = inferencer(
        args.inputs,
        batch_size=args.batch_size,
        score_thr=args.score_thr,
        out_dir=args.out_dir,
        draw=not args.no_draw,
        lines=args.lines,
        on_error="record",
    )
    seconds = time.perf_counter() - begin
    frames, failed = result["predictions"], result["failed"]
    if args.json:
        content = {
            "config": args.config,
            "weights": args.weights,
            "backend": inferencer.backend,
            "frames": frames,
            "failed": failed,
        }
        write_json(args.json, content)
    lanes = sum(len(frame["lanes"]) for frame in frames)
    print(
        f"{len(frames)} frames, {lanes} lanes, {len(frames) / seconds:.1f} frames/s "
        f"({inferencer.backend}, reading and writing included)"
    )
    written = [] if args.no_draw and not args.lines else [args.out_dir]
    written += [args.json] if args.json else []
    if frames and written:
        print(f"written: {', '.join(written)}")
    for failure in failed:
        print(f"error: {failure['error']}", file=sys.stderr)
    if failed:
        print(f"{len(failed)} input(s) could not be read, see above", file=sys.stderr)
    return 1 if failed else 0


def main() -> None:
    args = parse_args()
    try:
        sys.exit(run(args))
    except KeyboardInterrupt:
        print(
            f"interrupted; what lies under '{args.out_dir}' is whole, an unfinished video and the "
            "JSON are not written",
            file=sys.stderr,
        )
        sys.exit(130)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
