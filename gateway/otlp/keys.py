"""
The keys of the attributes of many spans, each kind's the same tuple.

Compiled, this module goes through the encoded spans itself and looks at nothing but keys. From
source that would take longer than to have protobuf decode the spans once more, by a schema that
knows nothing but keys, and drop the rest: what it then writes of a span is the same for all spans
with equal keys. Spans that are encoded in a way that nobody does are decoded in both cases.
"""

from collections.abc import Container, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from gateway.otlp.fields import end_of, spot_of, value_at
from gateway.otlp.ready import length

if TYPE_CHECKING:
    from mypy_extensions import i64

Names = tuple[str, ...]
Outline = tuple[Names, list[int] | None]
"""The keys of a span's attributes, and where their values stand, where that is known."""

_SPANS: Final = b"\x12"  # ScopeSpans.spans
_ATTRIBUTES: Final = 0x4A  # Span.attributes, field 9
_KEY: Final = 0x0A  # KeyValue.key
_VALUE: Final = 0x12  # KeyValue.value

_Field = descriptor_pb2.FieldDescriptorProto

_common: dict[Names, Names] = {}
known_shapes: dict[bytes, Names] = {}
MOST: Final = 4096
LONGEST: Final = 300
"""Kinds of spans whose keys are remembered, and attributes of the longest one."""
LONGEST_BYTES: Final = 10_000
"""Of its keys, encoded."""


def common(names: Names) -> Names:
    """Return the tuple that spans with equal keys share."""
    known = _common.get(names)
    if known is not None or len(names) > LONGEST:
        return known or names
    if len(_common) >= MOST:
        _common.clear()
    _common[names] = names
    return names


_longer: dict[tuple[int, Names], tuple[Names, Names]] = {}
"""By the id of a tuple, which lives on in the value, and what was added to it."""


def extended(names: Names, added: Names) -> Names:
    """Return both together; the same tuple each time, where ``names`` is the same one."""
    known = _longer.get((id(names), added))
    if known is not None:
        return known[1]
    longer = common(names + added)
    if len(longer) <= LONGEST:
        if len(_longer) >= MOST:
            _longer.clear()
        _longer[id(names), added] = names, longer
    return longer


def _schema() -> Any:
    """Return ScopeSpans with no more than its spans, their attributes and the keys of these."""
    file = descriptor_pb2.FileDescriptorProto(name="keys.proto", package="keys", syntax="proto3")
    one, many = _Field.LABEL_OPTIONAL, _Field.LABEL_REPEATED
    for name, field, number, label, inner in (
        ("Attribute", "key", 1, one, ""),
        ("Span", "attributes", 9, many, ".keys.Attribute"),
        ("Spans", "spans", 2, many, ".keys.Span"),
    ):
        kind = _Field.TYPE_MESSAGE if inner else _Field.TYPE_STRING
        file.message_type.add(name=name).field.add(
            name=field, number=number, label=label, type=kind, type_name=inner or None
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("keys.Spans"))


_parse: Final = _schema().FromString


def names_of(spans: Sequence[bytes]) -> list[Names]:
    """
    Return the keys of each span's attributes, in their order.

    Spans with equal keys get the same tuple, while not too many kinds of them are about.

    Args:
        spans: encoded spans.

    """
    return [names for names, _ in outlines_of(spans)]


def outlines_of(spans: Sequence[bytes], unread: Container[int] = ()) -> list[Outline]:
    """
    Return the same, each with where the values stand, as :class:`Fields` takes it.

    Args:
        spans: encoded spans.
        unread: ids of keys whose values nobody reads; where such spans follow each other, it is
            not noted where these stand.

    """
    if not _IS_COMPILED:
        return [(names, None) for names in _decoded(spans)]
    outlines: list[Outline] = []
    in_a_row: i64 = 0  # of those whose values nobody reads
    for span in spans:
        spots: list[int] = []
        is_read = in_a_row < _FEW
        keys = _encoded_keys(span, spots if is_read else None)
        if keys is None:
            outlines.append((_decoded((span,))[0], None))
        else:
            shape = b"".join(keys)
            names = known_shapes.get(shape)
            if names is None:
                names = _learn(shape, [key[2:].decode() for key in keys])
            in_a_row = in_a_row + 1 if id(names) in unread else 0
            if not is_read and in_a_row == 0:
                _encoded_keys(span, spots)
            outlines.append((names, spots))
    return outlines


_FEW: Final = 3
"""After so many spans in a row whose values nobody reads, the next one's are not expected to be."""


def _encoded_keys(span: bytes, spots: list[int] | None) -> list[bytes] | None:
    """
    Return the keys, each behind its head of two bytes; ``None``: the encoding is unusual.

    Where the values stand is added to ``spots``.
    """
    keys: list[bytes] = []
    at: i64 = 0
    end: i64 = len(span)
    while at < end:
        tag: i64 = span[at]
        if tag == _ATTRIBUTES:
            start: i64 = value_at(span, at + 1)
            at = end_of(span, at + 1)
            if start + 2 > at or at > end or span[start] != _KEY or span[start + 1] >= 0x80:
                return None
            value: i64 = start + 2 + span[start + 1]
            keys.append(span[start:value])
            if value != at:
                if value + 2 > at or span[value] != _VALUE or end_of(span, value + 1) != at:
                    return None
                value = value_at(span, value + 1)
            if spots is not None:
                spots.append(spot_of(value, at))
        elif tag < 0x80:
            at = _skip(span, at + 1, tag & 7)
        elif at + 1 < end and span[at + 1] in (1, 2):  # fields 16 to 47, in two bytes
            at = _skip(span, at + 2, tag & 7)
        else:
            return None
    return keys if at == end else None


def _skip(span: bytes, at: "i64", kind: "i64") -> "i64":
    """Return the end of a field's value; one behind the span's where it has none."""
    if kind == 2:
        return end_of(span, at)
    if kind == 0:
        return value_at(span, at)
    if kind == 1:
        return at + 8
    return at + 4 if kind == 5 else len(span) + 1


_IS_COMPILED: Final = not isinstance(_skip, FunctionType)


def _decoded(spans: Sequence[bytes]) -> list[Names]:
    parts = [part for span in spans for part in (_SPANS, length(len(span)), span)]
    parsed = _parse(b"".join(parts))
    parsed.DiscardUnknownFields()
    known = known_shapes.get
    names = []
    for span in parsed.spans:
        shape = span.SerializeToString()
        names.append(known(shape) or _learn(shape, [one.key for one in span.attributes]))
    return names


def _learn(shape: bytes, keys: Sequence[str]) -> Names:
    names = common(tuple(keys))
    if len(names) <= LONGEST and len(shape) <= LONGEST_BYTES:
        if len(known_shapes) >= MOST:
            known_shapes.clear()
        known_shapes[shape] = names
    return names
