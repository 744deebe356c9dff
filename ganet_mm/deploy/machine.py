"""What a processor does to products of uint8 and int8, and which file suits it."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np

TARGETS = ("vnni", "avx2")
INT16 = np.iinfo(np.int16)


def processor_flags(cpuinfo: str | Path = "/proc/cpuinfo") -> set[str]:
    """The instruction sets that the system reports; empty where it reports none."""
    try:
        lines = Path(cpuinfo).read_text().splitlines()
    except OSError:
        return set()
    # x86 has a line "flags", ARM a line "Features", one for each core.
    found = [line.split(":", 1)[1].split() for line in lines if line.startswith(("flags", "Feat"))]
    return {flag for flags in found for flag in flags}


def this_machine(flags: set[str] | None = None) -> str:
    """The target of the machine that runs this.

    Args:
        flags: Instruction sets; None asks the system.

    Returns:
        ``vnni``: sums of u8×s8 products are exact (VNNI or AMX on x86; ARM has no saturating
        instruction for them). ``avx2``: any other x86 processor, and what cannot be told.
    """
    flags = processor_flags() if flags is None else flags
    exact = any("vnni" in flag or flag == "amx_int8" for flag in flags)
    arm = platform.machine().lower() in ("aarch64", "arm64") and "avx2" not in flags
    return "vnni" if exact or arm else "avx2"


def add_pairs_saturating(activations: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AVX2's ``vpmaddubsw``: products of neighbours added in pairs, cut to int16.

    Args:
        activations: uint8 (..., 2n).
        weights: int8 (..., 2n).

    Returns:
        int16 (..., n).
    """
    products = activations.astype(np.int32) * weights.astype(np.int32)
    pairs = products[..., ::2] + products[..., 1::2]
    return np.clip(pairs, INT16.min, INT16.max).astype(np.int16)


def can_saturate(weights: np.ndarray) -> bool:
    """Whether some uint8 input makes AVX2 cut a pair of products with these weights.

    Which weights are neighbours depends on how a runtime packs them, so the two largest of one
    output channel are taken, whatever their places.

    Args:
        weights: int8 (out, ...), one row of products for each output channel.
    """
    rows = np.sort(weights.reshape(len(weights), -1).astype(np.int64), axis=1)
    highest = rows[:, -2:].clip(min=0).sum(axis=1).max()
    lowest = rows[:, :2].clip(max=0).sum(axis=1).min()
    return bool(255 * highest > INT16.max or 255 * lowest < INT16.min)
