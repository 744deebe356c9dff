"""The weights that come with the package find lanes on roads they have not seen."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from ganet_mm.apis import LaneInferencer
from ganet_mm.datasets.synlane import choose_scene, render
from ganet_mm.evaluation.lane_iou import count_pictures

ROOT = Path(__file__).parents[2]
SCENES = ("normal", "normal", "arrow", "curve", "shadow", "night")


@pytest.fixture(scope="module")
def frames():
    """(picture, lanes) of scenes whose seed no training set was drawn from."""
    seeds = np.random.SeedSequence(20260731).spawn(len(SCENES))
    return [
        render(choose_scene(np.random.default_rng(seed), category, "standard"))
        for seed, category in zip(seeds, SCENES, strict=True)
    ]


def f1(inferencer, frames) -> float:
    found = inferencer([picture for picture, _ in frames])["predictions"]
    pairs = [
        ([np.array(lane, np.float32) for lane in prediction["lanes"]], lanes)
        for prediction, (_, lanes) in zip(found, frames, strict=True)
    ]
    shapes = [picture.shape[:2] for picture, _ in frames]
    hits = sum(int(tp[0]) for tp in count_pictures(pairs, shapes, [0.5]))
    return 2 * hits / sum(len(predicted) + len(annotated) for predicted, annotated in pairs)


@pytest.mark.parametrize("backend", ["torch", "onnxruntime", "openvino"])
def test_shipped_model(frames, backend):
    if backend == "openvino":
        pytest.importorskip("openvino")
    inferencer = LaneInferencer(device="cpu", backend=backend, show_progress=False)
    assert f1(inferencer, frames) > 0.5


def test_the_default_runs_the_int8_file_without_a_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    inferencer = LaneInferencer(show_progress=False)
    assert inferencer.backend == "onnxruntime"
    assert inferencer.weights.endswith("_int8.onnx")


def test_first_lanes_as_the_readme_says(frames, tmp_path):
    """Its three commands in a fresh clone, with this environment in the place of the second one."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone, so it cannot be cloned")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    clone, install, infer = re.search(
        r"^## First lanes$.*?^```bash\n(.*?)^```", readme, re.MULTILINE | re.DOTALL
    )[1].splitlines()
    assert install == "make .venv/.ready"

    def run(command: str, folder: Path) -> str:
        words = [sys.executable if w == ".venv/bin/python" else w for w in shlex.split(command)]
        env = {**os.environ, "PYTHONPATH": str(tmp_path / "ganet_mm"), "OMP_NUM_THREADS": "1"}
        result = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr[-2000:]
        return result.stdout

    run(clone.replace("REPOSITORY", shlex.quote(str(ROOT))).partition(" && ")[0], tmp_path)
    folder = tmp_path / "ganet_mm"
    cv2.imwrite(str(folder / "my_picture.jpg"), frames[0][0])
    printed = run(infer, folder)
    assert re.match(r"1 frames, [1-9]\d* lanes, ", printed)
    drawn = cv2.imread(str(folder / "work_dirs/infer/my_picture.jpg"))
    assert drawn.shape == frames[0][0].shape
    assert run(".venv/bin/python tools/infer.py --list-models", folder).split()
