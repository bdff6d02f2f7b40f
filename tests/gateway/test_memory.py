"""How much memory is used and allowed, read from files like the kernel's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import memory

MIB = 1024 * 1024
GROW = """
import os, sys
for line in sys.stdin:
    kept = globals().setdefault("kept", [])
    kept.append(os.urandom(1) * int(line))
    print("grown", flush=True)
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def control_group(root: Path, **files: str) -> Path:
    """Write files of control groups; ``__`` stands for a slash and ``_`` for a dot."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_max", ".max").replace("_limit", ".limit")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def limit(root: Path, membership: str, machine_mib: int = 1000) -> float:
    """Return the limit in MiB for a process of these control groups."""
    lines = root / "membership"
    lines.write_text(membership)
    return memory.limit_bytes(root, lines, machine_mib * MIB) / MIB


def test_version_2_limit(tmp_path: Path) -> None:
    """The least limit of our control group and of all around it counts."""
    root = control_group(
        tmp_path,
        memory_max="max",
        pod__memory_max=str(300 * MIB),
        pod__app__memory_max=str(400 * MIB),
        other__memory_max=str(1 * MIB),
    )

    assert 300 == limit(root, "0::/pod/app\n")


def test_version_1_limit(tmp_path: Path) -> None:
    """The old layout is understood, with its huge number for no limit."""
    root = control_group(
        tmp_path,
        memory__memory_limit_in_bytes=str(2**63 - 4096),
        memory__docker__x__memory_limit_in_bytes=str(200 * MIB),
    )

    assert 200 == limit(root, "5:cpu:/docker/x\n4:memory,hugetlb:/docker/x\n0::/\n")


def test_limit_inside_a_container(tmp_path: Path) -> None:
    """Where the path is the host's, what is mounted as root is our own control group."""
    root = control_group(tmp_path, memory_max=str(128 * MIB))

    assert 128 == limit(root, "0::/kubepods/burstable/pod1/abc\n")


@pytest.mark.parametrize("membership", ["", "0::/\n"])
def test_machine_without_limits(tmp_path: Path, membership: str) -> None:
    """Without a limit the machine's memory counts, also where the limit is larger."""
    root = control_group(tmp_path, memory_max=str(5000 * MIB))

    assert 1000 == limit(root, membership)
    assert memory.limit_bytes(tmp_path / "none", tmp_path / "none") > 64 * MIB


def process(proc: Path, pid: int, parent: int, **kib: int) -> None:
    """Write what the kernel says of a process."""
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    lines = "".join(f"{key}:\t{value} kB\n" for key, value in kib.items())
    (folder / "status").write_text(f"Name:\tspangate\n{lines}")
    (folder / "stat").write_text(f"{pid} (span (gate) S {parent} 1 1 0\n")


def test_page_cache_is_not_counted(tmp_path: Path) -> None:
    """Anonymous and shared memory count, files in memory do not."""
    process(tmp_path, os.getpid(), 1, RssAnon=1000, RssFile=5000, RssShmem=24, VmRSS=6024)

    assert 1024 * 1024 == memory.used_bytes(tmp_path)


def test_unreadable_figures_are_an_error(tmp_path: Path) -> None:
    """What cannot be measured is said, not guessed."""
    with pytest.raises(OSError, match="how much memory"):
        memory.used_bytes(tmp_path)


@linux
def test_all_processes_of_a_gateway_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker counts its supervisor and the other workers, and nobody else."""
    me, supervisor = os.getpid(), os.getppid()
    monkeypatch.setattr(os, "getpgid", lambda _pid: os.getpgrp())
    process(tmp_path, supervisor, 1, RssAnon=1)
    process(tmp_path, me, supervisor, RssAnon=10)
    process(tmp_path, me + 1, supervisor, RssAnon=100)
    process(tmp_path, me + 2, 1, RssAnon=1000)
    assert [me] == memory.our_processes(tmp_path)

    monkeypatch.setenv(memory.SUPERVISOR, str(supervisor))

    assert sorted([supervisor, me, me + 1]) == memory.our_processes(tmp_path)
    assert 111 * 1024 == memory.used_bytes(tmp_path)


def test_an_inherited_variable_means_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway started by somebody else's worker is no worker."""
    monkeypatch.setenv(memory.SUPERVISOR, "1")

    assert [os.getpid()] == memory.our_processes()


@linux
def test_a_growing_process_is_seen() -> None:
    """The figures follow a real process that takes memory."""
    with subprocess.Popen(
        [sys.executable, "-c", GROW], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        status = Path(f"/proc/{child.pid}/status")
        before = memory._resident(status)
        child.stdin.write(f"{64 * MIB}\n")
        child.stdin.flush()
        child.stdout.readline()
        after = memory._resident(status)
        child.stdin.close()

    assert before is not None
    assert after is not None
    assert 60 * MIB < after - before < 90 * MIB


def test_used_memory_is_plausible() -> None:
    """A test uses some memory, and less than there is."""
    assert MIB < memory.used_bytes() < memory.limit_bytes()
