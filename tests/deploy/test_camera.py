import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies
from hypothesis.extra import numpy as arrays

from ganet_mm.deploy.camera import LAYOUTS, camera_frame, check_layout, network_input
from ganet_mm.deploy.deployed_detector import DeployedLaneDetector
from ganet_mm.deploy.export_model import FloatMaps, GraphMaps
from ganet_mm.deploy.onnx_file import export_onnx
from ganet_mm.deploy.operators import executed_operators
from ganet_mm.deploy.runtimes import load_runtime
from ganet_mm.models.data_preprocessors import LaneDataPreprocessor
from ganet_mm.registry import MODELS
from ganet_mm.structures import LaneDataSample

INPUT = (96, 192)


def picture(seed: int = 0) -> np.ndarray:
    """uint8 BGR (96, 192, 3): smooth, as chroma at half resolution supposes."""
    rows, columns = np.mgrid[0:96, 0:192]
    waves = [np.sin(rows / (9 + c + seed)) + np.cos(columns / (13 - c)) for c in range(3)]
    return (127 + 60 * np.stack(waves, -1)).astype(np.uint8)


@settings(max_examples=25, deadline=None)
@given(arrays.arrays(np.uint8, (4, 6, 3)), strategies.sampled_from(["yuv444", "rgb", "normalized"]))
def test_full_resolution_layouts_lose_nothing(bgr, layout):
    """What the network sees is what the data preprocessor shows it in training."""
    planes = torch.from_numpy(bgr.transpose(2, 0, 1).copy())
    expected = LaneDataPreprocessor((4, 6))(dict(inputs=[planes]))["inputs"].numpy()
    frame = camera_frame(bgr, layout)
    np.testing.assert_array_equal(network_input(frame, layout), expected)
    assert frame.dtype == (np.float32 if layout == "normalized" else np.uint8)


def test_nv12_is_laid_out_as_opencv_reads_it():
    """OpenCV's BT.601 is video range: luma and chroma planes are compared by where they lie."""
    bgr = picture()
    frame = camera_frame(bgr, "nv12")
    assert frame.shape == (1, 1, 144, 192)
    yuv = camera_frame(bgr, "yuv444")[0]
    np.testing.assert_array_equal(frame[0, 0, :96], yuv[0])
    for channel in (1, 2):  # U in even columns, V in odd ones
        means = yuv[channel].reshape(48, 2, 96, 2).mean(axis=(1, 3))
        assert np.abs(frame[0, 0, 96:, channel - 1 :: 2] - means).max() <= 0.5
    seen = network_input(frame, "nv12")
    whole = network_input(yuv[None], "yuv444")
    np.testing.assert_array_equal(seen[:, 0], whole[:, 0])
    assert np.abs(seen - whole).max() < 0.1


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("layout", LAYOUTS[1:])
def test_a_file_converts_as_the_network_sees_it(quantized, tmp_path, layout, backend):
    fixed = quantized().fixed_point()
    path = tmp_path / "model.onnx"
    export_onnx(GraphMaps(fixed.frozen).eval(), INPUT, path, {}, layout=layout)
    frame = camera_frame(picture(), layout)
    expected = fixed(torch.from_numpy(network_input(frame, layout)))
    actual = load_runtime(backend, path, 1).run(frame)
    for a, b in zip(expected, actual, strict=True):
        np.testing.assert_allclose(b, a.numpy(), rtol=1e-5, atol=1e-6)


def test_bytes_need_no_float_operator(quantized, tmp_path):
    path = tmp_path / "model.onnx"
    graph = GraphMaps(quantized().fixed_point().frozen).eval()
    export_onnx(graph, INPUT, path, {}, layout="yuv444")
    assert executed_operators(path)[1] == {"Resize": 2, "Mul": 3, "Add": 3}


@pytest.mark.parametrize("layout", LAYOUTS[1:])
def test_a_float_file_converts_too(small_cfg, float_weights, tmp_path, layout):
    network = MODELS.build(small_cfg.model).eval()
    network.load_state_dict(float_weights)
    path = tmp_path / "float.onnx"
    export_onnx(FloatMaps(network).eval(), INPUT, path, {}, layout=layout)
    frame = camera_frame(picture(), layout)
    with torch.no_grad():
        expected = network(torch.from_numpy(network_input(frame, layout)), mode="tensor")
    for a, b in zip(expected, load_runtime("onnxruntime", path, 1).run(frame), strict=True):
        np.testing.assert_allclose(b, a.numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("layout", ["normalized", "rgb", "nv12"])
def test_evaluation_feeds_a_file_what_it_takes(quantized, small_cfg, tmp_path, layout):
    fixed = quantized().fixed_point()
    path = tmp_path / "model.onnx"
    export_onnx(GraphMaps(fixed.frozen).eval(), INPUT, path, {}, layout=layout)
    detector = DeployedLaneDetector(
        str(path), small_cfg.model.head, small_cfg.model.data_preprocessor, threads=1
    )
    planes = torch.from_numpy(picture().transpose(2, 0, 1).copy())
    metainfo = dict(scale_factor=(1.0, 1.0), crop_offset=(0.0, 0.0))
    batch = dict(inputs=[planes, planes], data_samples=[LaneDataSample(metainfo=metainfo)] * 2)
    data = detector.data_preprocessor(batch)
    maps = detector(data["inputs"], mode="tensor")
    seen = torch.from_numpy(network_input(camera_frame(picture(), layout), layout))
    for a, b in zip(fixed(seen), maps, strict=True):
        assert b.shape[0] == 2
        torch.testing.assert_close(b[:1], a, rtol=1e-5, atol=1e-6)
    assert all(isinstance(s.pred_lanes, list) for s in detector.test_step(batch))


def test_unknown_and_unfitting_layouts_are_refused(tmp_path):
    with pytest.raises(ValueError, match="input 'yuv420' is unknown; choose one of normalized"):
        check_layout("yuv420", (96, 192))
    with pytest.raises(ValueError, match="nv12 needs an even height and width"):
        check_layout("nv12", (95, 192))
