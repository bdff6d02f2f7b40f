"""
Views of a decoded request: resources, scopes, spans and their attributes.

A view knows what was written through it, so that a batch encodes anew only what has changed. It
holds no batch: a cycle of references would keep each batch alive until garbage is collected.
"""

from collections.abc import Container, Iterator, MutableMapping
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from gateway.otlp import values
from gateway.otlp.fields import Fields
from gateway.otlp.keys import Names, common, extended
from gateway.otlp.values import Value

M = TypeVar("M", resource_pb2.Resource, InstrumentationScope, trace_pb2.Span)

Told = dict[str, str | bytes | bool | None]
"""Keys to texts, as they are or in UTF-8, and flags; ``None`` is a text to be looked up."""

_UNPARSED: Any = object()


class Owner(Protocol):
    """What is told when attributes are written."""

    def touch(self) -> None:
        """Say that something is about to change."""


class Encoding:
    """What is true of a request's encoded form; a batch and its views share it."""

    __slots__ = ("grown", "pending", "stale")

    def __init__(self) -> None:
        self.stale = False
        """Whether a view was written through since it was made."""
        self.grown = False
        """Whether a span was appended to since then."""
        self.pending = False
        """Whether a message may lack what was appended to its span."""

    def touch(self) -> None:
        """Say that a view was written through."""
        self.stale = True


class Attributes(MutableMapping[str, Value]):
    """
    A mapping over attributes that decodes on access and writes through.

    Where a key stands twice, reading yields the last one, and writing or deleting concerns all.
    """

    __slots__ = ("_index", "_json", "_names", "_owner", "_unread", "fields", "stirred", "written")

    def __init__(self, owner: Owner, fields: Any, names: Names | None = None) -> None:
        self._owner = owner
        self.fields = fields  # upb's containers have no public type
        """The attributes as messages, for reading only; the cheapest way to look at a few."""
        self.written = False
        """Whether anything was written since the batch was last encoded."""
        self.stirred = False
        """Whether anything was written since something was last appended to a span."""
        self._names = names
        self._unread = False
        """Whether there is more in ``fields`` than in ``_names``."""
        self._index: dict[str, KeyValue] | None = None
        self._json: dict[str, Any] | None = None

    def _touch(self) -> None:
        self.written = self.stirred = True
        self._owner.touch()

    def grow(self, told: Told | None) -> None:
        """Say that attributes were added at the end; ``None``: they must be looked up."""
        if told is None or self._names is None:
            self._unread = True
        elif not self._unread:
            self._names += tuple(told)
        if told != {}:
            self._index = self._json = None
        self.stirred = False

    def forget(self) -> None:
        """Forget what was read: somebody writes to the message itself."""
        self._names = self._index = self._json = None

    def names(self) -> Names:
        """
        Return the keys, in the order of ``fields``.

        They are kept until keys are added or taken away. Spans of one kind have equal keys, and
        those are one and the same tuple: what is looked for need be found only once a kind.
        """
        if self._names is None or self._unread:
            self._names = common(tuple([field.key for field in self.fields]))
            self._unread = False
        return self._names

    def layout(self) -> tuple[list[KeyValue], Names]:
        """Return the messages, for reading only, and their keys; the cheapest way to see many."""
        return self.fields[:], self.names()

    def _by_key(self) -> dict[str, KeyValue]:
        if self._index is None:
            self._index = dict(zip(self.names(), self.fields, strict=True))
        return self._index

    def __getitem__(self, key: str) -> Value:
        return values.decode(self._by_key()[key].value)

    def __contains__(self, key: object) -> bool:
        return key in self._by_key()

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_key())

    def __len__(self) -> int:
        return len(self._by_key())

    def __setitem__(self, key: str, value: Value) -> None:
        self._touch()
        index = self._by_key()
        if len(index) != len(self.fields):
            self._drop_repeated(key)
            index = self._by_key()
        field = index.get(key)
        if field is None:
            field = self.fields.add()
            field.key = key
            index[key] = field
            self._names = None
        values.encode(value, field.value)
        if self._json is not None:
            self._json.pop(key, None)

    def _drop_repeated(self, key: str) -> None:
        spots = [at for at, field in enumerate(self.fields) if field.key == key]
        for at in reversed(spots[:-1]):
            del self.fields[at]
        self._index = self._names = None

    def __delitem__(self, key: str) -> None:
        if key not in self._by_key():
            raise KeyError(key)
        self.discard((key,))

    def discard(self, keys: Container[str]) -> None:
        """Take away all attributes of these keys; those that are not there do not matter."""
        present = self.names()
        doomed = [at for at, key in enumerate(present) if key in keys]
        if not doomed:
            return
        self._touch()
        for at in reversed(doomed):
            del self.fields[at]
            if self._json is not None:
                self._json.pop(present[at], None)
        self._index = self._names = None

    def text(self, key: str) -> str | None:
        """Return the value where it is a string, else ``None``; cheaper than ``get``."""
        field = self._by_key().get(key)
        if field is None:
            return None
        value = field.value
        text: str = value.string_value
        return text if text or value.HasField("string_value") else None

    def json(self, key: str) -> Any:
        """
        Return what the JSON text under ``key`` says, or ``None`` where there is none.

        The result is kept until the attribute is written, and shared: do not change it.
        """
        if self._json is None:
            self._json = {}
        parsed = self._json.get(key, _UNPARSED)
        if parsed is _UNPARSED:
            text = self.text(key)
            try:
                parsed = None if text is None else msgspec.json.decode(text)
            except (msgspec.DecodeError, RecursionError):
                parsed = None
            self._json[key] = parsed
        return parsed

    def __repr__(self) -> str:
        return repr(dict(self))


