from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ganet_mm.evaluation.scoring_pool import ScoringPool


def work(chunk):
    if chunk == "fail":
        raise RuntimeError("no such lane")
    if chunk == "die" and os.getpid() != PARENT:
        os._exit(3)
    return os.getpid(), chunk


PARENT = os.getpid()


@pytest.fixture(autouse=True)
def parent_pid(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PARENT", os.getpid())


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_in_process():
    pool = ScoringPool(work, 0)
    for chunk in range(3):
        pool.submit(chunk)
    seen = []
    assert pool.collect(seen.append) == [(os.getpid(), chunk) for chunk in range(3)]
    assert len(seen) == 3
    assert pool.collect() == []


def test_workers_keep_the_order_and_are_gone_afterwards():
    pool = ScoringPool(work, 2)
    for _ in range(2):  # a second evaluation starts new ones
        for chunk in range(20):
            pool.submit(chunk)
        results = pool.collect()
        assert [chunk for _, chunk in results] == list(range(20))
        pids = {pid for pid, _ in results}
        assert os.getpid() not in pids
        assert not any(alive(pid) for pid in pids)


def test_an_error_reaches_the_caller_and_ends_the_workers():
    pool = ScoringPool(work, 1)
    for chunk in (1, "fail", 2):
        pool.submit(chunk)
    with pytest.raises(RuntimeError, match="no such lane"):
        pool.collect()
    pool.submit(5)
    assert [chunk for _, chunk in pool.collect()] == [5]


def test_a_dead_worker_does_not_stop_the_scoring():
    pool = ScoringPool(work, 1)
    for chunk in (1, "die", 2, 3):
        pool.submit(chunk)
    assert [chunk for _, chunk in pool.collect()] == [1, "die", 2, 3]


def test_negative_number_of_workers():
    with pytest.raises(ValueError, match="num_workers must be 0 or more"):
        ScoringPool(work, -1)


SCRIPT = """
import os, sys, time
from ganet_mm.evaluation.scoring_pool import ScoringPool
def work(chunk):
    os.write(1, b"%d\\n" % os.getpid())  # one write, so that lines do not mix
    time.sleep(0.1)
pool = ScoringPool(work, 2)
pool.submit(1); pool.submit(2)
if sys.argv[1] == "raise":
    raise RuntimeError("before the end")
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize("end", ["kill", "raise"])
def test_workers_end_with_their_parent(end):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", SCRIPT, end]
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with subprocess.Popen(command, env=environment, **pipes) as parent:
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        assert parent.pid not in workers
        if end == "kill":
            parent.send_signal(signal.SIGKILL)
        assert parent.wait(20) != 0
        deadline = time.monotonic() + 20
        while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(alive(pid) for pid in workers)
