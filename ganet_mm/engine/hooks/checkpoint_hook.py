from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook
from mmengine.runner import Runner

from ...registry import HOOKS


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):
    """mmengine's hook of the same name, which removes an old checkpoint when the new one is there.

    mmengine removes the previous best (and, where ``max_keep_ckpts`` is reached, the oldest) first.
    A run that is stopped before it has written the new one is then left without: there is no best
    checkpoint to calibrate or export, and after ``--resume`` only a better score brings one back.
    The files themselves are written whole by :class:`..file_backend.WholeFileBackend`.
    """

    _outdated: list[str] | None = None  # what the save at work makes superfluous

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        self._remove = self.file_backend.remove
        self.file_backend.remove = self._remove_later  # an instance of this hook alone

    def _remove_later(self, path: str) -> None:
        self._outdated.append(path)

    @contextmanager
    def _removing_afterwards(self) -> Iterator[None]:
        if self._outdated is not None:  # saving a best checkpoint saves the latest one too
            yield
            return
        self._outdated = []
        try:
            yield
            for path in self._outdated:
                if path not in (self.last_ckpt, getattr(self, "best_ckpt_path", None)):
                    self._remove(path)
        finally:
            self._outdated = None

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        with self._removing_afterwards():
            super()._save_checkpoint_with_step(runner, step, meta)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        with self._removing_afterwards():
            super()._save_best_checkpoint(runner, metrics)
