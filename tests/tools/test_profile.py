import json
import runpy
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ganet_mm.deploy import profiling
from ganet_mm.deploy.camera import example_frame
from ganet_mm.deploy.export_model import FloatMaps, GraphMaps
from ganet_mm.deploy.onnx_file import export_onnx
from ganet_mm.deploy.openvino_ir import write_ir
from ganet_mm.deploy.runtimes import OpenVinoRuntime, load_runtime
from ganet_mm.registry import MODELS

INPUT = (96, 192)


@pytest.fixture
def files(quantized, small_cfg, float_weights, tmp_path):
    """A float file and an int8 one."""
    network = MODELS.build(small_cfg.model)
    network.load_state_dict(float_weights)
    paths = [tmp_path / "float.onnx", tmp_path / "int8.onnx"]
    export_onnx(FloatMaps(network).eval(), INPUT, paths[0], dict(precision="float32"))
    graph = GraphMaps(quantized().fixed_point().frozen).eval()
    export_onnx(graph, INPUT, paths[1], dict(precision="int8"), layout="yuv444")
    return paths


def test_both_files_in_both_runtimes(files, tmp_path):
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "tools/profile.py", *map(str, files), "--frames", "5",
         "--threads", "1", "--layers", "3", "--picture", str(tmp_path / "out" / "profile.png"),
         "--json", str(tmp_path / "profile.json"), "--compile-dir", str(tmp_path / "ov")],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    rows = json.loads((tmp_path / "profile.json").read_text())
    names = [(row["file"], row["backend"], row["precision"]) for row in rows]
    assert names == [
        (file, backend, precision)
        for file, precision in (("float.onnx", "float32"), ("int8.onnx", "int8"))
        for backend in ("onnxruntime", "openvino")
    ]
    for row in rows:
        assert 0 < row["p50_ms"] <= row["p95_ms"]
        assert row["throughput"] > 0 and row["load_ms"] > 0 and row["peak_mb"] > 0
        assert len(row["layers"]) > 50
        # The layers' times are those of one frame, not of all.
        assert sum(ms for _, _, ms in row["layers"]) < 10 * row["p95_ms"]
    kernels = {kernel for _, kernel, _ in rows[2]["layers"]}
    assert "QLinearConv" in kernels
    with Image.open(tmp_path / "out" / "profile.png") as picture:
        assert len(np.unique(np.asarray(picture))) > 10
    assert (tmp_path / "ov" / "int8.xml").is_file() and list((tmp_path / "ov").glob("*.blob"))


def test_the_ir_gives_the_files_maps(files, tmp_path):
    ir = write_ir(files[1], tmp_path / "model.xml")
    frame = example_frame("yuv444", INPUT)
    expected = load_runtime("onnxruntime", files[1], 1).run(frame)
    runtime = OpenVinoRuntime(ir, 1)
    assert runtime.metadata["input"] == "yuv444"
    for a, b in zip(expected, runtime.run(frame), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)
    assert not list(tmp_path.glob("*.partial*"))


@pytest.mark.parametrize(
    "words, message",
    [
        (["none.onnx"], "none.onnx does not exist"),
        (["none.onnx", "--frames", "0"], "--frames must be at least 1"),
    ],
)
def test_bad_arguments(words, message):
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "tools/profile.py", *words],
        capture_output=True,
        text=True,
    )
    assert result.returncode != 0
    assert message in result.stderr
    assert "Traceback" not in result.stderr


class TestWithoutOpenvino:
    @pytest.fixture
    def profile(self, monkeypatch):
        """Function of the tool's arguments: the backends that it measured."""
        measured = []

        def measure(model, backend, threads, frames):
            measured.append(backend)
            return profiling.Profile(model, backend, "int8", 1, 1, 1, 1, 1, [("conv", "Conv", 1.0)])

        monkeypatch.setitem(sys.modules, "openvino", None)
        monkeypatch.setattr(profiling, "profile_file", measure)

        def run(*words: str) -> list[str]:
            monkeypatch.setattr("sys.argv", ["profile.py", *words])
            runpy.run_path("tools/profile.py", run_name="tool")["main"]()
            return measured

        return run

    def test_onnxruntime_alone_is_measured(self, profile, capsys):
        assert profile("model.onnx") == ["onnxruntime"]
        printed = capsys.readouterr().out
        assert "openvino is not installed" in printed and "pip install" in printed
        assert "model.onnx" in printed
        assert profile("model.onnx", "--backend", "onnxruntime") == ["onnxruntime"] * 2
        assert "not installed" not in capsys.readouterr().out

    @pytest.mark.parametrize(
        "words",
        [
            ("model.onnx", "--backend", "onnxruntime", "openvino"),
            ("model.xml",),
            ("model.onnx", "--compile-dir", "ov"),
        ],
    )
    def test_what_needs_it_is_refused_before_measuring(self, profile, monkeypatch, words):
        monkeypatch.setattr(profiling, "profile_file", lambda *_: pytest.fail("measured"))
        with pytest.raises(SystemExit, match=r"^error: .*openvino.*pip install"):
            profile(*words)

    def test_in_the_package_it_is_named(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "openvino", None)
        with pytest.raises(ImportError, match="backend openvino needs the package"):
            profiling._measure("model.onnx", "openvino", 1, 1, 1)


def test_the_other_tools_still_find_pythons_profile_module():
    """This tool has the name of a standard module, which cProfile, and torch with it, imports."""
    code = "import sys; sys.path.insert(0, 'tools'); import cProfile, profile; profile.Profile"
    subprocess.run([sys.executable, "-c", code], check=True)
