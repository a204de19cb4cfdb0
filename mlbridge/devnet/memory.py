"""How much memory a service takes, its children included."""

from __future__ import annotations

import psutil

from mlbridge import procs


def pss_mb(process: psutil.Process) -> int:
    """Proportional set size of a process tree in MB: shared pages count once, split over who shares them."""
    try:
        tree = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(procs.pss(member.pid) for member in tree) // 10**6