class View(Generic[M]):
    """A part of a request: its message, its attributes, and whether it was written."""

    __slots__ = ("_attributes", "_encoding", "_written", "core")

    core: M
    """The upb message, for reading only; a span's may lack attributes that were appended to it."""

    def __init__(self, encoding: Encoding, message: M) -> None:
        self._encoding = encoding
        self._attributes: Attributes | None = None
        self._written = False
        self.core = message

    @property
    def peek(self) -> M:
        """The upb message, for reading only: what is written here may be lost."""
        return self.core

    @property
    def proto(self) -> M:
        """The upb message, for reading and writing."""
        self._written = self._encoding.stale = True
        self._forget()
        if self._attributes is not None:
            self._attributes.forget()
        return self.peek

    def _forget(self) -> None:
        """Forget what was found out about the message: somebody writes to it."""

    @property
    def attributes(self) -> Attributes:
        """The attributes."""
        if self._attributes is None:
            self._attributes = Attributes(self._encoding, self.peek.attributes)
        return self._attributes

    @property
    def written(self) -> bool:
        """Whether anything but :meth:`Span.append` wrote here since the batch was last encoded."""
        return self._written or (self._attributes is not None and self._attributes.written)

    def reread(self) -> None:
        """Forget what was read of the message."""
        self._forget()
        self._attributes = None

    def renew(self) -> None:
        """Say that the message was written elsewhere, and forget what was read of it."""
        self.reread()
        self._written = self._encoding.stale = True

    def settle(self) -> None:
        """Take note that the batch was encoded."""
        self._written = False
        if self._attributes is not None:
            self._attributes.written = False


class Resource(View[resource_pb2.Resource]):
    """What emitted the spans; shared by all spans of one ResourceSpans, so writing concerns all."""

    __slots__ = ()


class Scope(View[InstrumentationScope]):
    """The instrumentation scope; shared by all spans of one ScopeSpans."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Name of the instrumentation, such as ``openinference.instrumentation.openai``."""
        return self.core.name

    @property
    def version(self) -> str:
        """Version of the instrumentation."""
        return self.core.version


