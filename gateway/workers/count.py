"""How many worker processes there are."""

import os
from pathlib import Path
from typing import Literal

_CGROUP = Path("/sys/fs/cgroup")


def wanted(workers: int | Literal["auto"]) -> int:
    """Return the number of workers that a setting means; ``auto`` is one a usable CPU."""
    return usable_cpus() if workers == "auto" else workers


def usable_cpus(cgroup: Path = _CGROUP) -> int:
    """Return how many CPUs the container may use, by affinity and by quota; at least one."""
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = _quota_v2(cgroup) or _quota_v1(cgroup)
    return max(1, min(cpus, int(quota))) if quota else cpus


def _quota_v2(cgroup: Path) -> float:
    """Return the CPUs' worth of time a container gets; 0 where there is no limit."""
    words = _words(cgroup / "cpu.max")
    if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal():
        return int(words[0]) / int(words[1])
    return 0.0


def _quota_v1(cgroup: Path) -> float:
    quota = _words(cgroup / "cpu" / "cpu.cfs_quota_us")
    period = _words(cgroup / "cpu" / "cpu.cfs_period_us")
    if quota and period and quota[0].isdecimal() and period[0].isdecimal():
        return int(quota[0]) / int(period[0])
    return 0.0


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
