"""A trained model to files of the zoo: weights alone, hashed, with what was measured of them."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
import yaml
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..deploy.onnx_file import load_onnx, read_metadata
from ..engine.checkpoints import is_quantized, load_checkpoint_file, load_weights
from ..files import write_bytes
from ..registry import MODELS
from ..version import __version__
from . import METAFILE, ShippedModel, read_metafile

SIZE_LIMIT = 8_000_000  # bytes of a model's three files together
# Whose numbers: the key of a result's Metadata, and what it is in words.
PRECISIONS = {"float": "float, torch", "int8": "int8, onnxruntime"}


def publish(
    config: str | os.PathLike,
    checkpoint: str | os.PathLike,
    exported: str | os.PathLike,
    name: str,
    folder: str | os.PathLike,
    *,
    training_data: str,
    results: Mapping[tuple[str, str], Mapping[str, float]] | None = None,
    macs: int | None = None,
) -> ShippedModel:
    """Puts a model into a zoo, in the place of one of the same name, if there is one.

    Each file is whole or absent, and the metafile comes last: a model that it names has all its
    files. The first model published stays the default one.

    Args:
        config: Config file that the model was trained with.
        checkpoint: Float checkpoint of it. Optimizer, message hub and whatever else a training
            needs are left out.
        exported: Integer file of the same network, of tools/export.py.
        name: The model's name: letters, digits and underscores.
        folder: The zoo; made if it is not there.
        training_data: What it was trained on, for the metafile.
        results: Metrics as tools/test.py writes them, by (``float`` or ``int8``, data set).
        macs: Multiply-accumulates of one frame.

    Returns:
        The published model.

    Raises:
        FileNotFoundError: An input does not exist.
        ValueError: The checkpoint is not float or does not fit the config; the exported file is no
            integer file or has another input; results without F1; the files are over
            :data:`SIZE_LIMIT` together.
    """
    if not name.isidentifier():
        raise ValueError(f"name '{name}' must be of letters, digits and underscores")
    cfg = Config.fromfile(config)
    state = _float_weights(cfg, checkpoint)
    exported_bytes = _integer_file(cfg, exported)
    measured = _results(results or {})
    plain = json.dumps(cfg.to_dict(), indent=1, ensure_ascii=False) + "\n"
    buffer = io.BytesIO()
    input_size = list(cfg.model.data_preprocessor.input_size)
    meta = dict(name=name, ganet_mm_version=__version__, input_size=input_size)
    torch.save(dict(state_dict=state, meta=meta), buffer)

    model = ShippedModel(name, Path(folder))
    contents = (plain.encode("utf-8"), buffer.getvalue(), exported_bytes)
    size = sum(map(len, contents))
    if size > SIZE_LIMIT:
        raise ValueError(
            f"the files of '{name}' take {size / 1e6:.2f} MB, more than the "
            f"{SIZE_LIMIT / 1e6:g} MB that the package may carry: ship a smaller network"
        )
    for path, content in zip(model.files, contents, strict=True):
        write_bytes(path, content)
    entry = {
        "Name": name,
        "In Collection": "GaNet",
        "Config": Path(os.path.relpath(config)).as_posix(),
        "Metadata": {
            "Parameters": sum(p.numel() for p in MODELS.build(cfg.model).parameters()),
            **({} if macs is None else {"FLOPs": macs}),
            "Training Data": training_data,
            "SHA256": {
                path.name: hashlib.sha256(content).hexdigest()
                for path, content in zip(model.files, contents, strict=True)
            },
        },
        "Results": measured,
        "Weights": f"ganet_mm/model_zoo/{model.checkpoint.name}",
    }
    others = read_metafile(folder)
    names = [other["Name"] for other in others]
    if name in names:
        others[names.index(name)] = entry
    else:
        others.append(entry)
    text = yaml.safe_dump({"Models": others}, sort_keys=False, allow_unicode=True, width=100)
    write_bytes(Path(folder) / METAFILE, text.encode("utf-8"))
    return model


def _float_weights(cfg: Config, checkpoint: str | os.PathLike) -> dict[str, torch.Tensor]:
    state = load_checkpoint_file(checkpoint)["state_dict"]
    if is_quantized(state):
        raise ValueError(
            f"{checkpoint} is a fake-quantized checkpoint: publish the float stage's, the integer "
            "weights are in the exported file"
        )
    init_default_scope(cfg.get("default_scope", "ganet_mm"))
    load_weights(MODELS.build(cfg.model), state, str(checkpoint))
    return {key: tensor.detach().clone() for key, tensor in state.items()}


def _integer_file(cfg: Config, exported: str | os.PathLike) -> bytes:
    path = Path(exported)
    if not path.is_file():
        raise FileNotFoundError(
            f"exported file {path} does not exist: make it with tools/export.py"
        )
    metadata = read_metadata(load_onnx(path), str(path))
    if metadata.get("precision") != "int8":
        raise ValueError(
            f"{path} holds {metadata.get('precision', 'unknown')} weights: export a checkpoint of "
            "the qat or calibration stage"
        )
    size = tuple(cfg.model.data_preprocessor.input_size)
    if tuple(metadata["input_size"]) != size:
        raise ValueError(
            f"{path} was exported for an input of {metadata['input_size']}, the config's is "
            f"{list(size)}: export it with this config"
        )
    return path.read_bytes()


def _results(results: Mapping[tuple[str, str], Mapping[str, float]]) -> list[dict]:
    """Entries of OpenMMLab's ``Results``: every F1 there is, in per cent with two decimals."""
    entries = []
    for (precision, dataset), metrics in results.items():
        scores = {key.rpartition("/")[2]: value for key, value in metrics.items() if "F1@" in key}
        if not scores:
            raise ValueError(
                f"the {precision} result of '{dataset}' holds no F1@…: give what "
                "`tools/test.py --out` writes"
            )
        entries.append(
            {
                "Task": "Lane Detection",
                "Dataset": f"{dataset} ({PRECISIONS[precision]})",
                "Metrics": {key: round(100 * value, 2) for key, value in scores.items()},
            }
        )
    return entries
