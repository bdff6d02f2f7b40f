"""
A batch of spans on its way through the gateway.

The representation (protobuf's upb messages, decoded lazily from the bytes as received) is known
to this module alone, so that a faster one can replace it.
"""

import json
from collections.abc import Container, Iterator, MutableMapping, Sequence
from typing import Any, NamedTuple

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from gateway.otlp import values, wire
from gateway.otlp.values import Value

_UNPARSED: Any = object()


class BatchContext(msgspec.Struct, frozen=True, kw_only=True):
    """Where a batch comes from, and where it goes."""

    tenant: str = ""
    """Name of the authenticated tenant; empty where the receiver is open."""

    headers: tuple[tuple[str, str], ...] = ()
    """Routing headers of the sender, lower-case names, sorted: ``x-mlflow-experiment-id``,
    ``x-mlflow-run-id``, ``x-mlflow-workspace``. Never credentials."""

    received_unix_ns: int = 0
    """When the request was received."""

    receiver: str = ""
    """Id of the receiver, as in the configuration."""

    transport: str = ""
    """``grpc`` or ``http``."""

    peer: str = ""
    """Address of the sender."""

    destination: str = ""
    """Set for exporters: the key that their ``route`` returned for these spans."""

    def header(self, name: str) -> str | None:
        """Return a routing header by its lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class Attributes(MutableMapping[str, Value]):
    """
    A mapping over attributes that decodes on access and writes through.

    Where a key stands twice, reading yields the last one, and writing or deleting concerns all.
    """

    __slots__ = ("_batch", "_fields", "_grown", "_index", "_json", "_layout")

    def __init__(self, batch: "Batch", fields: Any) -> None:
        self._batch = batch
        self._fields = fields  # a repeated KeyValue; upb's containers have no public type
        self._layout: tuple[list[KeyValue], tuple[str, ...]] | None = None
        self._index: dict[str, KeyValue] | None = None
        self._json: dict[str, Any] | None = None
        self._grown = False

    def layout(self) -> tuple[list[KeyValue], tuple[str, ...]]:
        """
        Return the attributes as messages, for reading only, and their keys, in the same order.

        The cheapest way to look at many: it is kept until keys are added or taken away, and spans
        of one kind have equal keys, so that what is looked for need be found only once a kind.
        """
        if self._layout is None:
            fields: list[KeyValue] = self._fields[:]
            self._layout = fields, tuple([field.key for field in fields])
            if self._grown:
                self._index = None
                self._grown = False
        elif self._grown:
            self._learn(*self._layout)
        return self._layout

    def _learn(self, fields: list[KeyValue], keys: tuple[str, ...]) -> None:
        """Take in what was added behind the attributes known so far."""
        added: list[KeyValue] = self._fields[len(fields) :]
        added_keys = [field.key for field in added]
        self._layout = [*fields, *added], (*keys, *added_keys)
        if self._index is not None:
            self._index.update(zip(added_keys, added, strict=True))
        self._grown = False

    def _by_key(self) -> dict[str, KeyValue]:
        if self._index is None or self._grown:
            fields, keys = self.layout()
            if self._index is None:
                self._index = dict(zip(keys, fields, strict=True))
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
        self._batch.touch()
        index = self._by_key()
        if len(index) != len(self._fields):
            self._drop_repeated(key)
            index = self._by_key()
        field = index.get(key)
        if field is None:
            field = self._fields.add()
            field.key = key
            index[key] = field
            self._layout = None
        values.encode(value, field.value)
        if self._json is not None:
            self._json.pop(key, None)

    def _drop_repeated(self, key: str) -> None:
        spots = [at for at, field in enumerate(self._fields) if field.key == key]
        for at in reversed(spots[:-1]):
            del self._fields[at]
        self._index = self._layout = None

    def __delitem__(self, key: str) -> None:
        if key not in self._by_key():
            raise KeyError(key)
        self.discard((key,))

    def discard(self, keys: Container[str]) -> None:
        """Take away all attributes of these keys; those that are not there do not matter."""
        _, present = self.layout()
        doomed = [at for at, key in enumerate(present) if key in keys]
        if not doomed:
            return
        self._batch.touch()
        for at in reversed(doomed):
            del self._fields[at]
            if self._json is not None:
                self._json.pop(present[at], None)
        self._index = self._layout = None

    def text(self, key: str) -> str | None:
        """Return the value where it is a string, else ``None``; cheaper than ``get``."""
        field = self._by_key().get(key)
        if field is None or not field.value.HasField("string_value"):
            return None
        return field.value.string_value

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


class Resource:
    """What emitted the spans; shared by all spans of one ResourceSpans, so writing concerns all."""

    __slots__ = ("_batch", "attributes", "peek")

    def __init__(self, batch: "Batch", message: resource_pb2.Resource) -> None:
        self._batch = batch
        self.peek = message
        self.attributes = Attributes(batch, message.attributes)

    @property
    def proto(self) -> resource_pb2.Resource:
        """The upb message, for reading and writing."""
        self._batch.touch()
        return self.peek


class Scope:
    """The instrumentation scope; shared by all spans of one ScopeSpans."""

    __slots__ = ("_batch", "attributes", "peek")

    def __init__(self, batch: "Batch", message: InstrumentationScope) -> None:
        self._batch = batch
        self.peek = message
        self.attributes = Attributes(batch, message.attributes)

    @property
    def name(self) -> str:
        """Name of the instrumentation, such as ``openinference.instrumentation.openai``."""
        return self.peek.name

    @property
    def version(self) -> str:
        """Version of the instrumentation."""
        return self.peek.version

    @property
    def proto(self) -> InstrumentationScope:
        """The upb message, for reading and writing."""
        self._batch.touch()
        return self.peek


class Span:
    """A light view of one span; valid as long as its batch."""

    __slots__ = ("_attributes", "_batch", "_dropped", "_siblings", "peek", "resource", "scope")

    def __init__(
        self,
        batch: "Batch",
        message: trace_pb2.Span,
        resource: Resource,
        scope: Scope,
        siblings: trace_pb2.ScopeSpans,
    ) -> None:
        self._batch = batch
        self._siblings = siblings
        self._attributes: Attributes | None = None
        self._dropped = False
        self.peek = message
        """The upb message, for reading only: what is written here may be lost."""
        self.resource = resource
        self.scope = scope

    @property
    def proto(self) -> trace_pb2.Span:
        """The upb message, for reading and writing."""
        self._batch.touch()
        return self.peek

    def append(self, encoded: bytes) -> None:
        """
        Add fields in protobuf's encoding, such as ready-made attributes; the cheapest way to add.

        The caller makes sure that no key stands twice.
        """
        self._batch.touch()
        self.peek.MergeFromString(encoded)
        if self._attributes is not None:
            self._attributes._grown = True

    @property
    def attributes(self) -> Attributes:
        """The span's attributes."""
        if self._attributes is None:
            self._attributes = Attributes(self._batch, self.peek.attributes)
        return self._attributes

    @property
    def name(self) -> str:
        """The span's name; assign to rename."""
        return self.peek.name

    @name.setter
    def name(self, value: str) -> None:
        self.proto.name = value

    @property
    def trace_id(self) -> bytes:
        """16 bytes."""
        return self.peek.trace_id

    @property
    def span_id(self) -> bytes:
        """8 bytes."""
        return self.peek.span_id

    @property
    def parent_span_id(self) -> bytes:
        """8 bytes, or empty for a root."""
        return self.peek.parent_span_id

    @property
    def is_root(self) -> bool:
        """Whether the span has no parent; an all-zero parent id means none."""
        return not self.peek.parent_span_id.strip(b"\0")

    @property
    def is_error(self) -> bool:
        """Whether the status is ERROR."""
        return self.peek.status.code == trace_pb2.Status.STATUS_CODE_ERROR

    def __repr__(self) -> str:
        return f"<Span {self.name!r} {self.trace_id.hex()}:{self.span_id.hex()}>"


