"""Numbers that several workers share."""

import errno
import os
import stat
from pathlib import Path

import pytest

from gateway.component_context import Cell
from gateway.fakes import FakeClock
from gateway.otlp.status import Refusal
from gateway.receivers.quota import Quota
from gateway.tenants import QuotaConfig
from gateway.workers.cells import Cells


def pair(cell: Cell) -> list[float]:
    return [cell[0], cell[1]]


def test_workers_see_each_others_numbers(tmp_path: Path) -> None:
    """What one writes the other reads, whoever asked for the name first; names are apart."""
    one, other = Cells(tmp_path), Cells(tmp_path)
    one("a")[0] = 5
    other("b")[0] = 7

    assert [5, 0] == pair(other("a"))
    assert [7, 0] == pair(one("b"))


def test_a_quota_is_one_for_all_workers(tmp_path: Path) -> None:
    """A tenant that sends to two workers gets no more than by one."""
    clock = FakeClock()
    config = QuotaConfig(spans_per_second=10, burst=20)
    quotas = [Quota(config, clock, Cells(tmp_path)) for _ in range(2)]

    quotas[0].take(15, 1)
    quotas[1].take(5, 1)

    assert [False, False] == [allowed(quota) for quota in quotas]
    clock.advance(1)
    assert [True, True] == [allowed(quota) for quota in quotas]


def allowed(quota: Quota) -> bool:
    try:
        quota.take(1, 1)
    except Refusal:
        return False
    return True


def test_the_files_are_for_us_alone(tmp_path: Path) -> None:
    """Names of tenants are nobody's business."""
    Cells(tmp_path / "workers")("a")

    for path in (tmp_path / "workers").iterdir():
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_a_new_gateway_begins_anew(tmp_path: Path) -> None:
    """Nothing is left of the quotas of an earlier run."""
    Cells(tmp_path)("a")[0] = 5

    Cells.clear(tmp_path)

    assert [0, 0] == pair(Cells(tmp_path)("a"))


def test_there_is_room_for_all_numbers_from_the_start(tmp_path: Path) -> None:
    """Nothing of the file is a hole, which a full disk would turn into a crash."""
    Cells(tmp_path)("a")
    file = (tmp_path / "cells.shared").stat()
    assert file.st_blocks * 512 >= file.st_size > 0


def test_without_room_each_worker_counts_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk takes no request and no process with it."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    one, other = Cells(tmp_path)("a"), Cells(tmp_path)("a")
    one[0] = 5
    assert [5, 0] == pair(one)
    assert [0, 0] == pair(other)
