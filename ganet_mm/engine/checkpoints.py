"""The three kinds of file a model can come from, told apart and loaded without surprises."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from torch import nn

from ganet_mm.registry import MODELS

from .stages import stage_config

# ONNX, and OpenVINO's IR.
EXPORTED = (".onnx", ".xml")
# In the keys of a fake quantizer and its observer: their shapes follow the data, and loading
# settles them.
_QUANTIZERS = ("_fake_quant.", "activation_post_process")
# In the config text that a Runner puts into a checkpoint's meta.
_INPUT_SIZE = re.compile(r"data_preprocessor=dict\(\s*input_size=[(\[]\s*(\d+),\s*(\d+)")


def is_exported(path: str | Path) -> bool:
    """Whether a file is one that tools/export.py wrote, by its name: no checkpoint."""
    return Path(path).suffix in EXPORTED


def load_checkpoint_file(path: str | Path) -> dict:
    """What a Runner saved: ``state_dict``, ``meta``, …, on the CPU; data only, no code is run.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it cannot be read as a checkpoint (cut short, not a checkpoint, or holding
            objects that ``weights_only`` refuses); names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint {path} does not exist")
    if is_exported(path):
        raise ValueError(f"{path} is exported already; here a checkpoint (.pth) is needed")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = re.search(r"GLOBAL (\S+)", str(error))
        what = f"asks for {refused[1]} to be run" if refused else "is damaged or no checkpoint"
        raise ValueError(
            f"{path} {what}, so it is refused: a checkpoint holds weights and plain data only. Use "
            "one written by tools/train.py"
        ) from error
    except Exception as error:  # the unpickler takes junk for commands and fails in any way
        raise ValueError(
            f"{path} cannot be read: it is cut short or no checkpoint. Train again, or resume from "
            "an earlier epoch's file"
        ) from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise ValueError(f"{path} holds no state_dict: it is not a checkpoint of tools/train.py")
    return checkpoint


def is_quantized(state: dict[str, torch.Tensor]) -> bool:
    """Whether weights are those of a fake-quantized model."""
    return any(key.startswith("qmodels.") for key in state)


def load_weights(model: nn.Module, state: dict[str, torch.Tensor], name: str) -> None:
    """Loads weights that must fit exactly.

    Raises:
        ValueError: keys or shapes differ; names the file and the first few differences.
    """
    own = model.state_dict()
    differences = [f"missing {key}" for key in own if key not in state]
    differences += [f"unexpected {key}" for key in state if key not in own]
    differences += [
        f"{key} is {tuple(state[key].shape)}, the model's is {tuple(own[key].shape)}"
        for key in own
        if key in state
        and state[key].shape != own[key].shape
        and not any(part in key for part in _QUANTIZERS)
    ]
    if differences:
        shown = "; ".join(differences[:3])
        raise ValueError(
            f"{name} does not fit the config's model ({len(differences)} differences: {shown}). "
            "Use the config that it was trained with."
        )
    model.load_state_dict(state)


def stage_of(checkpoint: dict, name: str) -> str:
    """The stage that wrote a checkpoint, from the config text in its ``meta``.

    Raises:
        ValueError: the text names none; ``name`` is the file's, for the message.
    """
    found = re.search(r"^stage = '(\w+)'$", checkpoint.get("meta", {}).get("cfg", ""), re.MULTILINE)
    if found is None:
        raise ValueError(f"{name} does not say which stage made it: it is not of tools/train.py")
    return found[1]


def check_input_size(checkpoint: dict, cfg: Config, name: str) -> None:
    """Refuses a checkpoint that was trained at another input size than the config's.

    Its weights fit all the same, and lanes come out, but bad ones: roads of that scale were never
    seen. A checkpoint that does not say its size passes.

    Args:
        checkpoint: As :func:`load_checkpoint_file` gives it.
        cfg: The float config.
        name: The file, for the message.

    Raises:
        ValueError: the sizes differ; names both.
    """
    meta = checkpoint.get("meta", {})
    found = _INPUT_SIZE.search(meta.get("cfg", ""))
    trained = meta.get("input_size") or (found and tuple(map(int, found.groups())))
    configured = cfg.model.get("data_preprocessor", {}).get("input_size")
    if trained and configured and tuple(trained) != tuple(configured):
        raise ValueError(
            f"{name} was trained for an input of {trained[0]}×{trained[1]} (height × width), but "
            f"the config's is {configured[0]}×{configured[1]}: use the config that it was trained "
            "with, or train on at this size with `tools/train.py CONFIG --load-from`"
        )


def model_config(
    cfg: Config, checkpoint: str | Path, *, quant: bool | None = None, backend: str | None = None
) -> ConfigDict:
    """The config of the model that a file holds.

    Args:
        cfg: The float config.
        checkpoint: ``.pth`` (float or fake-quantized), ``.onnx`` (exported) or ``.xml`` (an
            exported file's OpenVINO IR).
        quant: Whether the ``.pth`` must hold a fake-quantized model; None takes either.
        backend: Runtime for an exported file; None takes onnxruntime for an ``.onnx``, OpenVINO
            for an ``.xml``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a float checkpoint where a fake-quantized one is asked for, or the reverse, or
            one of another input size, see :func:`check_input_size`.
    """
    checkpoint = Path(checkpoint)
    model = copy.deepcopy(cfg.model)
    if is_exported(checkpoint):
        if quant:
            raise ValueError(f"{checkpoint} is an exported file: --quant is for .pth checkpoints")
        return ConfigDict(
            type="DeployedLaneDetector",
            model_file=str(checkpoint),
            head=model.head,
            data_preprocessor=model.data_preprocessor,
            backend=backend,
        )
    loaded = load_checkpoint_file(checkpoint)
    check_input_size(loaded, cfg, str(checkpoint))
    quantized = is_quantized(loaded["state_dict"])
    if quant and not quantized:
        raise ValueError(
            f"{checkpoint} is a float checkpoint, but --quant needs one of the calibration or qat "
            "stage: leave --quant out, or make one with `tools/train.py CONFIG --stage qat`"
        )
    if quant is False and quantized:
        raise ValueError(f"{checkpoint} is a fake-quantized checkpoint: add --quant")
    if not quantized:
        return model
    return stage_config(cfg, stage_of(loaded, str(checkpoint))).model


def build_model(
    cfg: Config,
    checkpoint: str | Path,
    *,
    quant: bool | None = None,
    backend: str | None = None,
    device: str | torch.device = "cpu",
) -> nn.Module:
    """The model of a file with its weights, in eval mode, ready for ``test_step``.

    Args:
        cfg: The float config.
        checkpoint: See :func:`model_config`.
        quant: See :func:`model_config`.
        backend: See :func:`model_config`.
        device: Where a ``.pth`` model runs.

    Raises:
        FileNotFoundError, ValueError: as :func:`model_config` and :func:`load_weights`.
    """
    init_default_scope(cfg.get("default_scope", "ganet_mm"))
    model = MODELS.build(model_config(cfg, checkpoint, quant=quant, backend=backend))
    if not is_exported(checkpoint):
        load_weights(model, load_checkpoint_file(checkpoint)["state_dict"], str(checkpoint))
    return model.to(device).eval()
