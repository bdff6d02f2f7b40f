"""Keep floods out of the log: of each event so many lines a minute, and how many were left out."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

WINDOW_S = 60.0
LINES = 30
"""Lines of one event of one component in a window."""
MAX_EVENTS = 1000


class _Window:
    def __init__(self, started: float) -> None:
        self.started = started
        self.written = 0
        self.left_out = 0


class Floods:
    """
    A log processor that lets the first lines of a flood through.

    The next line of the event, or of any other once the minute is over, says how many were left
    out. The audit log counts by itself.
    """

    def __init__(
        self,
        tell: Callable[[str, str, int], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell = tell
        self._monotonic = monotonic
        self._windows: OrderedDict[tuple[str, str], _Window] = OrderedDict()
        self._turn = threading.Lock()

    def __call__(
        self, _logger: object, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Return the line, or drop it where there were too many like it."""
        if line.get("audit"):
            return line
        key = str(line.get("component", "")), str(line.get("event", ""))
        with self._turn:
            over, allowed = self._over(), self._admit(key)
        for (component, event), lines in over:
            self._tell(component, event, lines)
        if not allowed:
            raise structlog.DropEvent
        return line

    def _admit(self, key: tuple[str, str]) -> bool:
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = _Window(self._monotonic())
            if len(self._windows) > MAX_EVENTS:
                self._windows.popitem(last=False)
        if window.written >= LINES:
            window.left_out += 1
            return False
        window.written += 1
        return True

    def _over(self) -> list[tuple[tuple[str, str], int]]:
        """Forget the windows that are over; return those that left lines out, with how many."""
        now, found = self._monotonic(), []
        while self._windows:
            key, window = next(iter(self._windows.items()))
            if now - window.started < WINDOW_S:
                break
            del self._windows[key]
            if window.left_out:
                found.append((key, window.left_out))
        return found
