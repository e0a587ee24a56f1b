"""What is told of the kernel while a model runs."""

import os
import subprocess
import sys
import time

import pytest

from optkit.benchmark.load import waited

SPINNING = "import os; os.sched_setaffinity(0, {{{core}}})\nprint(flush=True)\nwhile True: pass"


def spun(seconds):
    """Nanoseconds that this process waited for a core while it wanted one for so long."""
    before, until = waited(), time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    return waited() - before


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
def test_waiting_for_a_core_that_another_process_has_is_told():
    cores = os.sched_getaffinity(0)
    core = min(cores)
    command = [sys.executable, "-c", SPINNING.format(core=core)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        try:
            other.stdout.readline()
            os.sched_setaffinity(0, {core})
            found = spun(0.5)
        finally:
            os.sched_setaffinity(0, cores)
            other.kill()
    assert 0.1e9 < found < 0.5e9
