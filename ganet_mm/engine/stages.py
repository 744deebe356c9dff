"""One config, four stages: how ``--stage`` turns a float config into calibration or QAT.

A config's top level is its float run. Its ``stages`` dict holds, for ``calibration`` and ``qat``,
what that stage changes; :func:`stage_config` merges it over the float config. Each stage writes
to its own folder under the config's work directory, and a later one finds there the checkpoint
that it starts from.
"""

from __future__ import annotations

import copy
from pathlib import Path

from mmengine.config import Config, ConfigDict

STAGES = ("float", "calibration", "qat")
CALIBRATED_NAME = "model_ptq.pth"  # the name mmrazor's PTQLoop gives its checkpoint


def work_root(cfg: Config, work_dir: str | None = None) -> Path:
    """The config's work directory, which holds one folder a stage.

    ``work_dir`` (the command line's), else the config's, else ``work_dirs/<config name>``.
    """
    default = Path("work_dirs") / Path(cfg.filename).stem
    return Path(work_dir or cfg.get("work_dir") or default)


def stage_config(cfg: Config, stage: str) -> Config:
    """The config of one stage.

    Args:
        cfg: The whole config; left unchanged.
        stage: One of :data:`STAGES`.

    Returns:
        A copy, with ``stage`` set. The quantized stages have ``cfg.stages[stage]`` merged over it,
        and their model takes the float model as its ``architecture``.

    Raises:
        ValueError: unknown stage, or the config does not describe it.
    """
    if stage not in STAGES:
        raise ValueError(f"stage '{stage}' is unknown; choose one of {', '.join(STAGES)}")
    merged = copy.deepcopy(cfg)
    merged.stage = stage  # goes into the checkpoint with the config's text, and says what it is
    if stage == "float":
        return merged
    changes = cfg.get("stages", {}).get(stage)
    if changes is None:
        raise ValueError(
            f"{cfg.filename}: no `stages.{stage}`; add `stages = dict({stage}=dict(…))`, see "
            "configs/_base_/quantization.py"
        )
    changes = copy.deepcopy(changes)
    model = changes.pop("model", None)
    merged.merge_from_dict(changes.to_dict())
    if model is not None:
        merged.model = _wrap_model(model, merged.model)
    return merged


def _wrap_model(stage_model: ConfigDict, float_model: ConfigDict) -> ConfigDict:
    architecture = copy.deepcopy(float_model)
    preprocessor = architecture.pop("data_preprocessor", None)
    return ConfigDict(architecture=architecture, data_preprocessor=preprocessor, **stage_model)


def best_checkpoint(root: Path, stage: str) -> Path:
    """The best checkpoint of a training stage by its validation metric, else its last.

    Args:
        root: The config's work directory, see :func:`work_root`.
        stage: ``float`` or ``qat``.

    Raises:
        FileNotFoundError: the stage has not left one; says which command makes it.
    """
    folder = root / stage
    best = sorted(folder.glob("best_*.pth"), key=lambda path: path.stat().st_mtime)
    if best:
        return best[-1]
    last = folder / "last_checkpoint"
    if last.is_file():
        checkpoint = folder / Path(last.read_text().strip()).name
        if checkpoint.is_file():
            return checkpoint
    option = "" if stage == "float" else f" --stage {stage}"
    raise FileNotFoundError(
        f"{folder} holds no checkpoint (best_*.pth or last_checkpoint): the {stage} stage has not "
        f"been run. Train it first: `python tools/train.py CONFIG{option}`."
    )


def calibrated_checkpoint(root: Path) -> Path:
    """The newest checkpoint of the calibration stage.

    Raises:
        FileNotFoundError: there is none; says which command makes it.
    """
    folder = root / "calibration"
    found = sorted(folder.glob(f"*/{CALIBRATED_NAME}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise FileNotFoundError(
            f"{folder} holds no {CALIBRATED_NAME}. Make it first: "
            "`python tools/train.py CONFIG --stage calibration`."
        )
    return found[-1]
