"""Exports a checkpoint to ONNX: a fake-quantized one to integers, a float one to float32.

The file is compared with the checkpoint on frames of the config's test set before the tool ends.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # The imports below take seconds, and until main() there is nothing to close.
    signal.signal(signal.SIGINT, lambda *_: (os.write(2, b"\ninterrupted\n"), os._exit(130)))

from mmengine.config import DictAction

from ganet_mm.deploy.export_model import export_checkpoint
from ganet_mm.engine.command_line import parse_one_checkpoint
from ganet_mm.engine.config_file import config_at_fault, read_config
from ganet_mm.engine.interruption import one_line_on_interrupt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="the config that the checkpoint was trained with")
    parser.add_argument("checkpoint", help=".pth of the qat or calibration stage, or a float one")
    parser.add_argument("--out", required=True, help="the .onnx file to write")
    parser.add_argument("--frames", type=int, default=50, help="test frames to compare on")
    parser.add_argument(
        "--target",
        choices=["auto", "vnni", "avx2"],
        default="auto",
        help="processor that will run the file: with VNNI (or ARM), or AVX2 only, whose uint8×int8 "
        "sums saturate (default: this machine)",
    )
    parser.add_argument(
        "--input",
        choices=["normalized", "yuv444", "rgb", "nv12"],
        default="normalized",
        help="what the file takes: the network's float input, or a camera's bytes, which it then "
        "converts and normalises itself",
    )
    parser.add_argument(
        "--peaks",
        action="store_true",
        help="a fourth output: the keypoint logits after the decoder's suppression of what is no "
        "local maximum of its row",
    )
    parser.add_argument(
        "--openvino",
        action="store_true",
        help="write OpenVINO's IR, too: an .xml and a .bin beside the .onnx; programs that use "
        "OpenVINO must load them instead of it",
    )
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="override settings")
    args = parse_one_checkpoint(parser)
    try:
        cfg = read_config(args.config, args.cfg_options)
        with config_at_fault(cfg):
            export_checkpoint(
                cfg,
                args.checkpoint,
                args.out,
                args.frames,
                args.target,
                args.input,
                peaks=args.peaks,
                openvino_ir=args.openvino,
            )
    except (OSError, ImportError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    with one_line_on_interrupt(
        "a file that is there is whole, but not compared with its checkpoint"
    ):
        main()
