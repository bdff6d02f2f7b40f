"""How many workers ``auto`` is."""

import os
from pathlib import Path

import pytest

from gateway.workers.count import usable_cpus, wanted


def cgroup(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return folder


def test_a_number_is_taken_as_it_is(tmp_path: Path) -> None:
    """Whoever names a number knows better."""
    del tmp_path
    assert 7 == wanted(7)


def test_auto_without_a_quota_is_one_a_cpu(tmp_path: Path) -> None:
    """``max`` is no limit."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert cpus == usable_cpus(cgroup(tmp_path, "cpu.max", "max 100000\n"))
    assert cpus == usable_cpus(tmp_path / "none")


@pytest.mark.parametrize("quota", ["100000 100000", "150000 100000", "20000 100000"])
def test_a_quota_counts(tmp_path: Path, quota: str) -> None:
    """A container with one CPU's worth of time runs one worker, on however large a machine."""
    assert 1 == usable_cpus(cgroup(tmp_path, "cpu.max", quota))


def test_a_quota_of_version_1_counts(tmp_path: Path) -> None:
    """Old systems keep it elsewhere."""
    cgroup(tmp_path, "cpu/cpu.cfs_quota_us", "100000")
    assert 1 == usable_cpus(cgroup(tmp_path, "cpu/cpu.cfs_period_us", "100000"))
