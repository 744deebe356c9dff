"""The whole way once, by the commands a user would type: roads drawn, packed, learned, quantized,
exported, evaluated and looked at."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table

from ganet_mm.deploy.latency import measure_latency
from ganet_mm.deploy.runtimes import OnnxRuntime
from ganet_mm.engine.checkpoints import build_model
from ganet_mm.engine.config_file import read_config
from ganet_mm.engine.stages import best_checkpoint, calibrated_checkpoint, work_root
from ganet_mm.files import read_json, write_json
from ganet_mm.visualization.picture_io import write_picture
from ganet_mm.visualization.sheet import tile_pictures

console = Console()


@dataclass
class Step:
    """One command, and the file that is there when it has been run whole.

    A command without ``output`` is run every time: it sees by itself whether its work is done.
    """

    title: str
    command: Callable[[], Sequence[str | Path]]
    output: Callable[[], Path | None] = lambda: None
    inputs: Callable[[], Sequence[Path]] = lambda: ()

    def is_done(self) -> bool:
        """Whether the output is there and no older than what it was made from."""
        output = self.output()
        if output is None or not output.exists():
            return False
        return all(output.stat().st_mtime >= path.stat().st_mtime for path in self.inputs())

    def run(self) -> None:
        """Runs the command unless it is done; its own output goes to the terminal.

        Raises:
            SystemExit: the command failed.
        """
        if self.is_done():
            console.print(f"[green]✓[/green] {self.title}: {self.output()} is there")
            return
        words = [str(word) for word in self.command()]
        console.rule(self.title)
        console.print(f"$ {shlex.join(['python', *words])}", style="bold", soft_wrap=True)
        code = subprocess.run([sys.executable, *words], check=False).returncode
        if code:
            sys.exit(f"error: '{self.title}' failed (exit status {code}); run again to go on here")


def run_demo(
    config: str | Path,
    *,
    frames: tuple[int, int, int],
    work_dir: str | None = None,
    seed: int = 0,
) -> dict:
    """Runs every stage of a config on drawn roads; what is whole already is kept.

    Args:
        config: A config whose datasets are ``train_lmdb``, ``val_lmdb`` and ``test_lmdb`` under
            its ``data_root``.
        frames: How many to draw for training, validation and test.
        work_dir: As in :func:`ganet_mm.engine.stages.work_root`.
        seed: Of the drawn world.

    Returns:
        The table: by stage ``F1@50``, ``F1@75``, ``ms`` and ``bytes``.

    Raises:
        FileNotFoundError, ValueError: no such config, or none with a ``data_root``.
        SystemExit: a step failed.
    """
    cfg = read_config(str(config))
    if "data_root" not in cfg:
        raise ValueError(f"{config} has no data_root: give a config like configs/ganet_synlane.py")
    root = work_root(cfg, work_dir)
    for step in steps(cfg, root, config, frames, seed):
        step.run()
    return report(cfg, root)


def steps(
    cfg: Config, root: Path, config: str | Path, frames: tuple[int, int, int], seed: int
) -> list[Step]:
    """The commands in order."""
    data = Path(cfg.data_root)
    pictures = data / "frames"
    train, val, test = frames
    found = [
        Step(
            "Draw roads in CULane's layout",
            lambda: (
                "tools/dataset_converters/make_synlane.py", "--out", pictures, "--train", train,
                "--val", val, "--test", test, "--seed", seed, "--workers", 2,
            ),
        )
    ]  # fmt: skip
    for split in ("train", "val", "test"):
        lmdb = data / f"{split}_lmdb"
        found.append(
            Step(
                f"Pack {split}",
                lambda split=split, lmdb=lmdb: (
                    "tools/dataset_converters/pack_culane.py", "--data-root", pictures,
                    "--split", split, "--out", lmdb,
                ),
                lambda lmdb=lmdb: lmdb / "data.mdb",
                lambda split=split: [pictures / "list" / f"{split}.txt"],
            )
        )  # fmt: skip

    def train_step(title: str, stage: str, epochs: int, inputs) -> Step:
        last = root / stage / f"epoch_{epochs}.pth"

        def interrupted() -> bool:
            return (root / stage / "last_checkpoint").is_file() and not last.is_file()

        return Step(
            title,
            lambda: (
                "tools/train.py", config, "--stage", stage, "--work-dir", root,
                *(["--resume"] if interrupted() else []),
            ),
            lambda: last,
            inputs,
        )  # fmt: skip

    exported = root / "model_int8.onnx"
    found += [
        train_step(
            "Train float", "float", cfg.train_cfg.max_epochs, lambda: [data / "train_lmdb/data.mdb"]
        ),
        Step(
            "Calibrate",
            lambda: ("tools/train.py", config, "--stage", "calibration", "--work-dir", root),
            lambda: _or_none(calibrated_checkpoint, root),
            lambda: [best_checkpoint(root, "float")],
        ),
        train_step(
            "Train QAT",
            "qat",
            cfg.stages.qat.train_cfg.max_epochs,
            lambda: [best_checkpoint(root, "float")],
        ),
        Step(
            "Export to int8",
            lambda: ("tools/export.py", config, best_checkpoint(root, "qat"), "--out", exported),
            lambda: exported,
            lambda: [best_checkpoint(root, "qat")],
        ),
    ]
    for name, checkpoint, options in (
        ("float", lambda: best_checkpoint(root, "float"), ()),
        ("calibration", lambda: calibrated_checkpoint(root), ("--quant",)),
        ("qat", lambda: best_checkpoint(root, "qat"), ("--quant",)),
        ("int8", lambda: exported, ("--show-dir", root / "demo" / "pictures")),
    ):
        result = root / "demo" / f"{name}.json"
        found.append(
            Step(
                f"Evaluate {name}",
                lambda checkpoint=checkpoint, options=options, result=result: (
                    "tools/test.py", config, checkpoint(), *options, "--out", result,
                    "--work-dir", root,
                    "--cfg-options", "default_hooks.visualization.show_num=18",
                ),
                lambda result=result: result,
                lambda checkpoint=checkpoint: [checkpoint(), data / "test_lmdb/data.mdb"],
            )
        )  # fmt: skip
    return found


def report(cfg: Config, root: Path) -> dict:
    """Measures the speed of each stage's model, prints the table and writes it."""
    files = {
        "float": best_checkpoint(root, "float"),
        "calibration": calibrated_checkpoint(root),
        "qat": best_checkpoint(root, "qat"),
        "int8": root / "model_int8.onnx",
    }
    init_default_scope("ganet_mm")
    models = {name: _torch_maps(cfg, path) for name, path in files.items() if name != "int8"}
    models["int8"] = OnnxRuntime(files["int8"], torch.get_num_threads()).run
    milliseconds = measure_latency(models, tuple(cfg.model.data_preprocessor.input_size))
    rows = {}
    for name, path in files.items():
        metrics = read_json(root / "demo" / f"{name}.json")
        rows[name] = {
            "F1@50": metrics["culane/F1@50"],
            "F1@75": metrics["culane/F1@75"],
            "ms": milliseconds[name],
            "bytes": path.stat().st_size,
        }
    write_json(root / "demo" / "table.json", rows)
    table = Table(
        title=f"{Path(cfg.filename).name}, test set; network alone, batch 1, "
        f"{torch.get_num_threads()} threads"
    )
    for column in ("stage", "runs in", "F1@50", "F1@75", "ms a frame", "file, MB"):
        table.add_column(column, justify="left" if column in ("stage", "runs in") else "right")
    for name, row in rows.items():
        table.add_row(
            name,
            "onnxruntime" if name == "int8" else "torch",
            f"{row['F1@50']:.4f}",
            f"{row['F1@75']:.4f}",
            f"{row['ms']:.1f}",
            f"{row['bytes'] / 1e6:.2f}",
        )
    console.print(table)
    with (root / "demo" / "table.txt").open("w", encoding="utf-8") as file:
        Console(file=file, width=100).print(table)
    drawn = sorted((root / "demo" / "pictures").rglob("*.jpg"))
    sheet = tile_pictures([cv2.imread(str(path)) for path in drawn], columns=3, width=1640)
    write_picture(root / "demo" / "pictures.jpg", sheet, jpeg_quality=80)
    console.print(f"table: {root / 'demo' / 'table.txt'}")
    console.print(f"true and int8 lanes: {root / 'demo' / 'pictures.jpg'}")
    console.print(f"curves and pictures by epoch: tensorboard --logdir {root}")
    return rows


def _torch_maps(cfg: Config, checkpoint: Path):
    model = build_model(cfg, checkpoint)

    @torch.inference_mode()
    def run(frame):
        return model(torch.from_numpy(frame), mode="tensor")

    return run


def _or_none(find: Callable[[Path], Path], root: Path) -> Path | None:
    try:
        return find(root)
    except FileNotFoundError:
        return None
