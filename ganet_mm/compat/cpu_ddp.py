"""DistributedDataParallel on the CPU: mmengine 0.10.7 supposes a GPU in every process.

Its ``init_dist`` calls ``torch.cuda.set_device`` whatever the backend, and its Runner gives DDP
``device_ids``, which torch refuses for a module on the CPU.
"""

from __future__ import annotations

import os

import torch
import torch.distributed as dist
from mmengine.config import Config, ConfigDict


def prepare_cpu_ddp(cfg: Config) -> bool:
    """Starts gloo and sets the model wrapper, if ``cfg.launcher`` asks for processes without GPUs.

    Must run before ``Runner.from_cfg``: mmengine leaves an initialised process group alone.

    Returns:
        True if it applied.

    Raises:
        RuntimeError: the launcher is not one whose environment torch understands.
    """
    if cfg.get("launcher", "none") == "none" or torch.cuda.is_available():
        return False
    if cfg.launcher != "pytorch":
        raise RuntimeError(
            f"--launcher {cfg.launcher} without GPUs is not supported: start the processes with "
            "torchrun and use --launcher pytorch"
        )
    if not dist.is_initialized():
        missing = [key for key in ("RANK", "WORLD_SIZE", "MASTER_ADDR") if key not in os.environ]
        if missing:
            raise RuntimeError(
                f"--launcher pytorch needs torchrun: {', '.join(missing)} not in the environment"
            )
        dist.init_process_group("gloo")
    cfg.setdefault("model_wrapper_cfg", ConfigDict(type="MMDistributedDataParallel"))
    cfg.model_wrapper_cfg.device_ids = None
    cfg.sync_bn = None  # SyncBatchNorm exists on GPUs only
    return True
