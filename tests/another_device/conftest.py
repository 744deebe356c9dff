"""A device that is not the CPU, for machines without a GPU.

Its tensors hold a tensor of the CPU and compute with it, so every result can be compared to the
last bit; but they are of the device ``other:0``, and an operator that is given tensors of both
devices fails, as on a GPU. So these checks find what stays behind on the CPU; they say nothing of
a GPU's own arithmetic (tests marked ``gpu`` do).

torch keeps a device that it was told of: whoever asks for :func:`other` changes the process.
"""

from __future__ import annotations

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

DEVICE = torch.device("privateuseone:0")  # torch's name until it has another
_COPIES = (torch.ops.aten._to_copy, torch.ops.aten.copy_)


class _Backend(_DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16]


class _OtherTensor(torch.Tensor):
    """Shape, type and device of a tensor there; its numbers are in ``inner``."""

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> _OtherTensor:
        return torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=DEVICE,
        )

    def __init__(self, inner: torch.Tensor) -> None:
        self.inner = inner

    def __repr__(self) -> str:  # torch's asks the device for numbers
        return f"_OtherTensor(shape={tuple(self.shape)}, dtype={self.dtype})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


class _Operators(TorchDispatchMode):
    """Sends every operator to the device of its tensors, or to the one that it names."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


def _run(func, args: tuple, kwargs: dict):
    operator = func.overloadpacket
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, _OtherTensor)]
    # A scalar of the CPU may take part, as on a GPU.
    left = any(tensor.dim() and not isinstance(tensor, _OtherTensor) for tensor in tensors)
    if there and left and operator not in _COPIES:
        raise RuntimeError(f"{func}: expected all tensors on one device, got {DEVICE} and cpu")
    goes_there = bool(there)
    if kwargs.get("device") is not None:
        goes_there = torch.device(kwargs["device"]).type == DEVICE.type
        kwargs = {**kwargs, "device": torch.device("cpu")}
    elif operator is torch.ops.aten.copy_:
        goes_there = isinstance(args[0], _OtherTensor)
    result = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
    if operator is torch.ops.aten._to_copy and goes_there and not there:
        result = result.clone()
    if operator is torch.ops.aten.resize_ and there:
        _give(there[0], _OtherTensor(there[0].inner), there[0].inner)
    if not goes_there:
        return result
    same = {id(tensor.inner): tensor for tensor in there}  # operators in place give what they got
    return tree_map(lambda leaf: same[id(leaf)] if id(leaf) in same else _wrap(leaf), result)


def _inner(leaf):
    return leaf.inner if isinstance(leaf, _OtherTensor) else leaf


def _wrap(leaf):
    return _OtherTensor(leaf) if isinstance(leaf, torch.Tensor) else leaf


def _give(tensor: _OtherTensor, new: _OtherTensor, inner: torch.Tensor) -> None:
    with torch._C._DisableTorchDispatch():
        tensor.data = new
    tensor.inner = inner


class _Functions(TorchFunctionMode):
    """What torch does with a tensor below its operators."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            device = kwargs.pop("device")
            return func(*args, **kwargs).to(device)
        if func is torch.Tensor.tolist:
            return func(args[0].cpu())
        if func == torch.Tensor.data.__set__ and isinstance(args[0], _OtherTensor):
            return _give(args[0], args[1], args[1].inner)
        return func(*args, **kwargs)


@pytest.fixture(scope="session")
def _registered() -> None:
    _setup_privateuseone_for_python_backend("other", _Backend())


@pytest.fixture
def other(_registered):
    """The device; inside of the test tensors can be made on it and moved there."""
    with _Operators(), _Functions():
        yield DEVICE