class Span(View[trace_pb2.Span]):
    """A light view of one span; valid as long as its batch."""

    __slots__ = (
        "_fields", "_pending", "_told", "dropped", "known_names", "news", "resource", "scope",
        "siblings", "tail",
    )  # fmt: skip

    core: trace_pb2.Span

    def __init__(
        self,
        encoding: Encoding,
        message: trace_pb2.Span,
        resource: Resource,
        scope: Scope,
        siblings: trace_pb2.ScopeSpans,
    ) -> None:
        self._encoding = encoding
        self._attributes = None
        self._written = False
        self.core = message
        self.resource = resource
        self.scope = scope
        self.siblings = siblings
        """The message that holds it; for the batch alone, as what follows."""
        self.dropped = False
        self.tail: tuple[bytes, ...] = ()
        """What was appended since the batch was last encoded, to be joined once."""
        self.known_names: Names | None = None
        """The keys, where somebody looked and nobody asked for :attr:`attributes`."""
        self.news: tuple[Told, ...] = ()
        """What was told since somebody looked."""
        self._fields: Fields | None = None
        self._told: tuple[Told, ...] = ()
        self._pending: tuple[bytes, ...] = ()
        """What was appended and the message lacks so far; most of it nobody reads there."""

    @property
    def peek(self) -> trace_pb2.Span:
        """The upb message, for reading only: what is written here may be lost."""
        if self._pending:
            for encoded in self._pending:
                self.core.MergeFromString(encoded)
            self._pending = ()
        return self.core

    def append(self, encoded: bytes, told: Told | None = None) -> None:
        """
        Add fields in protobuf's encoding, such as ready-made attributes; the cheapest way to add.

        The caller makes sure that no key stands twice.

        Args:
            encoded: the fields.
            told: the attributes that they are, in order, where they are texts and flags; empty:
                they are no attributes; ``None``: they are decoded when somebody asks.

        """
        encoding = self._encoding
        encoding.grown = True
        piece = (encoded,)
        self.tail = self.tail + piece if self.tail else piece
        if told is not None and not told:
            self.core.MergeFromString(encoded)
            return
        self._pending = self._pending + piece if self._pending else piece
        if self._attributes is not None:
            self._told = (self.told,)
            _ = self.peek
            self._attributes.grow(told)
        elif told is None:
            _ = self.peek
            self.known_names = None
        if told is None:
            return
        news = (told,)
        self._told = self._told + news if self._told else news
        if self._attributes is None:
            encoding.pending = True
            self.news = self.news + news if self.news else news

    @property
    def told(self) -> Told:
        """What was appended, as far as it was told and is still true: it need not be decoded."""
        if not self._told or (self._attributes is not None and self._attributes.stirred):
            return {}
        if len(self._told) == 1:
            return self._told[0]
        joined = {key: told[key] for told in self._told for key in told}
        self._told = (joined,)
        return joined

    def learn(self, names: Names, fields: Fields) -> None:
        """Remember the keys of the attributes, and what reads these."""
        self.known_names, self.news = names, ()
        self._fields = fields

    @property
    def fields(self) -> Fields | None:
        """What reads the attributes that somebody found, by their places, while it is true."""
        known = self._attributes is None and self.known_names is not None
        return self._fields if known else None

    @property
    def attributes(self) -> Attributes:
        """The attributes."""
        if self._attributes is None:
            names = None if self.known_names is None else self.names()
            self._attributes = Attributes(self._encoding, self.peek.attributes, names)
        return self._attributes

    def names(self) -> Names:
        """
        Return the keys of the attributes, in their order.

        Spans of one kind have equal keys, and those are one and the same tuple: what is looked for
        need be found only once a kind.
        """
        if self._attributes is not None:
            return self._attributes.names()
        if self.known_names is None:
            self.known_names = common(tuple([field.key for field in self.peek.attributes]))
        elif self.news:
            for told in self.news:
                self.known_names = extended(self.known_names, tuple(told))
        self.news = ()
        return self.known_names

    def holds(self, key: str) -> bool:
        """Whether there is an attribute of this key; cheaper than asking the attributes."""
        if self._attributes is not None or self.known_names is None:
            return key in self.names()
        return key in self.known_names or any(key in told for told in self.news)

    def _forget(self) -> None:
        self.known_names = self._fields = None
        self._told = ()

    @property
    def name(self) -> str:
        """The span's name; assign to rename."""
        return self.core.name

    @name.setter
    def name(self, value: str) -> None:
        self.proto.name = value

    @property
    def trace_id(self) -> bytes:
        """16 bytes."""
        return self.core.trace_id

    @property
    def span_id(self) -> bytes:
        """8 bytes."""
        return self.core.span_id

    @property
    def parent_span_id(self) -> bytes:
        """8 bytes, or empty for a root."""
        return self.core.parent_span_id

    @property
    def is_root(self) -> bool:
        """Whether the span has no parent; an all-zero parent id means none."""
        parent = self.core.parent_span_id
        return not parent or (parent[0] == 0 and not parent.strip(b"\0"))

    @property
    def is_error(self) -> bool:
        """Whether the status is ERROR."""
        return self.core.status.code == trace_pb2.Status.STATUS_CODE_ERROR

    def __repr__(self) -> str:
        return f"<Span {self.name!r} {self.trace_id.hex()}:{self.span_id.hex()}>"
