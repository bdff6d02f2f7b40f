"""
The way through an encoded span, on which nothing is looked at but keys.

Spans of one kind have the same keys in the same order. So all keys that were seen stand in a tree,
in which each of a span's keys is compared with the one that followed last time: no key is hashed,
nor kept beside the others, to find out which kind a span is.
"""

from typing import TYPE_CHECKING, Final

from gateway.otlp.fields import end_of, spot_of, value_at

if TYPE_CHECKING:
    from mypy_extensions import i64

_ATTRIBUTES: Final = 0x4A  # Span.attributes, field 9
_PARENT: Final = 0x22  # Span.parent_span_id
_NAME: Final = 0x2A  # Span.name
_EVENTS: Final = 0x5A  # Span.events
_KEY: Final = 0x0A  # KeyValue.key
_VALUE: Final = 0x12  # KeyValue.value

STEPS: Final = 40_000
"""Keys in the tree, at most: some 200 bytes each, and up to 128 of the key itself."""
DEEPEST: Final = 300
"""Attributes of a span whose keys are kept there."""


class Step:
    """
    A key behind those before it, all of them keys of one span.

    Args:
        key: its encoding behind its head of two bytes.
        depth: how many there are with it.

    """

    __slots__ = ("depth", "key", "names", "next", "others")

    def __init__(self, key: bytes, depth: int) -> None:
        self.key = key
        self.depth = depth
        """How many keys there are up to here."""
        self.names: tuple[str, ...] | None = None
        """All keys up to here, where a span had no more than these."""
        self.next: Step | None = None
        """What followed last time."""
        self.others: dict[bytes, Step] | None = None
        """All that ever followed, by their keys, where these are several."""


class Tree:
    """All keys that were seen."""

    __slots__ = ("root", "size")

    def __init__(self) -> None:
        self.root = Step(b"", 0)
        self.size = 0

    def follow(self, step: Step, key: bytes) -> Step | None:
        """Return the step by a key that did not follow last time; ``None``: it leads too far."""
        if step.others is None and step.next is not None:
            step.others = {step.next.key: step.next}
        found = None if step.others is None else step.others.get(key)
        if found is None:
            if step.depth >= DEEPEST:
                return None
            if self.size >= STEPS:
                self.root, self.size = Step(b"", 0), 0
            self.size += 1
            found = Step(key, step.depth + 1)
            if step.others is not None:
                step.others[key] = found
        step.next = found
        return found


TREE: Final = Tree()


class Walk:
    """What the last walk through a span has found."""

    __slots__ = ("has_events", "name_at", "parent_at", "step")

    def __init__(self) -> None:
        self.step = TREE.root
        """The last key."""
        self.name_at: i64 = -1
        """Where the field of the span's name begins; -1: it has none."""
        self.parent_at: i64 = -1
        """Where that of its parent's id begins."""
        self.has_events = False

    def go(self, span: bytes, spots: list[int] | None, start: "i64" = 0, end: "i64" = -1) -> bool:
        """
        Go through a span; return whether it is encoded as usual, else nothing is known.

        Args:
            span: where it stands, encoded.
            spots: where the values of its attributes stand there is added to this.
            start: where it begins there.
            end: where it ends there; where all ends if negative.

        """
        self.step = TREE.root
        self.name_at = self.parent_at = -1
        self.has_events = False
        at: i64 = start
        if end < 0:
            end = len(span)
        while 0 <= at < end:
            tag: i64 = span[at]
            if tag == _ATTRIBUTES:
                at = self._attribute(span, at, end, spots)
            elif tag < 0x80:
                if not self._is_new(tag, at):
                    return False
                at = _skip(span, at + 1, tag & 7)
            elif at + 1 < end and span[at + 1] in (1, 2):  # fields 16 to 47, in two bytes
                at = _skip(span, at + 2, tag & 7)
            else:
                return False
        return at == end

    def _is_new(self, tag: "i64", at: "i64") -> bool:
        """Note a field; whether it is not a second one, which would count instead."""
        if tag == _NAME:
            if self.name_at >= 0:
                return False
            self.name_at = at
        elif tag == _PARENT:
            if self.parent_at >= 0:
                return False
            self.parent_at = at
        elif tag == _EVENTS:
            self.has_events = True
        return True

    def _attribute(self, span: bytes, at: "i64", end: "i64", spots: list[int] | None) -> "i64":
        """Take the step by an attribute's key; return the attribute's end, -1: it is unusual."""
        start: i64 = at + 2
        size: i64 = span[at + 1]
        if size >= 0x80:
            start = value_at(span, at + 1)
            size = end_of(span, at + 1) - start
        at = start + size
        if size < 2 or at > end or span[start] != _KEY:
            return -1
        size = span[start + 1]
        value: i64 = start + 2 + size
        if size >= 0x80 or value > at:
            return -1
        key = span[start:value]
        step = self.step.next
        if step is None or step.key != key:
            step = TREE.follow(self.step, key)
            if step is None:
                return -1
        self.step = step
        if value != at:
            value = _inside(span, value, at)
            if value < 0:
                return value
        if spots is not None:
            spots.append(spot_of(value, at))
        return at


# Not in one expression, that is -1 or something: it would be an object.
def _inside(span: bytes, at: "i64", end: "i64") -> "i64":
    """Return where what a value holds begins; -1: that is not all up to the end."""
    if at + 2 > end or span[at] != _VALUE:
        return -1
    size: i64 = span[at + 1]
    if size < 0x80:
        if at + 2 + size == end:
            return at + 2
        return -1
    if end_of(span, at + 1) == end:
        return value_at(span, at + 1)
    return -1


def _skip(span: bytes, at: "i64", kind: "i64") -> "i64":
    """Return the end of a field's value; one behind the span's where it has none."""
    if kind == 2:
        return end_of(span, at)
    if kind == 0:
        return value_at(span, at)
    if kind == 1:
        return at + 8
    if kind == 5:
        return at + 4
    return len(span) + 1
