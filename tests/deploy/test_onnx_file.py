import json
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from ganet_mm.deploy.machine import can_saturate
from ganet_mm.deploy.onnx_file import METADATA_KEY, export_onnx, read_metadata
from ganet_mm.deploy.onnx_passes import signed_weights
from ganet_mm.deploy.operators import executed_operators
from ganet_mm.deploy.runtimes import OnnxRuntime, cuts_sums, load_runtime
from ganet_mm.quantization.freeze import freeze

INPUT = (96, 192)


class Maps(torch.nn.Module):
    def __init__(self, graph):
        super().__init__()
        self.graph = graph

    def forward(self, x):
        return self.graph(x, None, "tensor")


@pytest.fixture
def exported(quantized, tmp_path):
    """(path, frozen module) of a quantized network."""
    frozen = Maps(freeze(quantized().graph))
    path = tmp_path / "model_int8.onnx"
    export_onnx(frozen, INPUT, path, dict(precision="int8"))
    return path, frozen


def test_every_convolution_and_residual_addition_runs_in_integers(exported):
    integer, floating = executed_operators(exported[0])
    assert integer["QLinearConv"] + integer["ConvInteger"] == 55
    assert integer["ConvInteger"] == 3  # the head's float outputs
    # 17 residual ones, the position embedding, the attention's sum and two of the pyramid
    assert integer["QLinearAdd"] == 21
    # ×2 up-sampling twice; scale and bias of the three float outputs.
    assert floating == {"Resize": 2, "Mul": 3, "Add": 3}


def test_unsigned_weights_give_the_same_maps(quantized, tmp_path):
    """The file for AVX2: nothing can saturate in it, and it computes the same."""
    graph = Maps(quantized().fixed_point().frozen)
    values = np.random.default_rng(0).integers(0, 256, (1, 3, *INPUT))
    frame = ((values - 128) / 128).astype(np.float32)
    maps = {}
    for target in ("vnni", "avx2"):
        path = tmp_path / f"{target}.onnx"
        model = export_onnx(graph, INPUT, path, dict(precision="int8"), target)
        maps[target] = OnnxRuntime(path, 1).run(frame)
        signed = any(can_saturate(weight) for weight in signed_weights(model))
        assert signed == (target == "vnni")
        metadata = read_metadata(model, str(path))
        assert metadata["target"] == target
        assert metadata["weights"] == ("int8" if signed else "uint8")
        assert metadata["saturating"] == signed
        assert executed_operators(path)[0]["QLinearConv"] == 52
    for a, b in zip(*maps.values(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="target 'arm' is unknown"):
        export_onnx(graph, INPUT, path, {}, "arm")


def test_a_processor_that_cuts_sums_gets_unsigned_weights(exported, monkeypatch):
    path, _ = exported
    batch = np.random.default_rng(0).integers(-128, 128, (1, 3, *INPUT)).astype(np.float32) / 128
    expected = OnnxRuntime(path).run(batch)  # exact on any processor
    monkeypatch.setattr("ganet_mm.deploy.runtimes.this_machine", lambda: "vnni")
    assert OnnxRuntime(path).metadata["weights"] == "int8"
    monkeypatch.setattr("ganet_mm.deploy.runtimes.this_machine", lambda: "avx2")
    runtime = load_runtime("onnxruntime", path)
    assert runtime.metadata["weights"] == "uint8"
    assert not cuts_sums(runtime.metadata)
    for a, b in zip(expected, runtime.run(batch), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_cuts_sums(monkeypatch):
    monkeypatch.setattr("ganet_mm.deploy.runtimes.this_machine", lambda: "avx2")
    assert cuts_sums(dict(saturating=True))
    assert not cuts_sums(dict(saturating=False))
    assert not cuts_sums({})  # a float file
    monkeypatch.setattr("ganet_mm.deploy.runtimes.this_machine", lambda: "vnni")
    assert not cuts_sums(dict(saturating=True))


def test_weights_are_stored_as_integers(exported):
    model = onnx.load(str(exported[0]))
    kinds = {}
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim == 4 and values.size > 100:
            kinds.setdefault(values.dtype.name, []).append(tensor.name)
    assert set(kinds) == {"int8", "uint8"}
    assert len(kinds["int8"]) >= 50
    assert exported[0].stat().st_size < 1.6e6


def test_metadata_comes_back(exported):
    path, _ = exported
    assert OnnxRuntime(path).metadata["input_size"] == list(INPUT)
    assert read_metadata(onnx.load(str(path)), str(path))["precision"] == "int8"
    assert not list(path.parent.glob("*.partial"))


def test_foreign_and_other_versions_files_are_refused(exported, tmp_path):
    model = onnx.load(str(exported[0]))
    record = json.loads(model.metadata_props[0].value)
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps({**record, "format_version": 99})})
    other = tmp_path / "other.onnx"
    onnx.save(model, str(other))
    with pytest.raises(ValueError, match=r"other.onnx has format version 99"):
        OnnxRuntime(other)
    onnx.helper.set_model_props(model, {})
    foreign = tmp_path / "foreign.onnx"
    onnx.save(model, str(foreign))
    with pytest.raises(ValueError, match=r"foreign.onnx was not exported by ganet_mm"):
        load_runtime("openvino", foreign)
    with pytest.raises(FileNotFoundError, match=r"tools/export\.py"):
        OnnxRuntime(tmp_path / "none.onnx")
    with pytest.raises(ValueError, match="backend 'tensorrt' is unknown"):
        load_runtime("tensorrt", exported[0])


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity on this system")
def test_onnxruntime_stays_on_the_cores_it_may_use(exported):
    core = min(os.sched_getaffinity(0))
    program = (
        "import os, sys, numpy as np\n"
        f"os.sched_setaffinity(0, {{{core}}})\n"
        "from ganet_mm.deploy.runtimes import OnnxRuntime\n"
        f"OnnxRuntime(sys.argv[1]).run(np.zeros((1, 3, *{INPUT}), np.float32))\n"
        "threads = [int(name) for name in os.listdir('/proc/self/task')]\n"
        "print(set().union(*(os.sched_getaffinity(thread) for thread in threads)))\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(exported[0])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines()[-1:] == [str({core})], done.stderr
