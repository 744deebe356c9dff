"""The whole way once, at a toy size, by the commands a user types."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CONFIG = """
_base_ = ["{root}/configs/ganet_synlane.py"]

input_size = (96, 192)
crop = dict(type="FixedCrop", x=0, y=270, w=1640, h=320)
pipeline = [
    dict(type="DecodeImage"),
    crop,
    dict(type="Resize", size=input_size),
    dict(type="PackLaneInputs"),
]
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(data_root="{data}/train_lmdb", pipeline=pipeline),
)
val_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(data_root="{data}/val_lmdb", pipeline=pipeline),
)
test_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(data_root="{data}/test_lmdb", pipeline=pipeline),
)
calibrate_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(data_root="{data}/train_lmdb", pipeline=pipeline),
)
model = dict(data_preprocessor=dict(input_size=input_size), neck=dict(input_size=input_size))
train_cfg = dict(max_epochs=2)
stages = dict(
    calibration=dict(test_cfg=dict(calibrate_dataloader=calibrate_dataloader, calibrate_steps=2)),
)
"""


@dataclass
class Pipeline:
    """A folder with data and a config, and what the commands so far printed."""

    folder: Path
    printed: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "toy.py"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def best(self, stage: str) -> Path:
        return next((self.work / stage).glob("best_*.pth"))

    def run(self, tool: str, *words, ok: bool = True) -> str:
        """Runs ``tools/<tool>`` in a process of its own; what it printed, both streams."""
        result = subprocess.run(
            [sys.executable, "-W", "ignore", f"tools/{tool}", *map(str, words)],
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        )
        printed = result.stdout + result.stderr
        assert (result.returncode == 0) == ok, printed[-3000:]
        return printed


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> Pipeline:
    """Frames drawn and packed, and a config for them."""
    folder = tmp_path_factory.mktemp("pipeline")
    pipeline = Pipeline(folder)
    pipeline.run(
        "dataset_converters/make_synlane.py", "--out", folder / "frames", "--train", 8, "--val", 2,
        "--test", 9, "--workers", 1,
    )  # fmt: skip
    for split in ("train", "val", "test"):
        pipeline.run(
            "dataset_converters/pack_culane.py", "--data-root", folder / "frames", "--split",
            split, "--out", folder / f"{split}_lmdb",
        )  # fmt: skip
    pipeline.config.write_text(CONFIG.format(root=Path.cwd().as_posix(), data=folder.as_posix()))
    return pipeline


@pytest.fixture(scope="session")
def trained(drawn) -> Pipeline:
    """Float, calibration and QAT run, and the int8 file exported."""
    for stage in ("float", "calibration", "qat"):
        drawn.printed[stage] = drawn.run(
            "train.py", drawn.config, "--stage", stage, "--work-dir", drawn.work
        )
    drawn.printed["export"] = drawn.run(
        "export.py", drawn.config, drawn.best("qat"), "--out", drawn.work / "model_int8.onnx",
        "--frames", 5,
    )  # fmt: skip
    return drawn
