"""Finds lanes on pictures, folders and videos: drawings, .lines.txt files, JSON."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # The imports below take seconds, and until main() there is nothing to close.
    signal.signal(signal.SIGINT, lambda *_: (os.write(2, b"\ninterrupted\n"), os._exit(130)))

from mmengine.config import DictAction

from ganet_mm.apis import LaneInferencer
from ganet_mm.apis.model_files import BACKENDS
from ganet_mm.engine.interruption import one_line_on_interrupt
from ganet_mm.files import check_output, write_json

CONFIG_SUFFIXES = (".py", ".json", ".yaml", ".yml")
WEIGHTS_SUFFIXES = (".pth", ".pt", ".onnx", ".xml")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        usage="%(prog)s [options] [CONFIG WEIGHTS] INPUT [INPUT ...]",
        epilog="Without CONFIG and WEIGHTS the weights that come with ganet_mm are used.",
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="pictures, videos, and folders of them (searched recursively); before them, if "
        "wanted, a config file and its weights: checkpoint (.pth), float or fake-quantized, or "
        "exported model (.onnx, .xml)",
    )
    parser.add_argument(
        "--model", metavar="NAME", help="which of the weights that come with ganet_mm"
    )
    parser.add_argument("--list-models", action=ListModels, help="print their names and exit")
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
        help="torch for .pth; onnxruntime or openvino for exported files",
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
    args = parser.parse_intermixed_args(argv)  # options may stand between the inputs
    if not 0 <= args.score_thr <= 1:
        parser.error(f"--score-thr {args.score_thr}: a score is in 0..1")
    args.config, args.weights, args.inputs = split_inputs(args.inputs, parser)
    if args.config and args.model:
        parser.error(f"--model {args.model}: with a config of your own there is no name to give")
    return args


class ListModels(argparse.Action):
    """Prints the names of the shipped models, one a line."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, nargs=0, **kwargs)

    def __call__(self, parser, *_) -> None:
        print("\n".join(LaneInferencer.list_models()))
        parser.exit()


def split_inputs(
    words: list[str], parser: argparse.ArgumentParser
) -> tuple[str | None, str | None, list[str]]:
    """Config, weights and inputs of the words; the first two None where they begin with inputs."""
    kinds = [Path(word).suffix.lower() for word in words]
    if kinds[0] in WEIGHTS_SUFFIXES:
        parser.error(f"'{words[0]}' needs its config before it: CONFIG WEIGHTS INPUT")
    if kinds[0] not in CONFIG_SUFFIXES:
        return None, None, words
    if len(words) < 2 or kinds[1] not in WEIGHTS_SUFFIXES:
        parser.error(
            f"after config '{words[0]}' come its weights, a checkpoint (.pth) or an exported file "
            "(.onnx, .xml)"
        )
    if len(words) < 3:
        parser.error("no input: give pictures, videos or folders after config and weights")
    return words[0], words[1], words[2:]


def run(args: argparse.Namespace) -> int:
    """Returns the exit status: 1 if an input did not decode."""
    if args.json:
        check_output(args.json)
    inferencer = LaneInferencer(
        args.config or args.model,
        args.weights,
        args.device,
        args.backend,
        cfg_options=args.cfg_options,
    )
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
            "weights": inferencer.weights,
            "backend": inferencer.backend,
            "frames": frames,
            "failed": failed,
        }
        write_json(args.json, content)
    lanes = sum(len(frame["lanes"]) for frame in frames)
    print(
        f"{len(frames)} frames, {lanes} lanes, {len(frames) / seconds:.1f} frames/s "
        f"({Path(inferencer.weights).name} on {inferencer.backend}, reading and writing included)"
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
    whole = (
        f"what lies under '{args.out_dir}' is whole, an unfinished video and the JSON are not "
        "written"
    )
    with one_line_on_interrupt(whole):
        try:
            status = run(args)
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            sys.exit(f"error: {error}")
    sys.exit(status)


if __name__ == "__main__":
    main()
