"""Evaluates a float checkpoint, a fake-quantized one (--quant) or an exported file on CULane's
metric."""

from __future__ import annotations

import argparse
import os
import signal
import sys

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # The imports below take seconds, and until main() there is nothing to close.
    signal.signal(signal.SIGINT, lambda *_: (os.write(2, b"\ninterrupted\n"), os._exit(130)))

from mmengine.config import DictAction

from ganet_mm.engine.command_line import parse_one_checkpoint
from ganet_mm.engine.config_file import config_at_fault, read_config
from ganet_mm.engine.interruption import one_line_on_interrupt
from ganet_mm.engine.launch import run_test


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="test config file path")
    parser.add_argument(
        "checkpoint", help=".pth, or an .onnx or OpenVINO IR (.xml) made by tools/export.py"
    )
    parser.add_argument(
        "--quant", action="store_true", help="the .pth is of the calibration or qat stage"
    )
    parser.add_argument(
        "--align",
        action="store_true",
        help="evaluate an exported file exactly as a device runs it: each frame by itself, "
        "decoded, cropped, resized and made into the bytes that the file's input is",
    )
    parser.add_argument(
        "--backend",
        choices=["onnxruntime", "openvino"],
        help="what runs an exported file (default: onnxruntime for .onnx, openvino for .xml)",
    )
    parser.add_argument("--work-dir", help="where the log goes (default: work_dirs/<config name>)")
    parser.add_argument("--out", help="write the metric's values to this JSON file")
    parser.add_argument("--show-dir", help="write pictures with true and found lanes here")
    parser.add_argument("--lines-dir", help="write the found lanes as .lines.txt here")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="override settings")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)
    return parse_one_checkpoint(parser)


def main() -> None:
    args = parse_args()
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    try:
        cfg = read_config(args.config, args.cfg_options)
        with config_at_fault(cfg):
            run_test(
                cfg,
                args.checkpoint,
                quant=args.quant,
                align=args.align,
                backend=args.backend,
                work_dir=args.work_dir,
                out=args.out,
                show_dir=args.show_dir,
                lines_dir=args.lines_dir,
                launcher=args.launcher,
            )
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    with one_line_on_interrupt("no scores were written; pictures and .lines.txt files are whole"):
        main()
