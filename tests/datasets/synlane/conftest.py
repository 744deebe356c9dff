"""Small SynLane folders and scenes, made once."""

import cv2
import numpy as np
import pytest

from ganet_mm.datasets.synlane import CATEGORIES, Plan, choose_scene, make_synlane


@pytest.fixture(autouse=True)
def _one_thread():
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(threads)


@pytest.fixture(scope="session")
def scenes():
    """One scene of every category and level."""
    return {
        (level, category): choose_scene(np.random.default_rng([7, number]), category, level)
        for level in ("standard", "hard")
        for number, category in enumerate(CATEGORIES)
    }


@pytest.fixture(scope="session")
def plan():
    return Plan(train=4, val=2, test=10, level="standard", seed=5, quality=80)


@pytest.fixture(scope="session")
def folder(tmp_path_factory, plan):
    out = tmp_path_factory.mktemp("synlane") / "world"
    assert make_synlane(out, plan, workers=1, quiet=True)
    return out
