"""The call of a model that a span is, in any dialect, for those who need no more of it."""

from collections.abc import Iterable
from typing import NamedTuple

from gateway.plugin import Span
from processors.mlflow_mapping.dialect import Dialect
from processors.mlflow_mapping.events import NO_EVENTS, read_events
from processors.mlflow_mapping.identity import find_model, find_provider
from processors.mlflow_mapping.keys import CALLING_TYPES, MODEL, PROVIDER, SPAN_TYPE
from processors.mlflow_mapping.plan import Plan, Reading
from processors.mlflow_mapping.span_types import find_type, is_rollup, said_type
from processors.mlflow_mapping.texts import string
from processors.mlflow_mapping.usage import Counters, normalise, read_usage


class ModelCall(NamedTuple):
    """What a span says of the call of a model that it is."""

    type: str
    model: str
    provider: str
    usage: Counters | None
    """Tokens under MLflow's names, input including the cache; ``None`` where none are counted."""


class ModelCallReader:
    """
    Read calls of models as ``mlflow_mapping`` does, writing nothing.

    Args:
        dialects: the tables, in order of preference.

    """

    def __init__(self, dialects: Iterable[Dialect]) -> None:
        self._plan = Plan(dialects)

    def read(self, span: Span) -> ModelCall | None:
        """Return the call, or ``None`` where a span is none or repeats others' tokens."""
        reading = self._plan.read(span)
        if not reading.hits and SPAN_TYPE not in reading.keys:
            return _from_events(span)
        kind = said_type(reading) or find_type(self._plan, reading, span)
        if kind not in CALLING_TYPES or is_rollup(reading):
            return None
        provider = find_provider(reading)
        usage: Counters | None = None
        if counters := read_usage(reading):
            exclusive = "cache_read" in counters and self._plan.is_exclusive(
                reading.origin, span.core.name, provider
            )
            usage = normalise(counters, exclusive=exclusive)
        model = _written(reading, MODEL) or find_model(reading) or ""
        return ModelCall(kind, model, _written(reading, PROVIDER) or provider or "", usage)


def _from_events(span: Span) -> ModelCall | None:
    """Return the call that events alone tell of."""
    events = span.peek.events
    told = read_events(events) if events else NO_EVENTS
    if told.type not in CALLING_TYPES:
        return None
    usage = normalise(told.usage, exclusive=False) if told.usage else None
    return ModelCall(told.type, told.model, "", usage)


def _written(reading: Reading, key: str) -> str:
    value = reading.at(key)
    return "" if value is None else string(value)
