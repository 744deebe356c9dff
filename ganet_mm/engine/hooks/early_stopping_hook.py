from __future__ import annotations

from mmengine.hooks import EarlyStoppingHook as MMEngineEarlyStoppingHook
from mmengine.runner import Runner

from ...registry import HOOKS

_STATE = "early_stopping"


@HOOKS.register_module()
class EarlyStoppingHook(MMEngineEarlyStoppingHook):
    """mmengine's hook of the same name, in every stage.

    - mmrazor's QAT loop does not look at ``stop_training``; its last epoch is moved to the present
      one as well.
    - Best score and patience go on after ``--resume``: they lie in the message hub, which a
      checkpoint holds. A validation after the checkpoint that a run resumes from is not counted.

    Args:
        monitor: Key of the metric, e.g. ``culane/F1@50``.
        rule, min_delta, patience, …: As mmengine's; note that its ``min_delta`` is 0.1 by default,
            ten points of F1.

    Raises:
        ValueError: (at the first validation) there is no metric ``monitor``.
    """

    priority = "LOW"  # before the CheckpointHook, so that its state is in the checkpoint

    def before_train(self, runner: Runner) -> None:
        if _STATE in runner.message_hub.runtime_info and runner.iter > 0:
            state = runner.message_hub.get_info(_STATE)
            self.best_score, self.wait_count = state["best_score"], state["wait_count"]

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if not metrics or self.monitor not in metrics:
            raise ValueError(
                f"EarlyStoppingHook(monitor='{self.monitor}'): there is no such metric; choose one "
                f"of {', '.join(metrics or {})}"
            )
        super().after_val_epoch(runner, metrics)
        state = {"best_score": float(self.best_score), "wait_count": self.wait_count}
        runner.message_hub.update_info(_STATE, state)
        if runner.train_loop.stop_training and hasattr(runner.train_loop, "_max_epochs"):
            runner.train_loop._max_epochs = runner.epoch
