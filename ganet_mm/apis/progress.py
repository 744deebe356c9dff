from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .inputs import Source, count_frames


class FrameProgress:
    """A rich progress bar over frames that shows up only for more than one batch.

    Entering it gives the function that takes the number of frames just done.

    Args:
        sources: what will be read; a video that does not know its length leaves the end open.
        batch_size: frames a step.
        wanted: False shows nothing.
    """

    def __init__(self, sources: Sequence[Source], batch_size: int, wanted: bool) -> None:
        counts = [count_frames(source) for source in sources] if wanted else []
        total = None if None in counts else sum(counts)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            disable=not wanted or (total is not None and total <= batch_size),
        )
        self._task = self._bar.add_task("finding lanes", total=total, rate="")

    def __enter__(self) -> Callable[[int], None]:
        self._bar.start()
        return self._advance

    def _advance(self, frames: int) -> None:
        self._bar.update(self._task, advance=frames)
        speed = self._bar.tasks[0].speed
        if speed:
            self._bar.update(self._task, rate=f"{speed:.1f} frames/s")

    def __exit__(self, *error) -> None:
        self._bar.stop()
