"""mmrazor 1.0.0 on torch 2: it was written for torch 1.13, whose quantization internals moved.

Each function below is one measure. They run at the import of the mmrazor module that needs them
(see :mod:`.import_hooks`), change nothing on disk, and do nothing where torch still has the thing.
"""

from __future__ import annotations

import warnings
from types import ModuleType

import torch

from .import_hooks import on_import


def supply_reversed_fusers() -> None:
    """torch 2.0 made ``reverse2`` and ``reverse3`` private and dropped
    ``reverse_sequential_wrapper2``; mmrazor's backend configs import all three by name."""
    # Importing this first avoids a circular import inside torch.ao.
    import torch.ao.quantization.backend_config.utils  # noqa: F401
    from torch.ao.quantization import fuser_method_mappings as mappings

    def reverse_sequential_wrapper2(sequential):
        return mappings._reverse2(mappings._sequential_wrapper2(sequential))

    for name, function in (
        ("reverse2", getattr(mappings, "_reverse2", None)),
        ("reverse3", getattr(mappings, "_reverse3", None)),
        ("reverse_sequential_wrapper2", reverse_sequential_wrapper2),
    ):
        if not hasattr(mappings, name):
            setattr(mappings, name, function)


def file_patterns_reversed(common_operator_config_utils: ModuleType) -> None:
    """torch 2.0 reads a pattern tuple as (conv, bn, relu); mmrazor writes (relu, (bn, conv)).

    mmrazor's backend configs get a ``BackendPatternConfig`` that files its pattern under torch's
    reversed "complex" format. Of the setters that left torch, ``_set_overwrite_output_*`` served
    the reference-module flow that mmrazor never enters, so they only keep the chain of calls
    going; ``_set_input_output_observed(False)`` became an observation type.
    """
    original = common_operator_config_utils.BackendPatternConfig
    if hasattr(original, "_set_overwrite_output_fake_quantize"):
        return
    from torch.ao.quantization.backend_config import ObservationType

    class ReversedPatternConfig(original):
        def __init__(self, pattern=None):
            super().__init__()
            if pattern is not None:
                self._set_pattern_complex_format(pattern)

        def _set_overwrite_output_fake_quantize(self, fake_quantize):
            return self

        def _set_overwrite_output_observer(self, observer):
            return self

        def _set_input_output_observed(self, observed: bool):
            if not observed:
                self.set_observation_type(ObservationType.INPUT_OUTPUT_NOT_OBSERVED)
            return self

    common_operator_config_utils.BackendPatternConfig = ReversedPatternConfig


def accept_graph_module_keyword(native_quantizer: ModuleType) -> None:
    """``_fuse_fx(graph_module=…)`` was renamed ``_fuse_fx(model=…)`` in torch 2.0."""
    fuse_fx = native_quantizer._fuse_fx

    def _fuse_fx(graph_module, **kwargs):
        return fuse_fx(graph_module, **kwargs)

    native_quantizer._fuse_fx = _fuse_fx


def keep_tensor_attributes(custom_tracer: ModuleType) -> None:
    """mmrazor hands GraphModule a dict of modules; a traced buffer or parameter (the position
    embedding, the attention's gamma) is none, and GraphModule then refuses its ``get_attr`` node.
    The measure adds the tensors that the graph names to the dict."""
    original = custom_tracer.GraphModule

    def graph_module(modules, graph, name):
        root = modules[""]
        tensors = {}
        for node in graph.nodes:
            if node.op == "get_attr":
                owner, _, attribute = node.target.rpartition(".")
                value = getattr(root.get_submodule(owner), attribute)
                if isinstance(value, torch.Tensor):
                    tensors[node.target] = value
        return original({**modules, **tensors}, graph, name)

    custom_tracer.GraphModule = graph_module


MEASURES = {
    "mmrazor.structures.quantization.backend_config.common_operator_config_utils": dict(
        before=supply_reversed_fusers, after=file_patterns_reversed
    ),
    "mmrazor.models.quantizers.native_quantizer": dict(after=accept_graph_module_keyword),
    "mmrazor.models.task_modules.tracer.fx.custom_tracer": dict(after=keep_tensor_attributes),
}


def install_mmrazor_measures() -> None:
    """Registers every measure; warns if mmrazor was imported before them."""
    late = [name for name, hooks in MEASURES.items() if not on_import(name, **hooks)]
    if late:
        warnings.warn(
            "mmrazor was imported before ganet_mm, so its measures for torch 2 are not in force "
            f"({', '.join(late)}). Import ganet_mm first.",
            stacklevel=3,
        )
