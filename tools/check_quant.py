"""Lists every operator of a config's quantized network: integer or float, why, and what onnxruntime
on this machine makes of it. Needs no training and no data.

Ends with status 1, and the names, if an operator that must be integer is not.
"""

from __future__ import annotations

import argparse
import sys

from mmengine.config import DictAction
from rich.console import Console

from ganet_mm.deploy.check import check_config, operators_table
from ganet_mm.engine.config_file import config_at_fault, read_config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="a config with `stages`, see configs/_base_/quantization.py")
    parser.add_argument("--stage", choices=["calibration", "qat"], default="qat")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="override settings")
    args = parser.parse_args()
    try:
        cfg = read_config(args.config, args.cfg_options)
        with config_at_fault(cfg):
            operators = check_config(cfg, args.stage)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    console = Console()
    console.print(operators_table(operators, f"{args.config}, stage {args.stage}"))
    faults = [operator.name for operator in operators if operator.fault]
    if faults:
        console.print(f"[red]must be integer but are not:[/red] {', '.join(faults)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
