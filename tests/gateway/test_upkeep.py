"""What goes on beside the requests: an unforeseen fault neither ends it nor goes unseen."""

import asyncio

import pytest

from gateway.telemetry.metrics import REGISTRY
from gateway.testing import FakeClock, FakeLogger
from gateway.upkeep import PAUSE_S, keep_going, survive

TEXT = "what a span says"


def faults(part: str) -> float:
    """Return how many faults of a part were counted."""
    return REGISTRY.get_sample_value("spangate_part_faults_total", {"part": part}) or 0.0


@pytest.mark.parametrize("fault", [ValueError(TEXT), SystemExit(TEXT), asyncio.CancelledError()])
async def test_it_begins_again(fault: BaseException) -> None:
    """After a pause, told each time without the error's text, and counted."""
    log, clock, before = FakeLogger(), FakeClock(), faults("test")
    begun = clock.monotonic()
    left = [fault, fault]

    async def work() -> None:
        if left:
            raise left.pop()

    await keep_going(work, "test", logger=log, clock=clock)

    assert [("error", "test")] * 2 == [(level, told["part"]) for level, _, told in log.events]
    assert TEXT not in str(log.events)
    assert type(fault).__name__ in str(log.events[0])
    assert 2 == faults("test") - before
    assert 2 * PAUSE_S == clock.monotonic() - begun


async def test_it_ends_when_it_is_told_to() -> None:
    """To be cancelled is no fault."""
    log, begun = FakeLogger(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(keep_going(work, "test", logger=log, clock=FakeClock()))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert [] == log.events


def test_a_step_fails_alone() -> None:
    """A thread goes on with the next step; what its work promises to raise is its own affair."""
    log, before = FakeLogger(), faults("test")

    def step(error: Exception) -> None:
        raise error

    survive(lambda: step(ValueError(TEXT)), "test", logger=log, promised=(OSError,))
    with pytest.raises(OSError, match="promised"):
        survive(lambda: step(OSError("promised")), "test", logger=log, promised=(OSError,))

    assert ["test"] == [told["part"] for _, _, told in log.events]
    assert TEXT not in str(log.events)
    assert 1 == faults("test") - before
