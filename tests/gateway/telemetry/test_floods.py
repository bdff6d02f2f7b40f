"""What a flood of one event leaves in the log."""

from typing import Any

import pytest
import structlog

from gateway.telemetry.floods import LINES, MAX_EVENTS, WINDOW_S, Floods
from gateway.testing import FakeClock


class Log:
    """A log behind a flood gate."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.told: list[tuple[str, str, int]] = []
        self.written = 0
        self.floods = Floods(lambda *told: self.told.append(told), self.clock.monotonic)

    def write(self, times: int = 1, event: str = "refused", **fields: Any) -> None:
        for _ in range(times):
            try:
                self.floods(None, "", {"component": "otlp", "event": event, **fields})
            except structlog.DropEvent:
                continue
            self.written += 1


def test_the_first_lines_of_a_minute_are_written() -> None:
    """A flood leaves so many lines, and no other event is held back by it."""
    log = Log()
    log.write(LINES * 10)
    assert LINES == log.written

    log.write(2, "other")
    assert LINES + 2 == log.written
    assert [] == log.told


@pytest.mark.parametrize("event", ["refused", "other"])
def test_what_was_left_out_is_told(event: str) -> None:
    """Once the minute is over the next line, of whatever event, brings the count with it."""
    log = Log()
    log.write(LINES + 7)
    log.clock.advance(WINDOW_S)
    log.write(1, event)

    assert [("otlp", "refused", 7)] == log.told
    assert LINES + 1 == log.written


def test_the_audit_log_counts_by_itself() -> None:
    """Lines for the audit are never left out here."""
    log = Log()
    log.write(LINES * 3, audit=True)

    assert LINES * 3 == log.written


def test_made_up_events_take_no_memory() -> None:
    """However many events there are, only so many are counted."""
    log = Log()
    for number in range(MAX_EVENTS * 2):
        log.write(1, f"event {number}")

    assert MAX_EVENTS >= len(log.floods._windows)
