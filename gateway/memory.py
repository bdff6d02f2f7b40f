"""How much memory the gateway uses, and how much it may use."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SUPERVISOR = "SPANGATE_SUPERVISOR_PID"
"""Environment variable by which a supervisor tells its workers that they belong together."""

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60  # cgroup v1 writes "none" as a number near 2**63
_KIB = 1024


def used_bytes(proc: Path = _PROC) -> int:
    """
    Return the anonymous and shared memory of all our processes.

    Page cache is not in it: the system takes that back by itself.

    Raises:
        OSError: the system does not say.

    """
    pids = our_processes(proc)
    if not proc.is_dir():
        return _ask_ps(pids)
    found = [used for pid in pids if (used := _resident(proc / str(pid) / "status")) is not None]
    if not found:
        raise OSError(f"{proc} does not say how much memory this process uses")
    return sum(found)


def our_processes(proc: Path = _PROC) -> list[int]:
    """Return this process, or its supervisor with all workers where there is one."""
    me, parent = os.getpid(), os.getppid()
    if os.environ.get(SUPERVISOR) != str(parent):  # also where it was merely inherited
        return [me]
    group = os.getpgrp()
    family = {parent}
    for pid in sorted(_others(proc)):
        if _group_of(pid) == group and _parent_of(proc / str(pid) / "stat") in family:
            family.add(pid)
    return sorted(family | {me})


def give_back() -> None:
    """Give what the C library holds in reserve back to the system."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; musl has none
        if trim is not None:
            trim(0)


def limit_bytes(
    cgroups: Path = _CGROUPS,
    membership: Path = _PROC / "self/cgroup",
    machine_bytes: int | None = None,
) -> int:
    """Return the memory that the container may use, or the machine's where it is less."""
    machine = machine_bytes if machine_bytes is not None else _machine_bytes()
    return min([machine, *_cgroup_limits(cgroups, membership)])


def _cgroup_limits(cgroups: Path, membership: Path) -> Iterator[int]:
    """Yield the limits of our control group and of all around it, in version 2 and 1."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _limits_upwards(cgroups, path, "memory.max")
        elif "memory" in controllers.split(","):
            yield from _limits_upwards(cgroups / "memory", path, "memory.limit_in_bytes")


def _limits_upwards(root: Path, path: str, name: str) -> Iterator[int]:
    # Inside a container the path may be the host's: then only the root is there, and is ours.
    parts = [part for part in path.split("/") if part and part != ".."]
    for depth in range(len(parts), -1, -1):
        try:
            text = root.joinpath(*parts[:depth], name).read_text().strip()
        except OSError:
            continue
        if text.isdecimal() and 0 < int(text) < _NO_LIMIT:
            yield int(text)


def _machine_bytes() -> int:
    if sys.platform == "win32":
        return _NO_LIMIT
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _resident(status: Path) -> int | None:
    """Return anonymous and shared memory; ``None`` for a process that has ended."""
    try:
        text = status.read_text()
    except OSError:
        return None
    kib = 0
    for line in text.splitlines():
        if line.startswith(("RssAnon:", "RssShmem:")):
            kib += int(line.split()[1])
    return kib * _KIB


def _others(proc: Path) -> Iterator[int]:
    try:
        yield from (int(entry.name) for entry in os.scandir(proc) if entry.name.isdecimal())
    except OSError:
        return


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return -1


def _parent_of(stat: Path) -> int:
    try:
        # "pid (name) state ppid ...": the name may hold anything, parentheses too.
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return -1


def _ask_ps(pids: list[int]) -> int:
    """Ask ``ps`` where there is no ``/proc``, as on macOS; it counts code pages too."""
    if sys.platform == "win32":
        raise OSError("memory cannot be read on Windows")
    command = ["ps", "-o", "rss=", "-p", ",".join(map(str, pids))]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603 - nothing of it comes from outside
    except subprocess.TimeoutExpired as error:
        raise OSError("ps does not answer") from error
    sizes = [int(word) for word in answer.stdout.split() if word.isdecimal()]
    if not sizes:
        raise OSError("ps does not say how much memory this process uses")
    return sum(sizes) * _KIB
