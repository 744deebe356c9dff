"""What the benchmarks share: the machine's name and fair turns."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch

from ganet_mm.deploy.machine import processor_flags

INSTRUCTION_SETS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "amx_int8", "asimddp")


def machine(*packages: str) -> str:
    """Processor with the instruction sets that matter here, cores this process may use, threads
    and versions."""
    flags = processor_flags()
    names = [name for name in INSTRUCTION_SETS if name in flags]
    versions = [f"Python {platform.python_version()}"]
    for package in ("torch", *packages):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"no {package}")
    cores = f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} cores"
    return (
        f"{_processor()} ({', '.join(names) or 'flags unknown'}), {cores}, "
        f"{torch.get_num_threads()} torch threads, load {os.getloadavg()[0]:.1f}; "
        + ", ".join(versions)
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def take_turns(
    sides: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 1
) -> dict[str, np.ndarray]:
    """Seconds of each round by side. The sides run in turn, so that a machine that slows down
    slows all of them down."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(warm_up + rounds):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def ratio(slow: np.ndarray, fast: np.ndarray) -> float:
    """How many times faster: the median over the rounds, each with its own ratio."""
    return float(np.median(slow / fast))
