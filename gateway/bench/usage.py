"""Read what a process and its children have used, from /proc."""

import os
import re
import time
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_AVAILABLE = (_PROC / "self" / "stat").exists()
_PROCESS_CLOCK = 2
"""CPUCLOCK_SCHED; Source: clock_getcpuclockid(3)."""
_MEMORY = re.compile(r"Vm(RSS|HWM):\s+(\d+)")


class Usage(NamedTuple):
    """Of a whole process tree; zero where the system does not tell."""

    cpu_s: float = 0.0
    """User and system time, that of ended children included."""
    rss_mib: float = 0.0
    peak_rss_mib: float = 0.0


def of_tree(pid: int) -> Usage:
    """Return what a process and all that it started use now."""
    each = by_process(pid).values()
    return Usage(*(sum(column) for column in zip(*each, strict=True))) if each else Usage()


def by_process(pid: int) -> dict[int, Usage]:
    """Return what each of a process and all that it started uses now; none where unknown."""
    return {member: _of(member) for member in _tree(pid)} if _AVAILABLE else {}


def _of(pid: int) -> Usage:
    children_ticks = sum(int(field) for field in _stat(pid)[13:15])
    memory = dict(_MEMORY.findall(_read(pid, "status")))
    rss_kib, peak_kib = int(memory.get("RSS", 0)), int(memory.get("HWM", 0))
    cpu_s = _cpu_s(pid) + children_ticks / os.sysconf("SC_CLK_TCK")
    return Usage(cpu_s, rss_kib / 1024, peak_kib / 1024)


def _cpu_s(pid: int) -> float:
    """Return a process's own time by its clock, which is a million times finer than its ticks."""
    try:
        return time.clock_gettime(~pid << 3 | _PROCESS_CLOCK)
    except OSError:
        return 0.0


class Others:
    """Watch how busy everybody else keeps the machine, from now on."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._before = self._foreign_s()

    def share(self) -> float:
        """Return how many processors others kept busy on average."""
        used = self._foreign_s() - self._before
        return max(0.0, used / (time.monotonic() - self._start))

    @staticmethod
    def _foreign_s() -> float:
        if not _AVAILABLE:
            return 0.0
        ticks = [int(field) for field in (_PROC / "stat").read_text().split()[1:9]]
        idle = ticks[3] + ticks[4]
        busy_s = (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK")
        return busy_s - of_tree(os.getpid()).cpu_s


def _tree(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            fields = _stat(int(entry.name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        member = waiting.pop()
        found.append(member)
        waiting += children.get(member, [])
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of a process from its state on; none where it has ended."""
    return _read(pid, "stat").rpartition(")")[2].split()  # the name before may hold spaces


def _read(pid: int, name: str) -> str:
    try:
        return (_PROC / str(pid) / name).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
