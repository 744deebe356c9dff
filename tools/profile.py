"""Measures exported files in onnxruntime and OpenVINO: latency, throughput, memory, layers.

Each file and runtime is measured in a process of its own, one after the other. Give a float file
and an integer one to see them side by side. `--compile-dir` also writes what OpenVINO loads without
reading ONNX again: its IR (.xml, .bin) and the compiled model.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import sys
from importlib.util import find_spec
from pathlib import Path

# Python's standard library has a module of this name, which cProfile imports, and a program started
# in this folder finds this file instead. Imported under that name, it makes way.
if __name__ == "profile":
    sys.modules.pop("profile")
    _folder = Path(__file__).resolve().parent
    _path = list(sys.path)
    sys.path[:] = [entry for entry in _path if Path(entry or ".").resolve() != _folder]
    sys.modules["profile"] = importlib.import_module("profile")
    sys.path[:] = _path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help=".onnx or IR (.xml) made by tools/export.py"
    )
    parser.add_argument(
        "--backend",
        nargs="+",
        choices=["onnxruntime", "openvino"],
        help="default: those that are installed, and openvino alone for an .xml",
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of a runtime (default 2)")
    parser.add_argument("--frames", type=int, default=100, help="timed frames (default 100)")
    parser.add_argument("--layers", type=int, default=12, help="slowest layers to list; 0: none")
    parser.add_argument("--picture", help="draw the result to this .png, .svg or .pdf")
    parser.add_argument("--json", help="write all numbers, every layer's too, to this file")
    parser.add_argument("--compile-dir", help="write OpenVINO's IR and compiled model here")
    args = parser.parse_args()
    for option in ("threads", "frames"):
        if getattr(args, option) < 1:
            parser.error(f"--{option} must be at least 1")

    from rich.console import Console

    from ganet_mm.deploy.openvino_cache import compile_for_openvino
    from ganet_mm.deploy.profile_report import draw, layers_table, summary_table
    from ganet_mm.deploy.profiling import profile_file
    from ganet_mm.files import check_output, write_bytes

    console = Console()
    backends = args.backend or ["onnxruntime", "openvino"]
    is_ir = [Path(model).suffix == ".xml" for model in args.models]
    if find_spec("openvino") is None:
        if "openvino" in (args.backend or []) or any(is_ir) or args.compile_dir:
            sys.exit("error: openvino is not installed: `pip install ganet_mm[openvino]`")
        if args.backend is None:
            backends.remove("openvino")
            console.print(
                "openvino is not installed (`pip install ganet_mm[openvino]`): onnxruntime alone",
                markup=False,
            )
    try:
        for path in filter(None, (args.picture, args.json)):
            check_output(path)
        profiles = []
        for model, needs_openvino in zip(args.models, is_ir, strict=True):
            chosen = ["openvino"] if needs_openvino and args.backend is None else backends
            for backend in chosen:
                with console.status(f"{model} in {backend}"):
                    profiles.append(profile_file(model, backend, args.threads, args.frames))
            if args.compile_dir:
                made = compile_for_openvino(model, args.compile_dir, args.threads)
                console.print(f"{model}: OpenVINO's files are {', '.join(map(str, made))}")
    except (OSError, ValueError, ImportError) as error:
        sys.exit(f"error: {error}")
    for profile in profiles if args.layers else []:
        console.print(layers_table(profile, args.layers))
    console.print(summary_table(profiles, args.threads))
    if args.picture:
        draw(profiles, args.picture)
    if args.json:
        rows = [dataclasses.asdict(profile) for profile in profiles]
        write_bytes(args.json, json.dumps(rows, indent=2).encode())


if __name__ == "__main__":
    main()
