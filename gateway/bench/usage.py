"""Read what a process and its children have used, from /proc."""

import os
import re
import time
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_AVAILABLE = (_PROC / "self" / "stat").exists()
_MEMORY = re.compile(r"Vm(RSS|HWM):\s+(\d+)")


class Usage(NamedTuple):
    """Of a whole process tree; zero where the system does not tell."""

    cpu_s: float = 0.0
    """User and system time, that of ended children included."""
    rss_mib: float = 0.0
    peak_rss_mib: float = 0.0


def of_tree(pid: int) -> Usage:
    """Return what a process and all that it started use now."""
    if not _AVAILABLE:
        return Usage()
    cpu_ticks = rss_kib = peak_kib = 0
    for member in _tree(pid):
        cpu_ticks += sum(int(field) for field in _stat(member)[11:15])
        memory = dict(_MEMORY.findall(_read(member, "status")))
        rss_kib += int(memory.get("RSS", 0))
        peak_kib += int(memory.get("HWM", 0))
    return Usage(cpu_ticks / os.sysconf("SC_CLK_TCK"), rss_kib / 1024, peak_kib / 1024)


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
