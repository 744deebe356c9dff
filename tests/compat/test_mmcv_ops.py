import subprocess
import sys
import types

import mmcv
import pytest

import ganet_mm  # noqa: F401
from ganet_mm.compat import mmcv_ops


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_mmdet_imports_whole():
    for name in ("models", "datasets", "engine", "evaluation", "visualization", "apis"):
        __import__(f"mmdet.{name}")


def test_the_measure_is_still_needed():
    """mmdet's own import fails without the stand-in; when this passes, the measure can go."""
    without = run("import mmdet.models")
    assert without.returncode != 0
    assert "mmcv._ext" in without.stderr


def test_calling_an_op_says_what_to_install():
    import torch
    from mmcv.ops import nms

    with pytest.raises(RuntimeError, match="full mmcv"):
        nms(torch.rand(2, 4), torch.rand(2), 0.5)


def test_a_real_extension_is_left_alone(monkeypatch):
    real = types.ModuleType("mmcv._ext")
    monkeypatch.setitem(sys.modules, "mmcv._ext", real)
    assert mmcv_ops.install_mmcv_ext_placeholder() is False
    assert sys.modules["mmcv._ext"] is real


def test_a_real_extension_on_disk_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "_ext.py").write_text("real = True\n")
    monkeypatch.setattr(mmcv, "__path__", [*mmcv.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "mmcv._ext")
    assert mmcv_ops.install_mmcv_ext_placeholder() is False
    assert "mmcv._ext" not in sys.modules


def test_without_any_mmcv_the_error_says_what_to_install():
    result = run(
        "import sys, importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n == 'mmcv' else find(n, *a)\n"
        "import ganet_mm\n"
    )
    assert result.returncode != 0
    assert "pip install mmcv-lite" in result.stderr
