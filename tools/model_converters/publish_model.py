"""Puts a trained model into the package: its weights alone, its integer file, what was measured."""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path

from ganet_mm.files import read_json
from ganet_mm.model_zoo import FOLDER
from ganet_mm.model_zoo.publish import PRECISIONS, publish

GET_FLOPS = Path(__file__).parents[1] / "analysis_tools" / "get_flops.py"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="config file that the model was trained with")
    parser.add_argument("checkpoint", help="float checkpoint (.pth)")
    parser.add_argument("exported", help="int8 file (.onnx) of tools/export.py")
    parser.add_argument("--name", required=True, help="what users call the model by")
    parser.add_argument(
        "--training-data", default="SynLane", help="what it was trained on (default: %(default)s)"
    )
    parser.add_argument(
        "--result",
        nargs=3,
        action="append",
        default=[],
        metavar=("PRECISION", "DATASET", "SCORES.json"),
        help=f"what `tools/test.py --out` wrote of one of the two files ({' or '.join(PRECISIONS)})"
        " on a data set; once a measurement",
    )
    parser.add_argument(
        "--out-dir", default=str(FOLDER), help="the zoo's folder (default: the package's)"
    )
    args = parser.parse_args(argv)
    for precision, _, _ in args.result:
        if precision not in PRECISIONS:
            parser.error(f"--result {precision}: the first word is {' or '.join(PRECISIONS)}")
    return args


def run(args: argparse.Namespace) -> None:
    if not Path(args.config).is_file():
        raise FileNotFoundError(f"config '{args.config}' does not exist")
    results = {(precision, dataset): read_json(path) for precision, dataset, path in args.result}
    flops = runpy.run_path(str(GET_FLOPS))
    network = flops["build_model"](args.config, None)
    macs = flops["count_macs"](network, network.data_preprocessor.input_size)[""]
    model = publish(
        args.config,
        args.checkpoint,
        args.exported,
        args.name,
        args.out_dir,
        training_data=args.training_data,
        results=results,
        macs=round(macs, -6),
    )
    for path in model.files:
        print(f"{path.stat().st_size / 1e6:6.2f} MB  {path}")


def main() -> None:
    args = parse_args()
    try:
        run(args)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
