"""Trained weights that come with the package, so that lanes are found without any download.

A model of the name NAME is three files here: ``NAME.json`` (its config, flat), ``NAME.pth`` (float
checkpoint) and ``NAME_int8.onnx`` (exported integer file), and an entry of ``metafile.yml`` with
what was measured of them. ``tools/model_converters/publish_model.py`` writes all four.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent
METAFILE = "metafile.yml"


@dataclass(frozen=True)
class ShippedModel:
    """The files of one model of a zoo's folder."""

    name: str
    folder: Path

    @property
    def config(self) -> Path:
        """The whole config, without bases."""
        return self.folder / f"{self.name}.json"

    @property
    def checkpoint(self) -> Path:
        """Float weights, for torch."""
        return self.folder / f"{self.name}.pth"

    @property
    def exported(self) -> Path:
        """The integer file, for onnxruntime and OpenVINO."""
        return self.folder / f"{self.name}_int8.onnx"

    @property
    def files(self) -> tuple[Path, Path, Path]:
        return self.config, self.checkpoint, self.exported


def read_metafile(folder: str | os.PathLike | None = None) -> list[dict]:
    """The entries of a zoo's metafile, in OpenMMLab's form; the first one is the default model.

    Args:
        folder: The zoo; by default the package's own.
    """
    path = Path(folder or FOLDER) / METAFILE
    if not path.is_file():
        return []
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("Models") or []


def list_models(folder: str | os.PathLike | None = None) -> list[str]:
    """Names of the models in a zoo, the default one first."""
    return [entry["Name"] for entry in read_metafile(folder)]


def find_model(name: str | None = None, folder: str | os.PathLike | None = None) -> ShippedModel:
    """A model by its name, or the zoo's default one.

    Args:
        name: One of :func:`list_models`; None takes the first.
        folder: As in :func:`read_metafile`.

    Raises:
        ValueError: No model has this name; lists those there are.
        FileNotFoundError: The zoo names the model but lacks one of its files.
    """
    names = list_models(folder)
    if not names:
        raise ValueError(
            "this installation carries no trained weights: give a config and a checkpoint or "
            "exported file, or install a release of ganet_mm"
        )
    if name is None:
        name = names[0]
    if name not in names:
        raise ValueError(f"no model is called '{name}'; there are {', '.join(names)}")
    model = ShippedModel(name, Path(folder or FOLDER))
    for path in model.files:
        if not path.is_file():
            raise FileNotFoundError(
                f"'{path}' of the model '{name}' is missing: install ganet_mm again"
            )
    return model
