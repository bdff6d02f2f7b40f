"""What frameworks put around the values that they trace."""

from typing import Any, Final

_BESIDE: Final = frozenset({"tags", "metadata", "kwargs", "input_str", "color", "name", "run_id"})
"""What Traceloop writes beside a LangChain step's inputs and outputs."""

_HOLDERS: Final = ("inputs", "outputs", "input", "output")
_COMMAND: Final = frozenset({"graph", "update", "resume", "goto"})
"""LangGraph's ``Command``."""

_TELLING: Final = frozenset({"type", "lc", "update", *_HOLDERS})
"""An object without one of these keys is no wrapper."""

_DEEPEST: Final = 3

MARKS: Final = ('"input', '"output', '"type"', '"lc"', '"graph"')
"""One of these stands near the beginning of every wrapper."""


def unwrapped(value: Any) -> Any:
    """Return a value without what LangWatch, Traceloop, LangSmith and LangChain put around it."""
    for _ in range(_DEEPEST):
        inner = _inside(value)
        if inner is value:
            break
        value = inner
    return value


def _inside(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        inner = _command(value[0])
        return value if inner is None else inner
    if not isinstance(value, dict) or _TELLING.isdisjoint(value):
        return value
    if value.keys() == {"type", "value"}:
        return value["value"]
    kwargs = value.get("kwargs")
    if "lc" in value and isinstance(kwargs, dict) and "messages" in kwargs:
        return kwargs
    if (inner := _command(value)) is not None:
        return inner
    for holder in _HOLDERS:
        if value.get(holder) is not None and value.keys() <= _BESIDE | {holder}:
            return value[holder]
    return value


def _command(value: dict[str, Any]) -> Any:
    update = value.get("update")
    return update if isinstance(update, dict) and value.keys() <= _COMMAND else None
