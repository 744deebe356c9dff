import os
import subprocess
import sys

import pytest

from ganet_mm.cores import allowed_cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_a_pinned_process_has_fewer_cores():
    core = min(os.sched_getaffinity(0))
    program = (
        f"import os; os.sched_setaffinity(0, {{{core}}}); "
        "from ganet_mm.cores import allowed_cores; print(allowed_cores())"
    )
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split()[-1] == "1"
    assert 1 <= allowed_cores() <= os.cpu_count()
