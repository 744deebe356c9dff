"""From a config and a command line's wishes to a Runner at work."""

from __future__ import annotations

import copy

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from ganet_mm.compat.cpu_ddp import prepare_cpu_ddp
from ganet_mm.files import check_output, write_json

from .checkpoints import (
    check_input_size,
    is_exported,
    is_quantized,
    load_checkpoint_file,
    load_weights,
    model_config,
)
from .stages import best_checkpoint, latest_checkpoint, remove_hooks, stage_config, work_root


def run_stage(
    cfg: Config,
    stage: str,
    *,
    work_dir: str | None = None,
    load_from: str | None = None,
    resume: str | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
    launcher: str = "none",
) -> None:
    """Runs one stage of a config to its end.

    Args:
        cfg: The whole config, see :func:`.stages.stage_config`.
        stage: ``float``, ``calibration`` or ``qat``.
        work_dir: Folder that gets one sub-folder a stage; default ``work_dirs/<config name>``.
        load_from: Float checkpoint to start from. The quantized stages take the float stage's
            best by themselves.
        resume: A checkpoint of this stage, or ``auto`` for its latest; where there is none, as
            in calibration always, the stage starts as without.
        amp: Train with automatic mixed precision.
        auto_scale_lr: Scale the learning rate with the batch, see mmengine.
        launcher: ``none``, ``pytorch``, ``slurm`` or ``mpi``.

    Raises:
        FileNotFoundError: a checkpoint or data that the stage needs is missing; says what makes it.
        ValueError: the checkpoint does not fit, the config lacks something asked for, or the
            frames to train on are fewer than a batch.
    """
    root = work_root(cfg, work_dir)
    if stage != "float" and load_from is None:
        load_from = str(best_checkpoint(root, "float"))
    if load_from is not None:
        loaded = load_checkpoint_file(load_from)
        state = loaded["state_dict"]
        if is_quantized(state):
            raise ValueError(f"{load_from} is fake-quantized; {stage} starts from a float one")
        if stage != "float":  # a float training may go on at another size
            check_input_size(loaded, cfg, load_from)

    cfg = stage_config(cfg, stage)
    cfg.work_dir = str(root / stage)
    cfg.launcher = launcher
    if amp:
        if get_device() == "cpu":
            cfg.optim_wrapper.type = "CpuAmpOptimWrapper"
        else:
            cfg.optim_wrapper.update(type="AmpOptimWrapper", loss_scale="dynamic")
    if auto_scale_lr:
        if "base_batch_size" not in cfg.get("auto_scale_lr", {}):
            raise ValueError(f"{cfg.filename}: --auto-scale-lr needs auto_scale_lr.base_batch_size")
        cfg.auto_scale_lr.enable = True
    if resume == "auto":
        found = latest_checkpoint(root, stage)
        resume = None if found is None else str(found)
    elif resume is not None and stage == "calibration":
        raise ValueError(f"calibration starts over: leave {resume} out, or give --resume alone")
    elif resume is not None:
        load_checkpoint_file(resume)  # names a missing or damaged file before a model is built
    cfg.load_from, cfg.resume = resume, resume is not None
    cfg.started_from = load_from  # for the report
    prepare_cpu_ddp(cfg)

    runner = Runner.from_cfg(cfg)
    if load_from is not None and not cfg.resume:
        model = runner.model.module if runner.distributed else runner.model
        target = model if stage == "float" else model.architecture
        load_weights(target, state, load_from)
        runner.logger.info(f"weights of {load_from}")
    # A quantized graph shares its parameters with its architecture, and the optimizer's
    # constructor warns of each of them once.
    runner.logger.addFilter(lambda record: "since bypass_duplicate" not in record.getMessage())
    if stage == "calibration":
        runner.test()
    else:
        loader = runner.train_dataloader
        if len(loader) == 0:
            raise ValueError(
                f"{len(loader.dataset)} frames to train on make no batch of "
                f"train_dataloader.batch_size={loader.batch_size} with drop_last: set a smaller "
                "batch_size, or drop_last=False"
            )
        runner.train()


def run_test(
    cfg: Config,
    checkpoint: str,
    *,
    quant: bool = False,
    align: bool = False,
    backend: str | None = None,
    work_dir: str | None = None,
    out: str | None = None,
    show_dir: str | None = None,
    lines_dir: str | None = None,
    launcher: str = "none",
) -> dict[str, float]:
    """Evaluates a checkpoint or an exported file on the config's test set.

    Args:
        cfg: The float config.
        checkpoint: ``.pth``, ``.onnx`` or ``.xml``.
        quant: The ``.pth`` holds a fake-quantized model.
        align: Evaluate an exported file as a device runs it: one frame at a time, in the bytes that
            its camera gives.
        backend: Runtime for an exported file, see :func:`.checkpoints.model_config`.
        work_dir: Folder for the log; default ``work_dirs/<config name>``.
        out: JSON file that gets the metric's values.
        show_dir: Folder that gets a picture a frame, with true and found lanes.
        lines_dir: Folder that gets the found lanes as ``.lines.txt``.
        launcher: As in :func:`run_stage`.

    Returns:
        The metric's values by key.

    Raises:
        FileNotFoundError, ValueError: see :func:`.checkpoints.model_config`; also where ``align``
            is asked of a ``.pth``.
        OSError: ``out`` cannot be written.
    """
    if out is not None:
        check_output(out)
    if align and not is_exported(checkpoint):
        raise ValueError(
            f"{checkpoint} is no exported file: --align evaluates what runs on a device, an .onnx "
            "or .xml. Make one first: `python tools/export.py CONFIG CKPT --out MODEL.onnx`"
        )
    root = work_root(cfg, work_dir)
    model_cfg = model_config(cfg, checkpoint, quant=quant, backend=backend)
    cfg = copy.deepcopy(cfg)
    cfg.model = model_cfg
    if align:
        cfg.model.align = True
        cfg.test_dataloader.batch_size = 1
    cfg.work_dir = str(root / "test")
    cfg.launcher = launcher
    cfg.load_from, cfg.resume = None, False
    cfg.started_from = str(checkpoint)  # for the report
    remove_hooks(cfg, "EMAHook", "EarlyStoppingHook")  # of a training
    if show_dir is not None:
        cfg.default_hooks.visualization.show_dir = show_dir
    if lines_dir is not None:
        if cfg.test_evaluator.type != "CuLaneMetric":
            raise ValueError(f"--lines-dir needs a CuLaneMetric, not {cfg.test_evaluator.type}")
        cfg.test_evaluator.lines_dir = lines_dir
    prepare_cpu_ddp(cfg)
    runner = Runner.from_cfg(cfg)
    model = runner.model.module if runner.distributed else runner.model
    if is_exported(checkpoint):
        runner.logger.info(f"{checkpoint}: {model.described()}")
    else:
        load_weights(model, load_checkpoint_file(checkpoint)["state_dict"], checkpoint)
    metrics = runner.test()
    if out is not None and is_main_process():
        write_json(out, metrics)
    return metrics
