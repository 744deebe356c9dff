"""Exported files evaluated as a device runs them, and OpenVINO's IR in the tools."""

import runpy
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnx
import openvino
import pytest
import torch
from mmengine.config import Config

from ganet_mm.deploy.camera import camera_frame
from ganet_mm.deploy.export_model import export_checkpoint
from ganet_mm.deploy.runtimes import load_runtime
from ganet_mm.engine.checkpoints import build_model
from ganet_mm.engine.launch import run_test
from ganet_mm.models.post_process.ganet_decoder import GaNetDecoder


@pytest.fixture(scope="module")
def cfg(trained) -> Config:
    cfg = Config.fromfile(trained.config)
    # The toy network is hardly trained: with a low threshold it finds lanes anyhow.
    cfg.model.head.decoder.update(kpt_thr=0.05, min_points=2)
    return cfg


@pytest.fixture(scope="module")
def files(trained, cfg, tmp_path_factory) -> dict[str, Path]:
    """Exported files by layout, with peaks and IR."""
    folder = tmp_path_factory.mktemp("files")
    paths = {}
    for layout in ("nv12", "yuv444"):
        paths[layout] = folder / f"{layout}.onnx"
        export_checkpoint(
            cfg, trained.best("qat"), paths[layout], 1, "vnni", layout,
            peaks=layout == "nv12", openvino_ir=True,
        )  # fmt: skip
    return paths


def lanes_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*.lines.txt"))
    }


def deployed(cfg: Config, file: Path, layout: str, picture: Path) -> list[np.ndarray]:
    """What a program on the device does: decode, crop, resize, bytes, file, lanes."""
    height, width = cfg.input_size
    bgr = cv2.imread(str(picture))[270:590, :1640]
    frame = camera_frame(cv2.resize(bgr, (width, height)), layout)
    maps = load_runtime("onnxruntime", file, 1).run(frame)
    options = {k: v for k, v in cfg.model.head.decoder.items() if k != "type"}
    scale = np.array([[width / 1640, height / 320]])
    (lanes,) = GaNetDecoder(**options).decode(*maps, scale, np.array([[0, 270]]))
    return [points for points, _ in lanes]


@pytest.mark.parametrize("layout", ["nv12", "yuv444"])
def test_align_gives_what_a_program_on_the_device_finds(trained, cfg, files, tmp_path, layout):
    run_test(
        cfg, str(files[layout]), align=True, work_dir=str(tmp_path / "work"),
        lines_dir=str(tmp_path / "lines"),
    )  # fmt: skip
    found = lanes_of(tmp_path / "lines")
    assert len(found) == 9
    count = 0
    for name, text in found.items():
        picture = trained.folder / "frames" / name.replace(".lines.txt", ".jpg")
        expected = deployed(cfg, files[layout], layout, picture)
        rows = [np.array(line.split(), float).reshape(-1, 2) for line in text.splitlines()]
        assert len(rows) == len(expected)
        for a, b in zip(expected, rows, strict=True):
            np.testing.assert_allclose(b, a, atol=0.01)
        count += len(rows)
    assert count > 0
    log = next((tmp_path / "work").rglob("*.log")).read_text()
    assert f"int8, input {layout}" in log and "one frame at a time, as deployed" in log
    assert ("lanes from its peaks" in log) == (layout == "nv12")


def test_without_align_camera_bytes_are_made_too(cfg, files, tmp_path):
    for name, align in (("aligned", True), ("batches", False)):
        run_test(
            cfg, str(files["nv12"]), align=align, work_dir=str(tmp_path / name),
            lines_dir=str(tmp_path / f"{name}_lines"),
        )  # fmt: skip
    assert lanes_of(tmp_path / "aligned_lines") == lanes_of(tmp_path / "batches_lines")


