"""What instrumentations say that a call cost."""

import math
from collections.abc import Mapping
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from gateway.otlp.values import Value
from processors.cost.written import COST

_PARTS = (
    ("llm.cost.prompt", "llm.cost.completion", "llm.cost.total"),
    ("gen_ai.cost.input_cost", "gen_ai.cost.output_cost", "gen_ai.cost.total_cost"),
)
_TOTALS = ("operation.cost", "gen_ai.usage.cost", "gen_ai.usage.total_cost", "gen_ai.cost.total")
_DETAILS = "langfuse.observation.cost_details"
_IN, _OUT = ("input", "input_cost", "prompt"), ("output", "output_cost", "completion")
_ALL = ("total", "total_cost")

REPORTED_KEYS = (*chain(*_PARTS), *_TOTALS, _DETAILS, COST)


class Reported(NamedTuple):
    """A reported cost in USD; parts that were not reported are ``None``."""

    input: float | None
    output: float | None
    total: float
    key: str
    """The attribute that says it."""


def read_reported(attributes: Mapping[str, Value]) -> Reported | None:
    """
    Return what a span says that it cost; a cost of zero means that nobody knew it.

    Args:
        attributes: those of ``REPORTED_KEYS`` that it has.

    """
    for parts in _PARTS:
        if any(key in attributes for key in parts):
            taken, given, total = (_amount(attributes.get(key)) for key in parts)
            if found := _joined(taken, given, total, parts[2]):
                return found
    for key in (_DETAILS, COST):
        if key in attributes:
            details = _parsed(attributes[key])
            if isinstance(details, dict) and (found := _detailed(details, key)):
                return found
    for key in _TOTALS:
        total = _amount(attributes.get(key))
        if total:
            return Reported(None, None, total, key)
    return None


def _parsed(value: Value) -> Any:
    """Return what a JSON text says, and anything else as it is."""
    if isinstance(value, str):
        try:
            return msgspec.json.decode(value) or value
        except (msgspec.DecodeError, RecursionError):
            return value
    return value


def _detailed(details: dict[str, Any], key: str) -> Reported | None:
    taken, given, total = (
        next((_amount(details[name]) for name in names if name in details), None)
        for names in (_IN, _OUT, _ALL)
    )
    return _joined(taken, given, total, key)


def _joined(
    taken: float | None, given: float | None, total: float | None, key: str
) -> Reported | None:
    total = total or (taken or 0.0) + (given or 0.0)
    return Reported(taken, given, total, key) if total else None


def _amount(value: Any) -> float | None:
    """Return a sum of money, or ``None`` where it is none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < math.inf else None
