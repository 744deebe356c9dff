from __future__ import annotations

import os


def allowed_cores() -> int:
    """Processor cores that this process may use, by ``taskset`` or a container's limits."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
