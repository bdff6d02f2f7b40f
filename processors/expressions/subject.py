"""What an expression is about, and the names by which it speaks of it."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from opentelemetry.proto.trace.v1 import trace_pb2

from gateway.otlp import values
from gateway.plugin import BatchContext, Resource, Scope, Span, Value

Level = Literal["resource", "scope", "span", "spanevent"]
"""What a condition is asked for: each knows its own names and those of what it belongs to."""

LEVELS: tuple[Level, ...] = ("resource", "scope", "span", "spanevent")

KINDS: list[str] = [
    name.removeprefix("SPAN_KIND_") for name in trace_pb2.Span.SpanKind.DESCRIPTOR.values_by_name
]
STATUSES: list[str] = [
    name.removeprefix("STATUS_CODE_")
    for name in trace_pb2.Status.StatusCode.DESCRIPTOR.values_by_name
]
_MAX_INT = 2**63 - 1


class Subject:
    """
    Where the reading of a batch stands; one for each call of ``process``.

    Args:
        context: where the batch comes from.

    """

    __slots__ = ("context", "event", "resource", "scope", "span")

    def __init__(self, context: BatchContext) -> None:
        self.context = context
        self.resource: Resource
        self.scope: Scope
        self.span: Span
        self.event: trace_pb2.Span.Event

    def look_at(self, span: Span) -> None:
        """Go to a span, and what it belongs to."""
        self.span = span
        self.resource = span.resource
        self.scope = span.scope


Getter = Callable[[Subject], Value]
Attributes = Callable[[Subject], Mapping[str, Value]]


class Name(NamedTuple):
    """What a name stands for."""

    read: Getter
    example: Value
    """A value of the type that it always has; ``None`` where the type is not known."""


def _time(value: int) -> int:
    return min(value, _MAX_INT)


def _duration_ms(subject: Subject) -> float:
    span = subject.span.peek
    return (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6


def _event_names(subject: Subject) -> Value:
    return [event.name for event in subject.span.peek.events]


def _event_attributes(subject: Subject) -> Mapping[str, Value]:
    return {field.key: values.decode(field.value) for field in subject.event.attributes}


def _enumerated(names: list[str], number: int) -> str:
    return names[number] if 0 <= number < len(names) else names[0]


def _constant(text: str) -> Name:
    return Name(lambda _: text, text)


_REQUEST: dict[str, Name] = {
    "tenant": Name(lambda s: s.context.tenant, ""),
    "receiver": Name(lambda s: s.context.receiver, ""),
    "transport": Name(lambda s: s.context.transport, ""),
    "nil": Name(lambda _: None, None),
    **{f"SPAN_KIND_{kind}": _constant(kind) for kind in KINDS},
    **{f"STATUS_CODE_{code}": _constant(code) for code in STATUSES},
}
_OWN: dict[Level, dict[str, Name]] = {
    "resource": {},
    "scope": {
        "name": Name(lambda s: s.scope.name, ""),
        "version": Name(lambda s: s.scope.version, ""),
    },
    "span": {
        "name": Name(lambda s: s.span.peek.name, ""),
        "kind": Name(lambda s: _enumerated(KINDS, s.span.peek.kind), ""),
        "status": Name(lambda s: _enumerated(STATUSES, s.span.peek.status.code), ""),
        "status.code": Name(lambda s: _enumerated(STATUSES, s.span.peek.status.code), ""),
        "status.message": Name(lambda s: s.span.peek.status.message, ""),
        "duration_ms": Name(_duration_ms, 0.5),
        "is_root": Name(lambda s: s.span.is_root, True),
        "is_error": Name(lambda s: s.span.is_error, True),
        "trace_id": Name(lambda s: s.span.trace_id.hex(), ""),
        "span_id": Name(lambda s: s.span.span_id.hex(), ""),
        "parent_span_id": Name(lambda s: s.span.parent_span_id.hex(), ""),
        "start_time_unix_nano": Name(lambda s: _time(s.span.peek.start_time_unix_nano), 1),
        "end_time_unix_nano": Name(lambda s: _time(s.span.peek.end_time_unix_nano), 1),
        "event_names": Name(_event_names, [""]),
    },
    "spanevent": {
        "name": Name(lambda s: s.event.name, ""),
        "time_unix_nano": Name(lambda s: _time(s.event.time_unix_nano), 1),
    },
}
_ATTRIBUTES: dict[Level, Attributes] = {
    "resource": lambda s: s.resource.attributes,
    "scope": lambda s: s.scope.attributes,
    "span": lambda s: s.span.attributes,
    "spanevent": _event_attributes,
}
_ALIASES = {"instrumentation_scope": "scope"}


class Vocabulary:
    """The names that an expression of a level may use."""

    def __init__(self, level: Level) -> None:
        self.level: Level = level
        known = LEVELS[: LEVELS.index(level) + 1]
        self.names: dict[str, Name] = dict(_REQUEST)
        for each in known:
            self.names |= {f"{each}.{name}": meaning for name, meaning in _OWN[each].items()}
        self.attributes: dict[str, Attributes] = {
            f"{each}.attributes": _ATTRIBUTES[each] for each in known
        }

    def canonical(self, path: str) -> str:
        """Return the full name of what may be written short: ``name`` for ``span.name``."""
        first, dot, rest = path.partition(".")
        if first in _ALIASES:
            return _ALIASES[first] + dot + rest
        own = f"{self.level}.{path}"
        return own if own in self.names or own in self.attributes else path

    def is_taken(self, word: str) -> bool:
        """Whether a single word means something already."""
        full = [self.canonical(word), *self.names, *self.attributes]
        return any(name.partition(".")[0] == word for name in full[1:]) or full[0] != word

    def known(self) -> list[str]:
        """Return the names as people write them, for hints; what is written short comes first."""
        constants = ("nil", "SPAN_KIND_", "STATUS_CODE_")
        names = [name for name in self.names if not name.startswith(constants)]
        short = [*_OWN[self.level], "attributes"]
        return [*short, *names, *(f'{name}["key"]' for name in self.attributes)]


@functools.cache
def vocabulary(level: Level) -> Vocabulary:
    """Return the names of a level."""
    return Vocabulary(level)


def attribute(source: Attributes, key: str) -> Getter:
    """Return what reads one attribute; it gives ``None`` where it is absent."""

    def read(subject: Subject) -> Value:
        return source(subject).get(key)

    return read


def presence(source: Attributes, key: str) -> Getter:
    """Return what tells whether an attribute is there."""

    def read(subject: Subject) -> Value:
        return key in source(subject)

    return read


def whole(source: Attributes) -> Getter:
    """Return what reads all attributes."""

    def read(subject: Subject) -> Any:
        return dict(source(subject))

    return read
