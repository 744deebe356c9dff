"""Which files, which runtime and which device an inferencer works with."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict

from .. import model_zoo
from ..deploy.runtimes import choose_backend as runtime_of
from ..engine.checkpoints import is_exported

BACKENDS = ("torch", "onnxruntime", "openvino")


def check_backend(backend: str | None) -> None:
    """Raises ValueError for a backend that does not exist; None is any."""
    if backend not in (None, *BACKENDS):
        raise ValueError(f"backend '{backend}' is unknown; choose one of {', '.join(BACKENDS)}")


def check_device(device: str | None) -> None:
    """Raises ValueError for a device that is misspelt or not there; None is any."""
    if device is None:
        return
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise ValueError(f"device '{device}' is unknown: give cpu, cuda or cuda:0, …") from error
    if kind == "cuda":
        number = torch.device(device).index or 0
        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if number >= there:
            raise ValueError(
                f"device '{device}' is not there, torch finds {there} CUDA devices: use cpu, or "
                "install a torch with CUDA that fits the driver"
            )


def choose_files(
    model: str | os.PathLike | Config | ConfigDict | None,
    weights: str | os.PathLike | None,
    device: str | None,
    backend: str | None,
) -> tuple[str | Config | ConfigDict, str]:
    """Config and weights, of the package's own where they are left out."""
    if model is None and weights is not None:
        raise ValueError(
            f"weights '{os.fspath(weights)}' need the config that they were trained with"
        )
    path = os.fspath(model) if isinstance(model, (str, os.PathLike)) else None
    if model is None or (path is not None and _is_name(path)):
        shipped = model_zoo.find_model(path)
        if weights is None:
            on_gpu = torch.device(device).type != "cpu" if device else torch.cuda.is_available()
            by_torch = backend == "torch" or (backend is None and on_gpu)
            weights = shipped.checkpoint if by_torch else shipped.exported
        model = str(shipped.config)
    elif path is not None:
        if not Path(path).is_file():
            raise FileNotFoundError(f"config '{path}' does not exist")
        model = path
    if weights is None:
        raise ValueError(
            "weights are needed with a config: a checkpoint (.pth) or an exported .onnx file"
        )
    weights = os.fspath(weights)
    if not Path(weights).is_file():
        raise FileNotFoundError(f"weights '{weights}' do not exist")
    return model, weights


def _is_name(model: str) -> bool:
    """Whether a string is a model's name and not a config's path."""
    return not Path(model).suffix and Path(model).name == model and not Path(model).is_file()


def choose_backend(weights: str, backend: str | None) -> str:
    """The backend of a weights file; raises ValueError where the one wished for can't run it."""
    if is_exported(weights):
        if backend == "torch":
            raise ValueError(
                f"'{weights}' is an exported model: backend must be onnxruntime or openvino"
            )
        return runtime_of(weights, backend)
    if backend in (None, "torch"):
        return "torch"
    raise ValueError(
        f"'{weights}' is a checkpoint, which only backend 'torch' runs; make an .onnx file "
        "of it first: `python tools/export.py CONFIG CKPT --out model_int8.onnx`"
    )
