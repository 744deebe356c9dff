"""Names under which TensorBoard shows what a Runner logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LEFT_OUT = ("epoch", "iter")  # straight lines: the step says it


def group_scalars(scalars: Mapping[str, Any]) -> dict[str, Any]:
    """Renames what LoggerHook logs at once, so that TensorBoard shows it in few groups.

    TensorBoard makes a group of what stands before a name's slash, and mmengine's names have none:
    each loss would be a group of its own, and times of training and validation one curve with two
    kinds of step.

    - losses: ``loss/loss``, ``loss/loss_kpts_cls``, …
    - rates: ``lr/lr``, ``lr/base_lr``
    - scores: ``culane/F1@50`` as it is, one of a category ``culane_by_category/F1@50_night``
    - seconds an iteration: ``time/train``, ``time/train_data``, ``time/val``, ``time/val_data``
    - the rest: ``other/grad_norm``
    """
    training = "lr" in scalars or "loss" in scalars
    kind = "train" if training else "val"
    renamed = {}
    for name, value in scalars.items():
        group, slash, key = name.partition("/")
        if name in _LEFT_OUT:
            continue
        if slash:
            renamed[f"{group}_by_category/{key}" if "_" in key else name] = value
        elif name.startswith("loss"):
            renamed[f"loss/{name}"] = value
        elif name.endswith("lr"):
            renamed[f"lr/{name}"] = value
        elif name == "time":
            renamed[f"time/{kind}"] = value
        elif name == "data_time":
            renamed[f"time/{kind}_data"] = value
        else:
            renamed[f"other/{name}"] = value
    return renamed
