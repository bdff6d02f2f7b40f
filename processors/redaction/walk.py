"""Walk every text of a request: resource, scope, span, events, links, attributes and their keys."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from gateway.plugin import Span
from processors.redaction.encoded import text_of, with_attributes, with_text
from processors.redaction.framing import Place
from processors.redaction.keys import NO_KEY, KeyInfo
from processors.redaction.memory import Memory, Outcome
from processors.redaction.operators import FAILED
from processors.redaction.places import Hits
from processors.redaction.report import Names, Report
from processors.redaction.scrubber import Scrubber

_VECTOR: Final = 8
"""Arrays of more numbers are vectors."""

CARD_NUMBERS: Final = range(2**42, 2**56)
"""Integers that are looked at under any key; timestamps in milli- and nanoseconds are outside."""


class Walker:
    """Redact messages in place; ``changed`` says whether anything was written."""

    def __init__(self, scrubber: Scrubber, report: Report, memory: Memory) -> None:
        self._scrubber = scrubber
        self._memory = memory
        self._report = report
        self._where = ""
        self.changed = False

    def shared(self, resource_spans: trace_pb2.ResourceSpans) -> None:
        """Redact what the spans of a resource share: resource and scopes."""
        self._discard_unknown(resource_spans)
        self._where = "resource"
        self._attributes(resource_spans.resource.attributes)
        self._field(resource_spans, "schema_url")
        for scope_spans in resource_spans.scope_spans:
            self._where = "scope"
            self._field(scope_spans.scope, "name")
            self._field(scope_spans.scope, "version")
            self._attributes(scope_spans.scope.attributes)
            self._field(scope_spans, "schema_url")

    def spans(
        self, data: bytes, spans: Sequence[Span], hits: Hits | None, pause: Callable[[], None]
    ) -> dict[int, bytes]:
        """
        Redact the spans that are hit in their messages; those looked at as a whole are renewed.

        Args:
            data: the request.
            spans: all of it.
            hits: where a look is needed; ``None`` means everywhere.
            pause: called before each span.

        Returns:
            The encoding of the others that changed, by their number.

        """
        rewritten: dict[int, bytes] = {}
        for at in range(len(spans)) if hits is None else sorted(hits.spans):
            pause()
            span = spans[at]
            found = None if hits is None else hits.spans[at]
            if hits is None or found is None:
                self.changed = False
                self.span(span.peek)
                if self.changed:
                    span.renew()
                continue
            changes = self.attributes(span.peek, found)
            if changes:
                rewritten[at] = with_attributes(data, hits.bounds[at], changes)
        return rewritten

    def span(self, span: trace_pb2.Span) -> None:
        """Redact a span."""
        self._discard_unknown(span)
        self._where = "span"
        self._field(span, "name")
        self._where = f'span "{span.name}"'
        self._attributes(span.attributes)
        self._field(span, "trace_state")
        if span.HasField("status"):
            self._field(span.status, "message")
        place = self._where
        for event in span.events:
            self._where = f"{place} event"
            self._field(event, "name")
            self._attributes(event.attributes)
        for link in span.links:
            self._where = f"{place} link"
            self._field(link, "trace_state")
            self._attributes(link.attributes)

    def _discard_unknown(self, message: Message) -> None:
        """Drop fields that this version of OTLP does not know: nobody could redact them."""
        size = message.ByteSize()
        message.DiscardUnknownFields()
        self.changed = self.changed or message.ByteSize() != size

    def _field(self, message: Any, name: str) -> None:
        text = getattr(message, name)
        if not text:
            return
        self._report.place = f"{self._where} {name}"
        new = self._scrubber.value(text, NO_KEY, self._report)
        if new is not None:
            setattr(message, name, new)
            self.changed = True

    def attributes(
        self, span: trace_pb2.Span, places: Sequence[Place]
    ) -> list[tuple[Place, bytes]]:
        """Redact attributes of a span in its message; return what changed, with its encoding."""
        changes: list[tuple[Place, bytes]] = []
        for place in places:
            new = self._outcome(span, place)
            if new is not None:
                span.attributes[place.ordinal].ParseFromString(new)
                changes.append((place, new))
        return changes

    def _outcome(self, span: trace_pb2.Span, place: Place) -> bytes | None:
        """Return an attribute's new encoding, ``None`` if it stays; known ones are not read."""
        report = self._report
        outcome = self._memory.get(place.encoded) if report.findings is None else None
        if outcome is not None:
            report.types += outcome.types
            return outcome.new
        if report.findings is not None:
            self._where = f'span "{span.name}"'
        found = len(report.types)
        new, is_final = self._attribute_afresh(span, place)
        types = report.types[found:]
        if is_final and FAILED not in types:
            self._memory.put(place.encoded, Outcome(new, tuple(types)))
        return new

    def _attribute_afresh(self, span: trace_pb2.Span, place: Place) -> tuple[bytes | None, bool]:
        """Return an attribute's new encoding, and whether it would always be that."""
        text = place.text if place.hit is not None else text_of(place.encoded)
        if text is None or not self._scrubber.keeps(text.key):
            return self._attribute_decoded(span, place.ordinal)
        if self._report.findings is not None:
            self._report.place = f"{self._where}: attribute {text.key}"
        known = self._scrubber.keys.info(text.key)
        value = place.encoded[text.text_at :]
        if place.hit is not None:
            new = self._scrubber.redact_hit(value, known, self._report, place.hits)
        else:
            new = self._scrubber.redact(value, known, self._report)
        return None if new is None else with_text(place.encoded, text.value_at, new), True

    def _attribute_decoded(self, span: trace_pb2.Span, ordinal: int) -> tuple[bytes | None, bool]:
        """Do the same with one that is no text, or has a key that was not seen before."""
        field = span.attributes[ordinal]
        key, changed = field.key, self.changed
        self.changed = False
        self._discard_unknown(field)
        self._attribute(field, span.attributes, None, NO_KEY)
        new = field.SerializeToString() if self.changed else None
        self.changed = changed
        return new, key == field.key

    def _attributes(self, fields: Any, parent: KeyInfo = NO_KEY) -> None:
        """Redact key-value pairs; ``parent`` says what holds for all below."""
        names: Names | None = None
        for field in fields:
            names = self._attribute(field, fields, names, parent)

    def _attribute(
        self, field: Any, siblings: Any, names: Names | None, parent: KeyInfo
    ) -> Names | None:
        """Redact one of several pairs; return the names that are taken, once they matter."""
        known = self._scrubber.keys.info(field.key)
        if not known.allowed:
            self._report.place = f"{self._where}: key"
            names = self._key(field, siblings, names)
        if parent.allowed or parent.blocked is not None:
            known = known._replace(
                blocked=None if known.allowed else parent.blocked,
                allowed=known.allowed or parent.allowed,
            )
        if known.allowed:
            return names
        if self._report.findings is not None:
            self._report.place = f"{self._where}: attribute {field.key}"
        self._value(field.value, known)
        return names

    def _key(self, field: Any, siblings: Any, names: Names | None) -> Names | None:
        """Redact a key; two that become the same are numbered."""
        new = self._scrubber.key(field.key, self._report)
        if new is None:
            return names
        names = names or Names(other.key for other in siblings)
        field.key = names.unique(new)
        self.changed = True
        return names

    def _value(self, value: AnyValue, key: KeyInfo) -> None:
        kind = value.WhichOneof("value")
        if kind == "string_value":
            new = self._scrubber.value(value.string_value, key, self._report)
            if new is not None:
                value.string_value = new
                self.changed = True
        elif kind == "array_value":
            self._array(value.array_value.values, key)
        elif kind == "kvlist_value":
            below = NO_KEY._replace(blocked=key.blocked)
            self._attributes(value.kvlist_value.values, below)
        elif kind == "bytes_value":
            self._bytes(value, key)
        elif kind in ("int_value", "double_value"):
            self._number(value, kind, key)

    def _array(self, values: Any, key: KeyInfo) -> None:
        if len(values) > _VECTOR and key.blocked is None:
            kinds = {item.WhichOneof("value") for item in values}
            if kinds <= {"int_value", "double_value"}:
                return
        for item in values:
            self._value(item, key)

    def _bytes(self, value: AnyValue, key: KeyInfo) -> None:
        """Redact bytes that are text; other bytes only under a blocked key."""
        try:
            text = value.bytes_value.decode()
        except UnicodeDecodeError:
            if key.blocked is None and len(value.bytes_value) <= self._scrubber.max_bytes:
                return
            text = value.bytes_value.decode("latin-1")
        new = self._scrubber.value(text, key, self._report)
        if new is not None:
            value.bytes_value = new.encode()
            self.changed = True

    def _number(self, value: AnyValue, kind: str, key: KeyInfo) -> None:
        """Redact a number that is a card, a telephone, a password; counts stay."""
        if key.blocked in ("token", "cookie"):
            return
        number = getattr(value, kind)
        if kind == "double_value" and key.blocked is None and not _is_long(number):
            return
        if key.blocked is None and not key.telling and abs(number) not in CARD_NUMBERS:
            return
        text = str(int(number)) if kind == "double_value" and number.is_integer() else str(number)
        new = self._scrubber.value(text, key, self._report)
        if new is not None:
            value.string_value = new
            self.changed = True


def _is_long(number: float) -> bool:
    """Whether a number is an integer of seven digits and more that was sent as a double."""
    return abs(number) >= 1e6 and number.is_integer()
