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
# What a stage's configuration leaves out, wherever the config has it.
_NOT_IN = {
    "calibration": ("EMAHook", "EarlyStoppingHook"),
    # An average of the weights would not fit the ranges of the observers.
    "qat": ("EMAHook",),
}
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
        and their model takes the float model as its ``architecture``. Hooks that average weights
        are left out of the quantized stages, and those that stop a training out of calibration.

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
    remove_hooks(merged, *_NOT_IN[stage])
    if model is not None:
        merged.model = _wrap_model(model, merged.model)
    return merged


def remove_hooks(cfg: Config, *types: str) -> None:
    """Takes hooks of these types, with or without a scope, out of a config in place."""

    def wanted(hook: dict | None) -> bool:
        return hook is None or str(hook.get("type")).split(".")[-1] not in types

    for name, hook in list(cfg.get("default_hooks", {}).items()):
        if not wanted(hook):
            cfg.default_hooks.pop(name)
    if cfg.get("custom_hooks"):
        cfg.custom_hooks = [hook for hook in cfg.custom_hooks if wanted(hook)]


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


def latest_checkpoint(root: Path, stage: str) -> Path | None:
    """The checkpoint that ``--resume`` goes on from, None where the stage has left none.

    It is the one that ``last_checkpoint`` names (which may have been written elsewhere: a work
    directory can be moved), else, where a run was killed while it wrote that name, the newest.
    """
    folder = root / stage
    note = folder / "last_checkpoint"
    if note.is_file() and note.read_text().strip():
        named = folder / Path(note.read_text().strip()).name
        if named.is_file():
            return named
    found = [*folder.glob("epoch_*.pth"), *folder.glob("iter_*.pth")]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


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
