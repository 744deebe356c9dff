from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import cv2
import pytest


def _load(name: str) -> ModuleType:
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"evaluation_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def oracle() -> ModuleType:
    """The protocol by an independent implementation."""
    cv2.setNumThreads(1)
    return _load("oracle")


@pytest.fixture(scope="session")
def lanes() -> ModuleType:
    """Generators of random lanes."""
    return _load("lanes")
