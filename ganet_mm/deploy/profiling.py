"""Speed and memory of exported files, each measured in a process of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .camera import example_frame
from .runtimes import RUNTIMES, load_runtime


@dataclass
class Profile:
    """Of one file in one runtime.

    Attributes:
        file: Its name.
        backend: ``onnxruntime`` or ``openvino``.
        precision: ``int8`` or ``float32``.
        load_ms: Milliseconds from the path to a model that can run.
        p50_ms, p95_ms: Median and 95th percentile of a frame's milliseconds, one frame at a time.
        throughput: Frames a second with one frame in flight for each thread.
        peak_mb: Memory that loading and running one model took, megabytes.
        layers: (layer, kernel, milliseconds) of one frame, in the order of execution.
    """

    file: str
    backend: str
    precision: str
    load_ms: float
    p50_ms: float
    p95_ms: float
    throughput: float
    peak_mb: float
    layers: list[tuple[str, str, float]]


def profile_file(
    path: str | Path, backend: str, threads: int = 1, frames: int = 100, warm_up: int = 10
) -> Profile:
    """Measures a file in a fresh process.

    Args:
        path: File made by tools/export.py.
        backend: ``onnxruntime`` or ``openvino``.
        threads: Threads of the runtime, and frames in flight for the throughput.
        frames: Timed frames.
        warm_up: Frames before them that are not timed.

    Raises:
        FileNotFoundError, ValueError: as :func:`.runtimes.load_runtime`.
        ImportError: the runtime is not installed; says how to install it.
    """
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measure, (str(path), backend, threads, frames, warm_up))


def _measure(path: str, backend: str, threads: int, frames: int, warm_up: int) -> Profile:
    with contextlib.suppress(ImportError):  # load_runtime says what to install
        __import__(backend)  # its own memory is no part of the model's
    _forget_peak()
    before = _memory_mb("VmRSS")
    start = time.perf_counter()
    runtime = load_runtime(backend, path, threads)
    load_ms = 1000 * (time.perf_counter() - start)
    batch = example_frame(runtime.metadata["input"], runtime.metadata["input_size"])
    seconds = []
    for turn in range(warm_up + frames):
        start = time.perf_counter()
        runtime.run(batch)
        if turn >= warm_up:
            seconds.append(time.perf_counter() - start)
    peak_mb = _memory_mb("VmHWM") - before
    measuring = RUNTIMES[backend](path, threads, measure_layers=True)
    for _ in range(warm_up):
        measuring.run(batch)
    return Profile(
        Path(path).name,
        backend,
        runtime.metadata["precision"],
        load_ms,
        1000 * float(np.median(seconds)),
        1000 * float(np.quantile(seconds, 0.95)),
        _throughput(path, backend, threads, frames, batch),
        peak_mb,
        measuring.layer_times(),
    )


def _throughput(path: str, backend: str, threads: int, frames: int, batch: np.ndarray) -> float:
    """Frames a second of ``threads`` one-threaded runtimes side by side."""
    runtimes = [RUNTIMES[backend](path, 1) for _ in range(threads)]
    for runtime in runtimes:
        runtime.run(batch)

    def work(runtime) -> None:
        for _ in range(frames):
            runtime.run(batch)

    with ThreadPoolExecutor(threads) as pool:
        start = time.perf_counter()
        list(pool.map(work, runtimes))
    return threads * frames / (time.perf_counter() - start)


def _forget_peak() -> None:
    """Lets the system count the process's largest memory from now on (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _memory_mb(field: str) -> float:
    """``VmRSS``, the process's memory now, or ``VmHWM``, its largest so far; NaN without /proc."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))
