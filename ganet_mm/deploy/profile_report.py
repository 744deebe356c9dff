"""Profiles for the terminal and as a picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from ganet_mm.files import write_bytes

from .profiling import Profile


def summary_table(profiles: Sequence[Profile], threads: int) -> Table:
    """One row for each file and runtime."""
    table = Table(title=f"batch 1, {threads} threads; throughput with {threads} frames in flight")
    for column in ("file", "runtime", "precision"):
        table.add_column(column)
    for column in ("load ms", "p50 ms", "p95 ms", "frames/s", "peak MB"):
        table.add_column(column, justify="right")
    for p in profiles:
        table.add_row(
            p.file,
            p.backend,
            p.precision,
            f"{p.load_ms:.0f}",
            f"{p.p50_ms:.2f}",
            f"{p.p95_ms:.2f}",
            f"{p.throughput:.1f}",
            f"{p.peak_mb:.0f}",
        )
    return table


def layers_table(profile: Profile, count: int) -> Table:
    """The ``count`` slowest layers, in the order of execution, and the rest."""
    total = sum(ms for _, _, ms in profile.layers)
    slowest = sorted(range(len(profile.layers)), key=lambda i: -profile.layers[i][2])[:count]
    table = Table(title=f"{profile.file} in {profile.backend}: {total:.2f} ms in layers")
    table.add_column("layer", overflow="fold")
    table.add_column("kernel")
    table.add_column("ms", justify="right")
    table.add_column("share", justify="right")
    for index in sorted(slowest):
        name, kernel, ms = profile.layers[index]
        table.add_row(name, kernel, f"{ms:.3f}", f"{ms / total:.1%}")
    rest = total - sum(profile.layers[index][2] for index in slowest)
    others = len(profile.layers) - len(slowest)
    table.add_row(f"{others} others", "", f"{rest:.3f}", f"{rest / total:.1%}")
    return table


def draw(profiles: Sequence[Profile], path: str | Path) -> None:
    """A picture: left the latencies, right where the time goes, by kind of kernel.

    Args:
        profiles: At least one.
        path: ``.png``, ``.svg`` or ``.pdf`` to write.
    """
    import io

    from matplotlib.figure import Figure

    labels = [f"{p.file}\n{p.backend}" for p in profiles]
    rows = range(len(profiles))
    figure = Figure(figsize=(14, 1.2 + 0.7 * len(profiles)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    left.barh(rows, [p.p95_ms for p in profiles], color="lightgray", label="95 %")
    left.barh(rows, [p.p50_ms for p in profiles], height=0.5, label="median")
    left.set_yticks(rows, labels)
    left.invert_yaxis()
    left.set_xlabel("ms a frame")
    left.legend()
    shares = [_by_kind(p) for p in profiles]
    totals: dict[str, float] = defaultdict(float)
    for share in shares:
        for kind, ms in share.items():
            totals[kind] += ms
    shown = sorted(totals, key=totals.get, reverse=True)[:9]
    start = [0.0] * len(profiles)
    for kind in (*shown, "other"):
        if kind == "other":
            widths = [sum(ms for k, ms in share.items() if k not in shown) for share in shares]
        else:
            widths = [share.get(kind, 0.0) for share in shares]
        right.barh(rows, widths, left=start, label=kind)
        start = [a + b for a, b in zip(start, widths, strict=True)]
    right.set_xlabel("ms in layers of one frame")
    figure.legend(*right.get_legend_handles_labels(), fontsize="small", loc="outside right")
    buffer = io.BytesIO()
    figure.savefig(buffer, format=Path(path).suffix.lstrip(".") or "png", dpi=120)
    write_bytes(path, buffer.getvalue())


def _by_kind(profile: Profile) -> dict[str, float]:
    kinds: dict[str, float] = defaultdict(float)
    for _, kernel, ms in profile.layers:
        kinds[kernel] += ms
    return kinds
