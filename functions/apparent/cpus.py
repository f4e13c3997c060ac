"""How many CPUs there are to work with."""

import os


def usable_cpus() -> int:
    """How many CPUs this process may use: fewer than the machine has in many containers."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
