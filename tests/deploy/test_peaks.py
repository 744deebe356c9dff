import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings, strategies
from hypothesis.extra import numpy as arrays
from onnx import TensorProto, helper

from ganet_mm.deploy.deployed_detector import DeployedLaneDetector
from ganet_mm.deploy.export_model import FloatMaps
from ganet_mm.deploy.onnx_file import OUTPUT_NAMES, export_onnx
from ganet_mm.deploy.peaks import NO_PEAK, add_peaks
from ganet_mm.deploy.runtimes import load_runtime
from ganet_mm.models.post_process.ganet_decoder import GaNetDecoder
from ganet_mm.registry import MODELS
from ganet_mm.structures import LaneDataSample

INPUT = (96, 192)
SHAPE = (1, 1, 12, 24)


@pytest.fixture(scope="module")
def peaks_of():
    """Function of logits (1, 1, 12, 24): the output added to a graph that gives them."""
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, SHAPE) for n in ("x", "logits")]
    nodes = [helper.make_node("Identity", ["x"], ["logits"])]
    graph = helper.make_graph(nodes, "maps", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    add_peaks(model, "logits")
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return lambda logits: session.run(["peaks"], {"x": logits})[0]


def logits_of_halves():
    """Steps of 1/2: neighbours are often equal, and beyond ±9.2 have one confidence."""
    return arrays.arrays(
        np.float32, SHAPE, elements=strategies.integers(-30, 30).map(np.float32)
    ).map(lambda values: values / 2)


@settings(max_examples=60, deadline=None)
@given(logits=logits_of_halves(), seed=strategies.integers(0, 99))
def test_the_decoder_finds_the_same_lanes_in_them(peaks_of, logits, seed):
    random = np.random.default_rng(seed)
    offsets = [random.normal(0, 3, (1, 2, *SHAPE[2:])).astype(np.float32) for _ in range(2)]
    geometry = np.ones((1, 2)), np.zeros((1, 2))
    decoder = GaNetDecoder(min_points=3)
    (expected,) = decoder.decode(logits, *offsets, *geometry)
    (actual,) = decoder.decode(peaks_of(logits), *offsets, *geometry)
    assert [score for _, score in actual] == [score for _, score in expected]
    for (a, _), (b, _) in zip(expected, actual, strict=True):
        np.testing.assert_array_equal(a, b)


def test_only_cells_below_a_neighbour_of_their_row_go(peaks_of):
    logits = np.full(SHAPE, -3, np.float32)
    logits[0, 0, 4, 3:8] = [1, 2, 2, 1, 3]  # two equal ones stay, the end of the row's rise too
    logits[0, 0, 5, 4] = 9  # other rows do not matter
    logits[0, 0, 6, 3:6] = [12, 10, 11]  # all sure: confidences end at 0.9999
    peaks = peaks_of(logits)[0, 0]
    np.testing.assert_array_equal(peaks[4, 3:8], [NO_PEAK, 2, 2, NO_PEAK, 3])
    assert peaks[5, 4] == 9
    np.testing.assert_array_equal(peaks[6, 3:6], [12, 10, 11])


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_file_with_peaks_decodes_from_them(
    small_cfg, float_weights, tmp_path, backend, monkeypatch
):
    network = MODELS.build(small_cfg.model)
    network.load_state_dict(float_weights)
    paths = {name: tmp_path / f"{name}.onnx" for name in ("plain", "peaks")}
    for name, path in paths.items():
        export_onnx(FloatMaps(network).eval(), INPUT, path, {}, peaks=name == "peaks")
    metadata = load_runtime(backend, paths["peaks"], 1).metadata
    assert metadata["outputs"] == [*OUTPUT_NAMES, "peaks"]
    assert load_runtime(backend, paths["plain"], 1).metadata["outputs"] == [*OUTPUT_NAMES]

    cfg = small_cfg.model.copy()
    cfg.head.decoder = dict(type="GaNetDecoder", kpt_thr=0.09, min_points=1)
    metainfo = dict(scale_factor=(1.0, 1.0), crop_offset=(0.0, 0.0))
    frame = torch.randint(0, 256, (3, *INPUT), dtype=torch.uint8)
    lanes, asked = {}, []
    for name, path in paths.items():
        detector = DeployedLaneDetector(str(path), cfg.head, cfg.data_preprocessor, backend, 1)
        run = detector.runtime.run
        monkeypatch.setattr(
            detector.runtime,
            "run",
            lambda batch, names, run=run: asked.append(names) or run(batch, names),
        )
        batch = dict(inputs=[frame], data_samples=[LaneDataSample(metainfo=metainfo)])
        (sample,) = detector.test_step(batch)
        lanes[name] = sample.pred_lanes
    assert asked == [OUTPUT_NAMES, ("peaks", *OUTPUT_NAMES[1:])]
    assert len(lanes["plain"]) > 0
    for a, b in zip(lanes["plain"], lanes["peaks"], strict=True):
        np.testing.assert_array_equal(a, b)
