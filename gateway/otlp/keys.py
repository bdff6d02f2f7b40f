"""
The keys of the attributes of many spans, each kind's the same tuple.

Compiled, the encoded spans are gone through here, and nothing is looked at but keys. From source
that would take longer than to have protobuf decode the spans once more, by a schema that
knows nothing but keys, and drop the rest: what it then writes of a span is the same for all spans
with equal keys. Spans that are encoded in a way that nobody does are decoded in both cases.
"""

from collections.abc import Container, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from gateway.otlp.ready import length
from gateway.otlp.walk import Walk

if TYPE_CHECKING:
    from mypy_extensions import i64

Names = tuple[str, ...]
Outline = tuple[Names, list[int] | None]
"""The keys of a span's attributes, and where their values stand, where that is known."""

_SPANS: Final = b"\x12"  # ScopeSpans.spans

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
    if not IS_COMPILED:
        return [(names, None) for names in _decoded(spans)]
    finder = Finder(unread)
    return [(finder.find(span, 0, len(span)), finder.spots) for span in spans]


class Finder:
    """
    Find the keys of one span after the other; compiled, for that is slower from source.

    Args:
        unread: as :func:`outlines_of` takes it.

    """

    __slots__ = ("_in_a_row", "_quiet", "_unread", "spots", "walk")

    def __init__(self, unread: Container[int]) -> None:
        self._unread = unread
        self._quiet: Names | None = None
        """The keys of the last span, where nobody reads its values."""
        self._in_a_row: i64 = 0
        """How many spans before were like that."""
        self.walk = Walk()
        """What else is known of the last span, where there are spots."""
        self.spots: list[int] | None = None
        """Where its values stand, as :class:`Fields` takes it."""

    def find(self, data: bytes, start: "i64", end: "i64") -> Names:
        """Return the keys of a span that stands between two places of ``data``."""
        walk = self.walk
        is_read = self._in_a_row < _FEW
        spots: list[int] = []
        self.spots = spots
        if not walk.go(data, spots if is_read else None, start, end):
            self.spots = None
            return _decoded((data[start:end],))[0]
        names = walk.step.names
        if names is None:
            walk.step.names = names = _decoded((data[start:end],))[0]
        if names is not self._quiet:
            self._quiet = names if id(names) in self._unread else None
        if self._quiet is not None:
            self._in_a_row += 1
        else:
            self._in_a_row = 0
            if not is_read:
                walk.go(data, spots, start, end)
        return names


_FEW: Final = 3
"""After so many spans in a row whose values nobody reads, the next one's are not expected to be."""

IS_COMPILED: Final = not isinstance(common, FunctionType)


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
