"""A small folder in CULane's layout, with pictures of a size that is nobody's default."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ganet_mm.datasets.culane import CATEGORIES, lines_name, write_lines

WIDTH, HEIGHT = 200, 90
COUNT = 20


def make_folder(root: Path, count: int = COUNT) -> list[str]:
    """Draws ``count`` frames (every fifth without lanes) and lists all as train and test."""
    rng = np.random.default_rng(7)
    names = [f"clip_{i // 8}.MP4/{i:05d}.jpg" for i in range(count)]
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        img = cv2.resize(rng.integers(0, 256, (9, 20, 3), dtype=np.uint8), (WIDTH, HEIGHT))
        lanes = [
            np.array([[20 + 50 * k + i + 0.25 * j, 80 - 10 * j] for j in range(4 + k)], np.float32)
            for k in range(0 if i % 5 == 4 else 3)
        ]
        cv2.imwrite(str(path), img)
        write_lines(root / lines_name(name), lanes)
    splits = root / "list" / "test_split"
    splits.mkdir(parents=True)
    for split in ("train", "test"):
        (root / "list" / f"{split}.txt").write_text("".join(f"/{name}\n" for name in names))
    for i, category in enumerate(CATEGORIES):
        members = names[i :: len(CATEGORIES)]
        (splits / f"test{i}_{category}.txt").write_text("".join(f"{m}\n" for m in members))
    return names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A raw folder of ``COUNT`` frames."""
    root = tmp_path / "culane"
    make_folder(root)
    return root