class LlmCall(NamedTuple):
    """A call of a model, as the processor that prices it notes it in :attr:`Batch.calls`."""

    span: Span
    model: str
    input_tokens: int
    """With those that came from a cache."""
    output_tokens: int
    cost_usd: float | None = None
    """US dollars, where somebody knows."""
    is_cut_off: bool = False
    """Whether the answer reached the limit of tokens."""


class Batch:
    """
    The spans of one request, in the order received, and their context.

    A processor owns the batch for the time of its call and may change it in place. Iterating
    yields :class:`Span` views; those dropped are skipped.

    Args:
        data: an encoded ``ExportTraceServiceRequest`` (or its message, for JSON input).
        context: where it comes from.
        request: ``data`` decoded, where the receiver has it already.
        entries: ``data`` indexed, where that was done already.

    """

    def __init__(
        self,
        data: bytes | None,
        context: BatchContext | None = None,
        request: ExportTraceServiceRequest | None = None,
        entries: Sequence[wire.Entry] | None = None,
    ) -> None:
        if data is None and request is None:
            raise ValueError("a batch needs its encoded or its decoded request")
        self.context = context if context is not None else BatchContext()
        self._data = data
        self._message = request
        self._entries = entries
        self._spans: list[Span] | None = None
        self._any_dropped = False
        self.calls: list[LlmCall] = []
        """Calls of models that a processor found, each once; the gateway's figures are theirs."""

    @property
    def peek(self) -> ExportTraceServiceRequest:
        """The decoded request, for reading only: what is written here may be lost."""
        if self._message is None:
            self._message = ExportTraceServiceRequest.FromString(self._data or b"")
        return self._message

    @property
    def request(self) -> ExportTraceServiceRequest:
        """
        The decoded request, for reading and writing.

        Adding or removing spans here makes views taken earlier stale.
        """
        message = self.peek
        self._compact()
        self.touch()
        self._spans = None
        return message

    def touch(self) -> None:
        """Say that the decoded request is about to change, so the received bytes are void."""
        if self._data is not None:
            _ = self.peek
            self._data = self._entries = None

    @property
    def untouched(self) -> bool:
        """Whether :meth:`encode` will return ready bytes."""
        return self._data is not None and not self._any_dropped

    def encode(self) -> bytes:
        """Return the encoded request: as received while nothing was changed."""
        self._compact()
        if self._data is None:
            self._data = self.peek.SerializeToString()
        return self._data

    def entries(self) -> Sequence[wire.Entry]:
        """Return the encoded spans, each with what it belongs to, in order."""
        data = self.encode()
        if self._entries is None:
            self._entries = wire.index(data)
        return self._entries

    @property
    def spans(self) -> Sequence[Span]:
        """The span views, those dropped left out."""
        if self._spans is None:
            self._spans = list(self._views())
        if self._any_dropped:
            return [span for span in self._spans if not span._dropped]
        return self._spans

    def _views(self) -> Iterator[Span]:
        for resource_spans in self.peek.resource_spans:
            resource = Resource(self, resource_spans.resource)
            for scope_spans in resource_spans.scope_spans:
                scope = Scope(self, scope_spans.scope)
                for message in scope_spans.spans:
                    yield Span(self, message, resource, scope, scope_spans)

    def __iter__(self) -> Iterator[Span]:
        return iter(self.spans)

    def __len__(self) -> int:
        if self._spans is not None:
            return len(self.spans)
        return sum(
            len(scope_spans.spans)
            for resource_spans in self.peek.resource_spans
            for scope_spans in resource_spans.scope_spans
        )

    @property
    def resources(self) -> list[Resource]:
        """The resources of the spans left, each once, in order."""
        return list({id(span.resource): span.resource for span in self.spans}.values())

    def drop(self, span: Span) -> None:
        """Take a span out; the engine counts what its processor dropped."""
        span._dropped = True
        self._any_dropped = True

    def _compact(self) -> None:
        """Take the dropped spans out of the message, and what they leave empty."""
        if not self._any_dropped or self._spans is None:
            return
        self.touch()
        at: dict[int, int] = {}
        doomed: list[tuple[trace_pb2.ScopeSpans, int]] = []
        for span in self._spans:
            position = at.get(id(span._siblings), 0)
            at[id(span._siblings)] = position + 1
            if span._dropped:
                doomed.append((span._siblings, position))
        for siblings, position in reversed(doomed):
            del siblings.spans[position]
        self._spans = [span for span in self._spans if not span._dropped]
        self._any_dropped = False
        message = self.peek
        for resource_spans in message.resource_spans:
            for position in reversed(range(len(resource_spans.scope_spans))):
                if not resource_spans.scope_spans[position].spans:
                    del resource_spans.scope_spans[position]
        for position in reversed(range(len(message.resource_spans))):
            if not message.resource_spans[position].scope_spans:
                del message.resource_spans[position]

    def to_json(self) -> str:
        """Return the batch as OTLP JSON (hex ids), for people and tests."""
        from gateway.otlp.json import encode_request  # noqa: PLC0415 - rarely needed

        return json.dumps(encode_request(self.peek), ensure_ascii=False)
