import runpy

import pytest

from ganet_mm.deploy.machine import this_machine
from ganet_mm.deploy.runtimes import OnnxRuntime


@pytest.fixture
def export(monkeypatch, capsys, trained):
    """Function of more arguments: (printed, exit status) of exporting the trained checkpoint."""

    def run(*words) -> tuple[str, object]:
        monkeypatch.setenv("COLUMNS", "200")
        arguments = [str(trained.config), str(trained.best("qat")), "--frames", "3"]
        monkeypatch.setattr("sys.argv", ["export.py", *arguments, *map(str, words)])
        status = 0
        try:
            runpy.run_path("tools/export.py", run_name="__main__")
        except SystemExit as stopped:
            status = stopped.code
        return " ".join(capsys.readouterr().out.split()), status  # captions break anywhere

    return run


@pytest.mark.parametrize("layout", ["normalized", "nv12"])
def test_the_runtimes_give_the_checkpoints_lanes(export, tmp_path, layout):
    printed, status = export("--out", tmp_path / "model.onnx", "--input", layout)
    assert status == 0
    # Without VNNI the file has uint8 weights, which are onnxruntime's alone.
    backends = ("onnxruntime", "openvino") if this_machine() == "vnni" else ("onnxruntime",)
    for backend in backends:
        assert f"in {backend} against" in printed
    assert printed.count("frames with the same lanes: 100.00%") == len(backends)
    assert printed.count("100.000%") == 3 * len(backends)  # three maps in each
    assert OnnxRuntime(tmp_path / "model.onnx").metadata["input"] == layout


def test_the_target_is_recorded(export, tmp_path):
    printed, status = export("--out", tmp_path / "model.onnx", "--target", "avx2")
    assert status == 0
    assert "int8 for avx2 (uint8 weights)" in printed
    assert "in openvino against" not in printed  # would compute uint8 weights in floats
    metadata = OnnxRuntime(tmp_path / "model.onnx").metadata
    assert (metadata["target"], metadata["weights"]) == ("avx2", "uint8")
