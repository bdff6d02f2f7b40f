"""
The keys of the attributes of many spans at once.

protobuf decodes the spans once more by a schema that knows nothing but keys, and drops the rest.
What it then writes of a span is the same for all spans with equal keys, so that keys are looked at
once a kind of span: less than half of what it takes to go through the attributes of each.
"""

from collections.abc import Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from gateway.otlp.ready import length

Names = tuple[str, ...]

_SPANS = b"\x12"  # ScopeSpans.spans

_Field = descriptor_pb2.FieldDescriptorProto

_common: dict[Names, Names] = {}
known_shapes: dict[bytes, Names] = {}
MOST = 4096
LONGEST = 300
"""Kinds of spans whose keys are remembered, and attributes of the longest one."""
LONGEST_BYTES = 10_000
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


_parse = _schema().FromString


def names_of(spans: Sequence[bytes]) -> list[Names]:
    """
    Return the keys of each span's attributes, in their order.

    Spans with equal keys get the same tuple, while not too many kinds of them are about.

    Args:
        spans: encoded spans.

    """
    parts = [part for span in spans for part in (_SPANS, length(len(span)), span)]
    parsed = _parse(b"".join(parts))
    parsed.DiscardUnknownFields()
    known = known_shapes.get
    names = []
    for span in parsed.spans:
        shape = span.SerializeToString()
        names.append(known(shape) or _learn(shape, span))
    return names


def _learn(shape: bytes, span: Any) -> Names:
    names = common(tuple([attribute.key for attribute in span.attributes]))
    if len(names) <= LONGEST and len(shape) <= LONGEST_BYTES:
        if len(known_shapes) >= MOST:
            known_shapes.clear()
        known_shapes[shape] = names
    return names
