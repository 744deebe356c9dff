import copy

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from ganet_mm.deploy.export_model import GraphMaps
from ganet_mm.deploy.onnx_file import export_onnx
from ganet_mm.deploy.runtimes import load_runtime
from ganet_mm.quantization.fixed_point import FixedPointGraph
from ganet_mm.quantization.freeze import freeze
from ganet_mm.structures import LaneDataSample

INPUT = (96, 192)


def frame(seed: int, count: int = 1) -> torch.Tensor:
    values = np.random.default_rng(seed).integers(0, 256, (count, 3, *INPUT))
    return torch.from_numpy((values - 128).astype(np.float32) / 128)


@pytest.fixture(params=["calibration", "qat"])
def exported(request, quantized, tmp_path):
    """(model, path of its exported file)."""
    model = quantized(request.param)
    path = tmp_path / "model_int8.onnx"
    export_onnx(GraphMaps(model.fixed_point().frozen).eval(), INPUT, path, {})
    return model, path


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_runtime_gives_the_same_maps(exported, backend):
    model, path = exported
    runtime = load_runtime(backend, path, threads=1)
    for seed in range(3):
        expected = model.fixed_point()(frame(seed))
        for a, b in zip(expected, runtime.run(frame(seed).numpy()), strict=True):
            # float32's last digits of one multiplication and one addition: no integer differs
            np.testing.assert_allclose(b, a.numpy(), rtol=1e-5, atol=1e-6)


def test_every_layer_gives_onnxruntimes_integers(exported):
    model, path = exported
    file = onnx.load(str(path))
    names = [node.output[0] for node in file.graph.node if node.op_type == "QuantizeLinear"]
    for name in names:
        file.graph.output.append(
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None)
        )
    session = onnxruntime.InferenceSession(file.SerializeToString())
    actual = dict(zip(names, session.run(names, {"input": frame(5).numpy()}), strict=True))
    expected = model.fixed_point().integer_maps(frame(5))
    compared = 0
    for name, values in actual.items():
        key = name.split("/")[-2]
        if key in expected and expected[key].shape == values.shape:
            np.testing.assert_array_equal(values, expected[key].numpy(), err_msg=name)
            compared += 1
    assert compared >= 75


def test_a_batch_gives_what_its_frames_give_alone(quantized):
    fixed = quantized().fixed_point()
    batch = frame(2, count=3)
    together = fixed(batch)
    for index in range(3):
        for a, b in zip(together, fixed(batch[index : index + 1]), strict=True):
            assert torch.equal(a[index : index + 1], b)


def test_half_precision_around_it_changes_nothing(quantized):
    fixed = quantized().fixed_point()
    expected = fixed(frame(1))
    with torch.autocast("cpu", torch.bfloat16):
        actual = fixed(frame(1))
    assert all(torch.equal(a, b) for a, b in zip(expected, actual, strict=True))


def test_evaluation_decodes_its_maps(quantized):
    model = quantized()
    metainfo = dict(scale_factor=(1.0, 1.0), crop_offset=(0.0, 0.0))
    sample = LaneDataSample(metainfo=metainfo)
    (predicted,) = model(frame(3), [copy.deepcopy(sample)], mode="predict")
    head = model.architecture.head
    (expected,) = head.predict_by_feat(*model.fixed_point()(frame(3)), [sample])
    assert predicted.pred_scores == expected.pred_scores


def test_it_follows_the_model(quantized):
    """Training, loading and calibrating make the next evaluation build it anew."""
    model = quantized()
    picture = torch.randint(0, 256, (3, *INPUT), dtype=torch.uint8)
    before = model.fixed_point()
    assert model.fixed_point() is before
    for change in (
        lambda: model.train().eval(),
        lambda: model.load_state_dict(model.state_dict()),
        lambda: model.calibrate_step(dict(inputs=[picture])),
    ):
        change()
        after = model.fixed_point()
        assert after is not before
        before = after
    assert not any("fixed_point" in key or "frozen" in key for key in model.state_dict())


def test_an_operator_without_integer_arithmetic_runs_on_floats(quantized):
    frozen = freeze(quantized().graph)
    relu = next(node for node in frozen.graph.nodes if "relu" in node.name)
    frozen.add_submodule("strange", torch.nn.Hardswish())
    relu.target = "strange"
    frozen.recompile()
    with torch.no_grad():
        expected = frozen(frame(0), None, "tensor")
    for a, b in zip(expected, FixedPointGraph(frozen)(frame(0)), strict=True):
        assert (a - b).abs().mean() < 0.1 * a.abs().mean()
