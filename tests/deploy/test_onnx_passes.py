import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from ganet_mm.deploy.onnx_passes import compute_outputs_in_integers, fold_constant_quantize


def quantized_conv(quantize_output: bool) -> onnx.ModelProto:
    """x float → Q → DQ → Conv(DQ(Q(float weight))) [→ Q → DQ] as an exporter writes it."""
    random = np.random.default_rng(0)
    constants = {
        "x_scale": np.float32(0.02),
        "x_zero": np.uint8(110),
        "weight": random.normal(size=(2, 3, 1, 1)).astype(np.float32),
        "w_scale": np.array([0.02, 0.03], np.float32),
        "w_zero": np.zeros(2, np.int8),
        "bias": np.array([0.5, -0.25], np.float32),
        "y_scale": np.float32(0.05),
        "y_zero": np.uint8(128),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "x_scale", "x_zero"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "x_scale", "x_zero"], ["xd"]),
        helper.make_node("QuantizeLinear", ["weight", "w_scale", "w_zero"], ["wq"], axis=0),
        helper.make_node("DequantizeLinear", ["wq", "w_scale", "w_zero"], ["wd"], axis=0),
        helper.make_node("Conv", ["xd", "wd", "bias"], ["c"], strides=[1, 1]),
    ]
    if quantize_output:
        nodes += [
            helper.make_node("QuantizeLinear", ["c", "y_scale", "y_zero"], ["cq"]),
            helper.make_node("DequantizeLinear", ["cq", "y_scale", "y_zero"], ["y"]),
        ]
    else:
        nodes[-1].output[0] = "y"
    graph = helper.make_graph(
        nodes,
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 4, 5])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {"x": x})[0]


@pytest.mark.parametrize("quantize_output", [False, True])
def test_rewrites_keep_the_function(quantize_output):
    x = np.random.default_rng(1).normal(size=(1, 3, 4, 5)).astype(np.float32)
    model = quantized_conv(quantize_output)
    expected = run(model, x)
    assert fold_constant_quantize(model) == 1
    np.testing.assert_allclose(run(model, x), expected, atol=1e-6)
    assert compute_outputs_in_integers(model) == (0 if quantize_output else 1)
    np.testing.assert_allclose(run(model, x), expected, atol=1e-5)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("ConvInteger") == (0 if quantize_output else 1)
    assert ("Conv" in kinds) == quantize_output


def test_folded_integers_are_those_of_onnx():
    """Halves go to the even integer, values beyond the range saturate, as in QuantizeLinear."""
    model = quantized_conv(False)
    weight = next(t for t in model.graph.initializer if t.name == "weight")
    values = np.array([[0.01, 0.03, 0.05], [9.0, -9.0, -0.045]], np.float32).reshape(2, 3, 1, 1)
    weight.CopyFrom(numpy_helper.from_array(values, "weight"))
    fold_constant_quantize(model)
    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}["wq"]
    assert stored.dtype == np.int8
    assert stored[0].ravel().tolist()[0] == 0  # 0.5 → 0
    assert stored[1].ravel().tolist()[:2] == [127, -128]
    assert "weight" not in {t.name for t in model.graph.initializer}


def test_a_float_graph_is_left_alone():
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "float",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 4, 5])],
        [numpy_helper.from_array(np.ones((2, 3, 1, 1), np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    before = model.SerializeToString()
    assert fold_constant_quantize(model) == 0
    assert compute_outputs_in_integers(model) == 0
    assert model.SerializeToString() == before
