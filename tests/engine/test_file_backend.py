import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch
from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.runner.checkpoint import save_checkpoint

from ganet_mm.engine.file_backend import WholeFileBackend

STATE = {"state_dict": {"weight": torch.arange(1 << 21, dtype=torch.float32)}}  # 8 MB


def test_mmengine_writes_its_checkpoints_with_it(tmp_path):
    assert type(get_file_backend(str(tmp_path / "epoch_1.pth"))) is WholeFileBackend


def test_text_and_bytes_round_trip(tmp_path):
    backend = WholeFileBackend()
    backend.put_text("Straße\n", tmp_path / "new" / "a.txt")
    assert backend.get_text(tmp_path / "new" / "a.txt") == "Straße\n"
    backend.put(b"\0\1", tmp_path / "a.bin")
    assert backend.get(tmp_path / "a.bin") == b"\0\1"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.bin", "a.txt", "new"]


def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "epoch_1.pth"
    save_checkpoint(STATE, str(path))
    before = path.read_bytes()
    write = Path.write_bytes

    def half(self, data):
        write(self, data[: len(data) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint({"state_dict": {}}, str(path))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def kill_while_saving(path: Path, seconds: float) -> None:
    """Saves over and over in a child process and kills it after a while."""
    child = os.fork()
    if child == 0:
        while True:
            save_checkpoint(STATE, str(path))
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_process_never_leaves_a_cut_file(tmp_path):
    """Where mmengine's own backend is put back, most kills leave one."""
    path = tmp_path / "epoch_1.pth"
    save_checkpoint(STATE, str(path))
    rng = random.Random(0)
    for _ in range(10):
        kill_while_saving(path, rng.uniform(0.02, 0.1))
        found = torch.load(path, weights_only=True)
        assert torch.equal(found["state_dict"]["weight"], STATE["state_dict"]["weight"])
    assert issubclass(WholeFileBackend, LocalBackend)
