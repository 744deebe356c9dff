import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.optim import OneCycleLR

import ganet_mm  # noqa: F401


def save(value) -> io.BytesIO:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    buffer.seek(0)
    return buffer


def test_a_message_hub_loads_with_weights_only():
    hub = MessageHub.get_instance("test_safe_load")
    for value in (3.0, 1.0, 2.0):
        hub.update_scalar("train/loss", value)
    hub.update_info("epoch", np.int64(4))
    state = torch.load(save(hub.state_dict()), weights_only=True)
    loaded = state["log_scalars"]["train/loss"]
    assert loaded.data[0].tolist() == [3.0, 1.0, 2.0]
    assert loaded.statistics("min") == 1.0  # the functions are back
    assert state["runtime_info"]["epoch"] == 4


def test_one_cycle_resumes_on_the_same_curve():
    def scheduler():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        return optimizer, OneCycleLR(optimizer, eta_max=1.0, total_steps=10)

    optimizer, whole = scheduler()
    for _ in range(4):
        optimizer.step()
        whole.step()
    state = torch.load(save(whole.state_dict()), weights_only=True)
    resumed_optimizer, resumed = scheduler()
    resumed.load_state_dict(state)
    for _ in range(4):
        for stepped in ((optimizer, whole), (resumed_optimizer, resumed)):
            stepped[0].step()
            stepped[1].step()
        assert resumed.get_last_value() == whole.get_last_value()


def test_the_measure_is_still_needed():
    """mmengine alone pickles functions with its buffers; when this fails, the measure can go."""
    code = (
        "import io, torch\n"
        "from mmengine.logging import HistoryBuffer\n"
        "b = io.BytesIO(); torch.save(HistoryBuffer([1.0], [1]), b); b.seek(0)\n"
        "print(torch.serialization.get_unsafe_globals_in_checkpoint(b))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "builtins.getattr" in result.stdout


class Malicious:
    def __reduce__(self):
        return (print, ("executed",))


def test_code_in_a_checkpoint_is_refused(capsys):
    with pytest.raises(Exception, match="print"):
        torch.load(save({"state_dict": Malicious()}), weights_only=True)
    assert "executed" not in capsys.readouterr().out


def test_a_buffer_keeps_nothing_but_data():
    assert all(not callable(value) for value in HistoryBuffer([1.0], [1]).__getstate__().values())
