"""Keep the last warnings and errors of the log, for the status page."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from typing import Any

import msgspec

KEPT = 50
MAX_CHARS = 300
_LEVELS = frozenset({"warning", "error", "critical"})
_OWN = frozenset({"event", "level", "timestamp", "component", "exc_info", "exception"})


class Notice(msgspec.Struct, kw_only=True):
    """An event that an operator should look at; repeated, it is one notice with a count."""

    time_unix_ns: int
    """When it last happened."""
    level: str
    component: str
    event: str
    fields: dict[str, str]
    """Of the last time."""
    count: int


class Notices:
    """The last notices, oldest first; put into the chain of log processors."""

    def __init__(self, time_ns: Callable[[], int] = time.time_ns) -> None:
        self._time_ns = time_ns
        self._kept: OrderedDict[tuple[str, str, str], Notice] = OrderedDict()
        self._turn = threading.Lock()

    def __call__(
        self, _logger: object, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Note a line of the log that is a warning or worse, and hand it on."""
        if line.get("level") in _LEVELS:
            self._note(line)
        return line

    def _note(self, line: MutableMapping[str, Any]) -> None:
        level, component, event = (_short(line.get(k, "")) for k in ("level", "component", "event"))
        fields = {
            _short(k): _short(v)
            for k, v in line.items()
            if k not in _OWN and v is not None and v not in ("", [])
        }
        with self._turn:
            known = self._kept.pop((level, component, event), None)
            self._kept[level, component, event] = Notice(
                time_unix_ns=self._time_ns(),
                level=level,
                component=component,
                event=event,
                fields=fields,
                count=1 if known is None else known.count + 1,
            )
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def list(self) -> list[Notice]:
        """Return what is kept."""
        with self._turn:
            return list(self._kept.values())


def _short(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"
