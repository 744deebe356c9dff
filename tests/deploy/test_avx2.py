"""Files on a processor whose uint8 × int8 sums saturate.

oneDNN, OpenVINO's kernels, can be held to AVX2 by a variable; onnxruntime asks the processor, and
runs on one that QEMU emulates where that is installed (Debian: qemu-user-static).
"""

import os
import platform
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from ganet_mm.deploy.export_model import GraphMaps
from ganet_mm.deploy.onnx_file import export_onnx, read_metadata
from ganet_mm.deploy.openvino_ir import write_ir

INPUT = (96, 192)
# Without torch: it would start slowly, most of all in an emulator.
OPENVINO = """
import sys, numpy, openvino
model = openvino.Core().compile_model(sys.argv[1], "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
result = model({"input": numpy.load(sys.argv[2])})
numpy.savez(sys.argv[3], *[result[name] for name in ("kpts_logits", "pts_offset", "int_offset")])
"""
ONNXRUNTIME = """
import sys, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(
    sys.argv[1], options, disabled_optimizers=["WeightBiasQuantization"]
)
names = ["kpts_logits", "pts_offset", "int_offset"]
numpy.savez(sys.argv[3], *session.run(names, {"input": numpy.load(sys.argv[2])}))
"""
QEMU = shutil.which("qemu-x86_64-static") or shutil.which("qemu-x86_64")

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="for x86 processors")


@pytest.fixture
def frame(tmp_path) -> np.ndarray:
    bytes_ = np.random.default_rng(0).integers(0, 256, (1, 3, *INPUT))
    values = ((bytes_ - 128) / 128).astype(np.float32)
    np.save(tmp_path / "frame.npy", values)
    return values


@pytest.fixture
def network(quantized, small_cfg):
    """Function of the weights' bits: the integer network."""

    def build(bits: int):
        stage = small_cfg.stages.calibration.model.quantizer
        stage.global_qconfig.w_qscheme.bit = bits
        return quantized("calibration").fixed_point()

    return build


def largest_difference(expected, folder, command, program, model, env=None) -> float:
    out = folder / "maps.npz"
    subprocess.run(
        [*command, "-c", program, str(model), str(folder / "frame.npy"), str(out)],
        check=True,
        env={**os.environ, **(env or {})},
    )
    with np.load(out) as maps:
        found = [maps[f"arr_{index}"] for index in range(3)]
    return max(float(np.abs(a.numpy() - b).max()) for a, b in zip(expected, found, strict=True))


def test_openvino_needs_weights_of_7_bits(network, frame, tmp_path):
    env = dict(ONEDNN_MAX_CPU_ISA="AVX2")
    differences = {}
    for bits in (8, 7):
        fixed = network(bits)
        path = tmp_path / f"{bits}.onnx"
        target = {8: "vnni", 7: "avx2"}[bits]
        export_onnx(GraphMaps(fixed.frozen).eval(), INPUT, path, dict(precision="int8"), target)
        metadata = read_metadata(onnx.load(path), str(path))
        assert metadata["weights"] == "int8"
        assert (metadata["weight_bits"], metadata["saturating"]) == (bits, bits == 8)
        ir = write_ir(path, path.with_suffix(".xml"))
        differences[bits] = largest_difference(
            fixed(torch.from_numpy(frame)), tmp_path, [sys.executable], OPENVINO, ir, env
        )
    assert differences[7] < 2e-6
    assert differences[8] > 1e-3


@pytest.mark.slow
@pytest.mark.skipif(QEMU is None, reason="needs qemu-x86_64 to emulate a processor")
def test_onnxruntime_on_haswell(network, frame, tmp_path):
    """Its target's file is exact with 8 bits, and so is one of 7 bits; another one is not."""
    differences = {}
    for bits, target in ((8, "vnni"), (8, "avx2"), (7, "avx2")):
        fixed = network(bits)
        path = tmp_path / "model.onnx"
        export_onnx(GraphMaps(fixed.frozen).eval(), INPUT, path, {}, target)
        command = [QEMU, "-cpu", "Haswell", sys.executable]
        differences[bits, target] = largest_difference(
            fixed(torch.from_numpy(frame)), tmp_path, command, ONNXRUNTIME, path
        )
    assert differences[8, "avx2"] < 2e-6
    assert differences[7, "avx2"] < 2e-6
    assert differences[8, "vnni"] > 1e-3
