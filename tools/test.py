"""Evaluates a float checkpoint, a fake-quantized one (--quant) or an exported file on CULane's
metric."""

from __future__ import annotations

import argparse
import os
import sys

from mmengine.config import Config, DictAction

from ganet_mm.engine.launch import run_test


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="test config file path")
    parser.add_argument("checkpoint", help=".pth, or an .onnx made by tools/export.py")
    parser.add_argument(
        "--quant", action="store_true", help="the .pth is of the calibration or qat stage"
    )
    parser.add_argument(
        "--backend",
        choices=["onnxruntime", "openvino"],
        default="onnxruntime",
        help="what runs an .onnx",
    )
    parser.add_argument("--work-dir", help="where the log goes (default: work_dirs/<config name>)")
    parser.add_argument("--out", help="write the metric's values to this JSON file")
    parser.add_argument("--show-dir", help="write pictures with true and found lanes here")
    parser.add_argument("--lines-dir", help="write the found lanes as .lines.txt here")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="override settings")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    try:
        cfg = Config.fromfile(args.config)
        if args.cfg_options:
            cfg.merge_from_dict(args.cfg_options)
        run_test(
            cfg,
            args.checkpoint,
            quant=args.quant,
            backend=args.backend,
            work_dir=args.work_dir,
            out=args.out,
            show_dir=args.show_dir,
            lines_dir=args.lines_dir,
            launcher=args.launcher,
        )
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
