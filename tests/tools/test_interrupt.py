"""Ctrl-C in the tools: one line, exit status 130, and every file that is there is whole."""

from __future__ import annotations

import json
import os
import random
import re
import runpy
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

START_UP = 120  # seconds; a busy machine imports torch in ten
EXIT = 60

# More epochs than an interruption lets pass, and worker processes that get the signal too.
ENDLESS = (
    "train_cfg.max_epochs=1000",
    "train_dataloader.num_workers=1",
    "val_dataloader.num_workers=1",
    "default_hooks.logger.interval=1",
)


class Tool:
    """A running tool whose output is read as it comes."""

    def __init__(self, tool: str, *words) -> None:
        self.printed = ""
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", f"tools/{tool}", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # a terminal signals the whole group, and not the tests
            # A shell that starts the tests in the background lets them, and so the tool, ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.printed += line

    def wait_for(self, pattern: str) -> None:
        """Until the output so far matches."""
        self._poll(lambda: re.search(pattern, self.printed), f"nothing like {pattern} was printed")

    def wait_for_import(self) -> None:
        """Until torch's library is being loaded."""

        def loading() -> bool:
            maps = Path(f"/proc/{self.process.pid}/maps")
            return "libtorch" in maps.read_text()

        self._poll(loading, "torch was not imported")

    def _poll(self, happened, message: str) -> None:
        end = time.monotonic() + START_UP
        while not happened():
            assert self.process.poll() is None, self.printed[-3000:]
            assert time.monotonic() < end, message + self.printed[-3000:]
            time.sleep(0.005)

    def interrupt(self) -> str:
        """Ctrl-C; what was printed until the end."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.ended()

    def ended(self) -> str:
        self.process.wait(EXIT)
        self.reader.join(EXIT)
        return self.printed


def check_end(tool: Tool, printed: str, message: str) -> None:
    assert tool.process.returncode == 130, printed[-3000:]
    assert printed.count("interrupted") == 1
    assert printed.rstrip().splitlines()[-1] == message
    assert "Traceback" not in printed and "Exception ignored" not in printed


def check_files(folder) -> int:
    """How many checkpoints there are; each can be loaded, and nothing half-written lies about."""
    assert [str(path) for path in folder.rglob("*.tmp")] == []
    assert list(folder.rglob("report.md")) == []
    checkpoints = list(folder.rglob("*.pth"))
    for path in checkpoints:
        assert "state_dict" in torch.load(path, map_location="cpu", weights_only=True)
    return len(checkpoints)


def check_events(folder: Path) -> None:
    """TensorBoard has all that was logged, not only what it had flushed (every two minutes)."""
    lines = map(json.loads, (folder / "scalars.json").read_text().splitlines())
    logged = [line["step"] for line in lines if "loss" in line]
    events = EventAccumulator(str(folder)).Reload()
    steps = [event.step for event in events.Scalars("loss/loss")]
    assert steps in (logged, logged[:-1])  # stopped between one backend and the next
    assert len(events.Scalars("culane/F1@50")) >= 1  # the first epoch's


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="needs /proc")
@pytest.mark.parametrize("name", ["train", "test", "export"])
def test_while_a_tool_is_importing(name):
    tool = Tool(f"{name}.py", "none.py", "none.pth", "--out", "none")
    tool.wait_for_import()
    check_end(tool, tool.interrupt(), "interrupted")


@pytest.mark.parametrize(
    ("moment", "seed"),
    [
        (r"Saving checkpoint at 2", None),
        # and the workers of the data loader are starting
        pytest.param(r"Checkpoints will be saved", 0, marks=pytest.mark.slow),
        pytest.param(r"Epoch\(train\)\s+\[2\]", 1, marks=pytest.mark.slow),
        pytest.param(r"Epoch\(val\)\s+\[2\]", 2, marks=pytest.mark.slow),
    ],
)
def test_train(drawn, tmp_path, moment, seed):
    tool = Tool("train.py", drawn.config, "--work-dir", tmp_path, "--cfg-options", *ENDLESS)
    tool.wait_for(moment)
    if seed is not None:
        time.sleep(random.Random(seed).uniform(0, 0.5))
    printed = tool.interrupt()
    check_end(
        tool,
        printed,
        "interrupted; checkpoints are whole; go on with the same command and --resume",
    )
    checkpoints = check_files(tmp_path)
    if "2" in moment:
        check_events(next(tmp_path.glob("float/*/vis_data")))
        assert checkpoints >= 2  # the first epoch's and the best
        assert (tmp_path / "float/last_checkpoint").is_file()


def test_test(trained, tmp_path):
    out = tmp_path / "scores.json"
    tool = Tool(
        "test.py", trained.config, trained.best("float"), "--work-dir", tmp_path, "--out", out,
        "--show-dir", tmp_path / "shown", "--cfg-options", "default_hooks.logger.interval=1",
    )  # fmt: skip
    tool.wait_for(r"Epoch\(test\)\s+\[2/")
    check_end(
        tool,
        tool.interrupt(),
        "interrupted; no scores were written; pictures and .lines.txt files are whole",
    )
    assert not out.exists()
    check_files(tmp_path)


@pytest.mark.parametrize(
    ("seed", "longest"),
    [(0, 8), *[pytest.param(seed, 20, marks=pytest.mark.slow) for seed in range(1, 6)]],
)
def test_export(trained, tmp_path, seed, longest):
    """It prints nothing until the file is there, so the moment is any."""
    out = tmp_path / "model.onnx"
    tool = Tool("export.py", trained.config, trained.best("qat"), "--out", out, "--frames", 9)
    time.sleep(random.Random(seed).uniform(2, longest))
    printed = tool.interrupt()
    if tool.process.returncode == 0:  # a fast machine was done
        return
    assert tool.process.returncode == 130, printed[-3000:]
    assert "Traceback" not in printed
    assert printed.rstrip().splitlines()[-1].startswith("interrupted")
    assert {path.name for path in tmp_path.iterdir()} <= {"model.onnx"}
    if out.exists():
        import onnx

        onnx.checker.check_model(str(out))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--data-root", "d", "--split", "train"), "go on with --resume"),
        (("--merge", "a", "b"), "nothing was written; run the same command again"),
        (("--verify",), "not every record was looked at; run the same command again"),
    ],
)
def test_pack_culane(monkeypatch, capsys, words, line):
    main = runpy.run_path("tools/dataset_converters/pack_culane.py", run_name="tool")["main"]

    def pressed(*_) -> None:
        raise KeyboardInterrupt

    for name in ("run_pack", "run_merge", "run_verify"):
        monkeypatch.setitem(main.__globals__, name, pressed)
    assert main([*words, "--out", "lmdb"]) == 130
    assert capsys.readouterr().err == f"interrupted; {line}\n"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_kill_leaves_whole_checkpoints_to_resume_from(drawn, tmp_path, seed):
    """SIGKILL around the moment of saving: nothing can be tidied up."""
    words = ("train.py", drawn.config, "--work-dir", tmp_path, "--cfg-options", *ENDLESS)
    tool = Tool(*words)
    tool.wait_for(rf"Saving checkpoint at {2 + seed % 2}")
    time.sleep(random.Random(seed).uniform(0, 0.15))
    os.killpg(tool.process.pid, signal.SIGKILL)
    tool.ended()
    checkpoints = list(tmp_path.glob("float/*.pth"))
    assert any(path.name.startswith("best") for path in checkpoints)
    for path in checkpoints:
        torch.load(path, map_location="cpu", weights_only=True)

    tool = Tool(*words[:4], "--resume", *words[4:])
    tool.wait_for(r"resumed epoch: [123]")
    tool.wait_for(r"Epoch\(train\)\s+\[[234]\]")
    tool.interrupt()
