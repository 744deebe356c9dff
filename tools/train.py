"""Trains one stage of a config: float, calibration or QAT."""

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
from ganet_mm.engine.launch import run_stage
from ganet_mm.engine.stages import STAGES


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="train config file path")
    parser.add_argument(
        "--stage",
        choices=STAGES,
        default="float",
        help="float trains the network; calibration finds the ranges of its activations from the "
        "best float checkpoint; qat trains it on with quantization in the loop",
    )
    parser.add_argument(
        "--work-dir", help="where each stage writes its folder (default: work_dirs/<config name>)"
    )
    parser.add_argument(
        "--load-from",
        help="float checkpoint to start from (default: calibration and qat take the float stage's "
        "best, float starts anew)",
    )
    parser.add_argument("--amp", action="store_true", help="train with automatic mixed precision")
    parser.add_argument(
        "--auto-scale-lr",
        action="store_true",
        help="scale the learning rate by the real batch size over auto_scale_lr.base_batch_size",
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        help="resume from this checkpoint, or without a value from the stage's latest",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        help="override settings of the config, xxx=yyy, nested keys by dots, lists as key=[a,b]",
    )
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    # torch.distributed.launch passes --local-rank, older versions --local_rank.
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)
    return parse_one_checkpoint(parser, argv)


def main() -> None:
    args = parse_args()
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    try:
        cfg = read_config(args.config, args.cfg_options)
        with config_at_fault(cfg):
            run_stage(
                cfg,
                args.stage,
                work_dir=args.work_dir,
                load_from=args.load_from,
                resume=args.resume,
                amp=args.amp,
                auto_scale_lr=args.auto_scale_lr,
                launcher=args.launcher,
            )
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    with one_line_on_interrupt("checkpoints are whole; go on with the same command and --resume"):
        main()
