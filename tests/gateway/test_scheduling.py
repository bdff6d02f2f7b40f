"""Threads that work for the event loop do not interrupt it when they are woken."""

import os
import sys
import threading
from pathlib import Path

import pytest

from gateway import scheduling
from gateway.testing import batch
from tests.gateway.running import gateway

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets threads say so")

MEMORY = """
exporters: {debug: {}}
processors: {redaction: {}}
service: {pipelines: {traces: {receivers: [otlp], processors: [redaction], exporters: [debug]}}}
"""


def policy_of_a_new_thread() -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(os.sched_getscheduler(0)))
    thread.start()
    thread.join()
    return found[0]


def test_threads_started_meanwhile_stand_back() -> None:
    """They do for good, the one that started them only meanwhile."""
    with scheduling.standing_back():
        assert os.SCHED_BATCH == policy_of_a_new_thread()
    assert os.SCHED_OTHER == os.sched_getscheduler(0) == policy_of_a_new_thread()


def test_a_container_that_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is lost then."""

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with scheduling.standing_back():
        assert os.SCHED_OTHER == policy_of_a_new_thread()


async def test_the_gateway_s_threads(tmp_path: Path) -> None:
    """Those of the processors and of the queue stand back; the event loop's does not."""
    async with gateway(tmp_path, MEMORY) as running:
        status, _, _ = await running.post(batch({"a": "b"}).encode())
        assert 200 == status
        helpers = {
            thread.name.partition("_")[0]: os.sched_getscheduler(thread.native_id or 0)
            for thread in threading.enumerate()
            if thread.name.startswith(("stage-1", "queue-writer"))
        }
        assert {"stage-1-small": os.SCHED_BATCH, "queue-writer": os.SCHED_BATCH} == helpers
        assert os.SCHED_OTHER == os.sched_getscheduler(0)