def test_the_ir_is_a_model_like_any_other(cfg, files, tmp_path):
    ir = files["yuv444"].with_suffix(".xml")
    assert ir.is_file() and ir.with_suffix(".bin").is_file()
    values = {}
    for path in (files["yuv444"], ir):
        values[path.suffix] = run_test(cfg, str(path), align=True, work_dir=str(tmp_path / "work"))
    assert values[".xml"] == values[".onnx"]
    assert type(build_model(cfg, ir).runtime).__name__ == "OpenVinoRuntime"


@pytest.fixture
def error(monkeypatch, trained, tmp_path):
    """Function of a model file and options: the message that tools/test.py ends with."""

    def run(model: Path, *words) -> str:
        arguments = [trained.config, model, "--work-dir", tmp_path / "work", *words]
        monkeypatch.setattr("sys.argv", ["test.py", *map(str, arguments)])
        main = runpy.run_path("tools/test.py", run_name="tool")["main"]
        with pytest.raises(SystemExit) as stopped:
            main()
        return str(stopped.value)

    return run


@pytest.mark.parametrize("stage", ["float", "qat"])
def test_align_needs_an_exported_file(error, trained, stage):
    message = error(trained.best(stage), "--align")
    assert message.startswith(f"error: {trained.best(stage)} is no exported file: --align")
    assert "tools/export.py CONFIG CKPT" in message


def test_irs_that_cannot_be_used_are_refused_by_name(error, files, tmp_path):
    ir = files["yuv444"].with_suffix(".xml")
    assert "IR, which backend onnxruntime does not read" in error(ir, "--backend", "onnxruntime")

    alone = tmp_path / "alone.xml"
    shutil.copy(ir, alone)
    assert "alone.bin does not exist" in error(alone)

    shutil.copy(ir.with_suffix(".bin"), tmp_path / "cut.bin")
    (tmp_path / "cut.xml").write_bytes(ir.read_bytes()[:5000])
    assert "cut.xml cannot be read as OpenVINO IR" in error(tmp_path / "cut.xml")

    shutil.copy(ir, tmp_path / "short.xml")
    (tmp_path / "short.bin").write_bytes(ir.with_suffix(".bin").read_bytes()[:5000])
    assert "short.xml cannot be read as OpenVINO IR" in error(tmp_path / "short.xml")

    model = openvino.Core().read_model(str(files["yuv444"]))  # without this package's passes
    openvino.save_model(model, str(tmp_path / "foreign.xml"), compress_to_fp16=False)
    assert "foreign.xml was not exported by ganet_mm" in error(tmp_path / "foreign.xml")
    assert "--quant is for .pth" in error(ir, "--quant")


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_damaged_onnx_file_is_refused_by_name(error, files, tmp_path, backend):
    whole = files["yuv444"].read_bytes()
    for name, data in (("cut", whole[: len(whole) // 2]), ("text", b"no model " * 99)):
        (tmp_path / f"{name}.onnx").write_bytes(data)
        message = error(tmp_path / f"{name}.onnx", "--backend", backend)
        assert f"{name}.onnx cannot be read as ONNX" in message


def test_an_export_must_be_named_onnx_and_an_ir_needs_signed_weights(trained, cfg, tmp_path):
    with pytest.raises(ValueError, match=r"model\.bin: an exported file's name ends in \.onnx"):
        export_checkpoint(cfg, trained.best("qat"), tmp_path / "model.bin", 1)
    with pytest.raises(ValueError, match=r"is written, but no IR.*7 bit weights"):
        export_checkpoint(
            cfg, trained.best("qat"), tmp_path / "model.onnx", 1, "avx2", openvino_ir=True
        )
    assert onnx.load(str(tmp_path / "model.onnx"))
    assert not (tmp_path / "model.xml").exists()


def test_a_batch_is_no_deployment(cfg, files):
    from ganet_mm.deploy.deployed_detector import DeployedLaneDetector

    detector = DeployedLaneDetector(
        str(files["yuv444"]), cfg.model.head, cfg.model.data_preprocessor, align=True
    )
    frames = torch.zeros(2, 3, *cfg.input_size, dtype=torch.uint8)
    with pytest.raises(ValueError, match="a batch of 2 frames"):
        detector(frames, mode="tensor")
