"""Curves of a training, drawn with matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np

Curve = tuple[Sequence[float], Sequence[float]]
"""x and y of a line, equally long."""


def moving_average(values: Sequence[float], window: int) -> np.ndarray:
    """(N,) float64: the mean of each value and up to ``window - 1`` before it.

    Values that are not finite are left out of the mean; where there is no other, NaN.
    """
    values = np.asarray(values, np.float64)
    finite = np.isfinite(values)
    sums = np.cumsum(np.where(finite, values, 0.0))
    counts = np.cumsum(finite)
    sums[window:] = sums[window:] - sums[:-window]
    counts[window:] = counts[window:] - counts[:-window]
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def draw_curves(
    panels: Mapping[str, Mapping[str, Curve]],
    x_label: str,
    log: Sequence[str] = (),
    columns: int = 2,
) -> bytes:
    """A PNG of one panel beside and below another.

    Args:
        panels: Title: {name of a line: its curve}. Panels without lines are left out.
        x_label: What x counts.
        log: Titles whose y axis is logarithmic (where there is anything above 0 to show).
        columns: Panels in a row.

    Raises:
        ValueError: there is no panel with a line.
    """
    # Neither pyplot nor a backend is chosen: the caller's own figures stay as they are.
    from matplotlib.figure import Figure

    panels = {title: lines for title, lines in panels.items() if lines}
    if not panels:
        raise ValueError("there is no curve to draw")
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(6.5 * columns, 3.9 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (title, lines) in zip(axes, panels.items(), strict=False):
        for name, (x, y) in lines.items():
            few = len(x) <= 40
            axis.plot(x, y, label=name, marker="o" if few else None, markersize=3, linewidth=1.4)
        values = np.concatenate([np.asarray(y, np.float64) for _, y in lines.values()])
        if title in log and (values > 0).any():
            axis.set_yscale("log")
        axis.set_title(title)
        axis.set_xlabel(x_label)
        axis.grid(True, which="both", alpha=0.3)
        if len(lines) > 1:
            axis.legend(fontsize="small", ncols=1 + (len(lines) > 5))
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()
