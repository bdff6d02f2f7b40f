"""Lines of the log for people: aligned, the reason first, what to do on a line of its own."""

from collections.abc import Iterator, Mapping, MutableMapping
from datetime import datetime
from typing import Any

_LEVELS = {
    "debug": ("DEBUG", "\x1b[2m"),
    "info": ("INFO", "\x1b[32m"),
    "warning": ("WARN", "\x1b[33m"),
    "error": ("ERROR", "\x1b[31m"),
    "critical": ("ERROR", "\x1b[31m"),
}
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_COMPONENT_WIDTH = 14
_EVENT_WIDTH = 40
_FIRST = ("reason", "because")
_ELSEWHERE = frozenset(
    {"timestamp", "level", "component", "event", "audit", "advice", "frames", *_FIRST}
)


class Lines:
    """
    The last of the log processors: an event as text.

    Args:
        colours: whether the terminal shows them.

    """

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, _logger: object, _method: str, line: MutableMapping[str, Any]) -> str:
        """Return the text of an event; what says nothing is left out."""
        level, colour = _LEVELS.get(str(line.get("level")), _LEVELS["info"])
        head = f"{_time(line.get('timestamp'))}  {self._in(colour, f'{level:<5}')}  "
        component = f"{_one_line(line.get('component', '')):<{_COMPONENT_WIDTH}}"
        event = _one_line(line.get("event", ""))
        fields = "  ".join(_fields(line))
        padded = f"{event:<{_EVENT_WIDTH}}" if fields else event
        text = f"{head}{component}  {self._in(_BOLD, padded)}"
        return "\n    ".join([f"{text}  {fields}" if fields else text, *_below(line)])

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._colours else text


def _time(stamp: object) -> str:
    """Return the time as a person reads it, to the millisecond."""
    try:
        at = datetime.fromisoformat(str(stamp))
    except ValueError:
        return str(stamp)
    return at.isoformat(sep=" ", timespec="milliseconds")


def _fields(line: Mapping[str, Any]) -> Iterator[str]:
    for name in (*_FIRST, *(name for name in line if name not in _ELSEWHERE)):
        value = line.get(name)
        if name == "reason" and len(str(value).splitlines()) > 1:
            continue  # it has lines of its own
        if value is not None and value not in ("", [], {}):
            text = _one_line(_text(value))
            yield f'{name}="{text}"' if " " in text or not text else f"{name}={text}"


def _below(line: Mapping[str, Any]) -> Iterator[str]:
    """Yield what has lines of its own: long reasons, the way to an exception, what to do."""
    reason = str(line.get("reason")).splitlines()
    yield from map(_printable, reason if len(reason) > 1 else ())
    yield from (f"at {_one_line(frame)}" for frame in line.get("frames") or ())
    if line.get("advice"):
        yield f"what to do: {_one_line(line['advice'])}"


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return str(value)


def _one_line(value: object) -> str:
    """Return a text whose controls can move no cursor and begin no line."""
    lines = (part.strip() for part in str(value).splitlines())
    return _printable("; ".join(part for part in lines if part))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "�" for char in text)
