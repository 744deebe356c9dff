from __future__ import annotations

import copy
from collections.abc import Sequence

from mmrazor.models import OpenVINOQuantizer
from torch import nn
from torch.ao.quantization import FakeQuantizeBase
from torch.fx import GraphModule

from ganet_mm.compat.qat_conv_bn import divide_weights_not_results
from ganet_mm.registry import MODELS


@MODELS.register_module()
class LaneQuantizer(OpenVINOQuantizer):
    """mmrazor's OpenVINO quantizer, whose scheme (u8 activations per tensor, s8 weights per
    channel, additions and matrix products quantized) onnxruntime runs as well, with float outputs.

    The head's last convolutions take integers and give floats: start-point offsets reach ±100
    cells, and 256 steps over them would be most of a cell each. mmrazor means to leave outputs
    alone, but looks for a fake quantizer before the ``output`` node itself and not inside the
    tuple that a network of several outputs returns.

    Args:
        global_qconfig: As mmrazor's. ``w_observer`` and ``a_observer`` may hold arguments beside
            their type, which mmrazor would drop.
        float_layers: Names of the detector's modules that stay float, e.g. ``head.kpts_branch.0``;
            tools/analysis_tools/sensitivity.py proposes some.
        kwargs: As mmrazor's.

    Raises:
        ValueError: (when the detector is built) it has no module of a name in ``float_layers``, or
            a layer with weights that is no convolution with integer arithmetic here.
    """

    def __init__(self, global_qconfig: dict, float_layers: Sequence[str] = (), **kwargs) -> None:
        self._float_layers = list(float_layers)
        global_qconfig = copy.deepcopy(global_qconfig)
        self._observer_arguments = {}
        for kind in ("w", "a"):
            observer = dict(global_qconfig[f"{kind}_observer"])
            name = observer.pop("type")
            name = name if "." in name else f"ganet_mm.{name}"  # mmrazor looks in its own scope
            global_qconfig[f"{kind}_observer"] = dict(type=name)
            self._observer_arguments[kind] = observer
        super().__init__(global_qconfig=global_qconfig, **kwargs)

    def gen_qconfig_mapping(self, qconfig, no_observer_modules):
        for kind, arguments in self._observer_arguments.items():
            name = f"{kind}_fake_quant"
            setattr(qconfig, name, getattr(qconfig, name).with_args(**arguments))
        mapping = super().gen_qconfig_mapping(qconfig, no_observer_modules)
        for name in self._float_layers:
            mapping.set_module_name(name, None)
        return mapping

    def prepare(self, model, concrete_args=None):
        known = dict(model.named_modules())
        unknown = [name for name in self._float_layers if name not in known]
        if unknown:
            raise ValueError(f"float_layers: the detector has no module {', '.join(unknown)}")
        prepared = super().prepare(model, concrete_args)
        _check_layers(prepared)
        divide_weights_not_results(prepared)
        return prepared

    def del_redundant_fakequant(self, prepared: GraphModule) -> GraphModule:
        prepared = super().del_redundant_fakequant(prepared)
        graph = prepared.graph
        output = next(node for node in graph.nodes if node.op == "output")
        for node in list(output.all_input_nodes):
            if node.op != "call_module" or list(node.users) != [output]:
                continue
            if isinstance(prepared.get_submodule(node.target), FakeQuantizeBase):
                node.replace_all_uses_with(node.args[0])
                graph.erase_node(node)
                prepared.delete_submodule(node.target)
        graph.lint()
        prepared.recompile()
        return prepared


def _check_layers(prepared: GraphModule) -> None:
    for name, layer in prepared.named_modules():
        if not hasattr(layer, "weight_fake_quant"):
            continue
        if not isinstance(layer, nn.Conv2d):
            what = f"is a {type(layer).__name__}"
        elif layer.padding_mode != "zeros":
            what = f"pads by padding_mode={layer.padding_mode!r}"
        else:
            continue
        raise ValueError(
            f"{name} {what}, but integers are for Conv2d that pads with zeros: take such a "
            f"convolution, or leave it float by the quantizer's float_layers=['{name}']"
        )
