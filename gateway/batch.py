"""
A batch of spans on its way through the gateway.

The representation (protobuf's upb messages, decoded lazily from the bytes as received) is known
to this module alone, so that a faster one can replace it.
"""

import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

from gateway.courtesy import SPANS
from gateway.otlp import wire
from gateway.otlp.fields import Fields
from gateway.otlp.keys import Names
from gateway.rewriting import adopted, fold_tails, rewritten
from gateway.spans import fields_of, resources_of, tails_of, views_of
from gateway.views import Attributes, Encoding, Resource, Scope, Span

__all__ = [
    "Attributes",
    "Batch",
    "BatchContext",
    "Dropped",
    "LlmCall",
    "Resource",
    "Scope",
    "Snapshot",
    "Span",
]


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


class Dropped(NamedTuple):
    """Spans that a processor took out of a batch, all for one reason."""

    by: str
    """Id of the processor."""
    reason: str
    """As the processor says it; may be empty."""
    trace_ids: frozenset[bytes] = frozenset()
    """Their traces; empty where they went in another way than by :meth:`Batch.drop`."""


class Batch:
    """
    The spans of one request, in the order received, and their context.

    A processor owns the batch for the time of its call and may change it in place. Iterating
    yields :class:`Span` views; those dropped are skipped.

    Args:
        data: an encoded ``ExportTraceServiceRequest`` (or its message, for JSON input).
        context: where it comes from.
        request: ``data`` decoded, where the receiver has it already.
        entries: ``data`` indexed, where that was done already, or instead of it.

    """

    def __init__(
        self,
        data: bytes | None,
        context: BatchContext | None = None,
        request: ExportTraceServiceRequest | None = None,
        entries: Sequence[wire.Entry] | None = None,
    ) -> None:
        if data is None and request is None and entries is None:
            raise ValueError("a batch needs its encoded or its decoded request")
        self.context = context if context is not None else BatchContext()
        self._data = data
        self._entries = entries
        self._message = request
        self._encoding = Encoding()
        self._spans: list[Span] | None = None
        self._any_dropped = False
        self._drops: list[tuple[Sequence[Span], str]] = []
        self.calls: list[LlmCall] = []
        """Calls of models that a processor found, each once; the gateway's figures are theirs."""
        self.dropped: list[Dropped] = []
        """What processors took out of it; noted by the engine."""
        self.parts: Sequence[Batch] = ()
        """The requests that it was joined from, each to be done by itself where this fails."""
        self.pause: Callable[[], None] = _go_on
        """Called now and then by who does much work on it; the engine says what happens then."""
        self._loose = data is None and entries is None
        """Whether anything in the message may differ from the encoded form."""

    @property
    def peek(self) -> ExportTraceServiceRequest:
        """The decoded request, for reading only: what is written here may be lost."""
        if self._message is None:
            self._message = ExportTraceServiceRequest.FromString(self.encode())
        if self._encoding.pending:
            for span in self._spans or ():
                _ = span.peek
            self._encoding.pending = False
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
        _ = self.peek
        self._loose = True

    @property
    def untouched(self) -> bool:
        """Whether :meth:`encode` will return ready bytes."""
        return self._data is not None and not self._is_changed

    @property
    def _is_changed(self) -> bool:
        encoding = self._encoding
        return encoding.stale or encoding.grown or self._loose or self._any_dropped

    def encode(self) -> bytes:
        """Return the encoded request: as received while nothing was changed."""
        if self._is_changed:
            self._settle()
        if self._data is None:
            self._data = wire.assemble(self._entries or ())
        return self._data

    def entries(self) -> Sequence[wire.Entry]:
        """Return the encoded spans, each with what it belongs to, in order."""
        if self._is_changed:
            self._settle()
        if self._entries is None:
            self._entries = wire.index(self._data or b"")
        return self._entries

    def snapshot(self) -> "Snapshot":
        """Return what gives the batch back as it is now; nothing is copied for it."""
        encoding = self._encoding
        base, spans = self._entries, self._spans
        rewritten = encoding.stale or self._loose or self._any_dropped
        unusual = rewritten or base is None or spans is None or len(base) != len(spans)
        if unusual and self._is_changed:
            self._settle(fold=False)
        if not encoding.grown:
            return Snapshot(self.context, self._data, self._entries)
        return Snapshot(self.context, None, self._entries, tails_of(self._spans or ()))

    def _settle(self, *, fold: bool = True) -> None:
        """
        Bring the encoded form up to date; spans that nobody wrote keep their bytes.

        Without ``fold`` what was appended stays beside them, where it can.
        """
        entries = None
        if self._spans is not None and not self._loose:
            base = self._entries or _indexed(self._data or b"")
            if len(base) == len(self._spans):  # else it is encoded in an unusual way
                entries = self._merge(base, self._spans, fold=fold)
        self._compact()
        self._data = self.peek.SerializeToString() if entries is None else None
        self._entries = entries
        if entries is None:
            spans = self._spans or ()
            for view in {*spans, *(s.resource for s in spans), *(s.scope for s in spans)}:
                view.settle()
            for span in spans:
                span.tail = ()
        self._encoding.grown = self._encoding.grown and entries is not None and not fold
        self._encoding.stale = self._loose = False

    def _merge(
        self, base: Sequence[wire.Entry], spans: Sequence[Span], *, fold: bool
    ) -> list[wire.Entry]:
        """Return the spans left as they are now, from their encoding before."""
        if self._any_dropped:
            pairs = zip(base, spans, strict=True)
            base = [entry for entry, span in pairs if not span.dropped]
            spans = [span for span in spans if not span.dropped]
        entries = rewritten(base, spans) if self._encoding.stale else list(base)
        if fold and self._encoding.grown:
            fold_tails(entries, spans)
        return entries

    def adopt(self, encodings: Mapping[int, bytes]) -> None:
        """
        Take what spans are encoded as now, by their number in :attr:`spans`.

        Their messages must have been given the same content: neither is made from the other.
        """
        spans, entries = self.spans, self._entries or _indexed(self._data or b"")
        if self._is_changed or len(entries) != len(spans):
            for at in encodings:
                spans[at].renew()
            return
        self._entries, self._data = adopted(entries, spans, encodings), None

    @property
    def spans(self) -> Sequence[Span]:
        """The span views, those dropped left out."""
        if self._spans is None:
            views = views_of(self._encoding, self.peek)
            self._spans = views if self.pause is _go_on else _Paced(views, self.pause)
        if self._any_dropped:
            return [span for span in self._spans if not span.dropped]
        return self._spans

    def __iter__(self) -> Iterator[Span]:
        return iter(self.spans)

    def __len__(self) -> int:
        if self._spans is not None:
            return len(self.spans)
        if self._entries is not None and not self._is_changed:
            return len(self._entries)
        return sum(
            len(scope_spans.spans)
            for resource_spans in self.peek.resource_spans
            for scope_spans in resource_spans.scope_spans
        )

    def names(self) -> list[Names]:
        """
        Return the keys of each span's attributes, as :meth:`Span.names` does.

        To find them at once takes half of what it takes one by one.
        """
        return [names for names, _ in self.fields()]

    def fields(self, unread: Container[int] = ()) -> list[tuple[Names, Fields]]:
        """
        Return the keys of each span's attributes, and these to be read, not written.

        Args:
            unread: ids of keys whose values are not going to be read: these cost less.

        """
        entries, spans = self.entries(), self.spans
        if len(entries) != len(spans):  # it is encoded in an unusual way
            return [(span.names(), Fields(span.peek)) for span in spans]
        return fields_of(spans, entries, unread)

    @property
    def resources(self) -> list[Resource]:
        """The resources of the spans left, each once, in order."""
        return resources_of(self.spans)

    def drop(self, span: Span, reason: str = "") -> None:
        """
        Take a span out; the engine counts what its processor dropped.

        Args:
            span: one of this batch.
            reason: the rule that wants it so, for ``spangate why``; a text for many spans, which
                quotes none of them.

        """
        self.drop_all((span,), reason)

    def drop_all(self, spans: Sequence[Span], reason: str = "") -> None:
        """Take several spans out for one reason; see :meth:`drop`."""
        if not spans:
            return
        for span in spans:
            span.dropped = True
        self._any_dropped = True
        self._drops.append((spans, reason))

    def note_drops(self, by: str) -> bool:
        """Note what was dropped since the last call; return whether anything was."""
        traces: dict[str, set[bytes]] = {}
        for spans, reason in self._drops:
            traces.setdefault(reason, set()).update([span.core.trace_id for span in spans])
        self._drops.clear()
        self.dropped += [Dropped(by, why, frozenset(ids)) for why, ids in traces.items()]
        return bool(traces)

    def _compact(self) -> None:
        """Take the dropped spans out of the message, and what they leave empty."""
        if not self._any_dropped or self._spans is None:
            return
        at: dict[int, int] = {}
        doomed: list[tuple[trace_pb2.ScopeSpans, int]] = []
        for span in self._spans:
            position = at.get(id(span.siblings), 0)
            at[id(span.siblings)] = position + 1
            if span.dropped:
                doomed.append((span.siblings, position))
        for siblings, position in reversed(doomed):
            del siblings.spans[position]
        self._spans = [span for span in self._spans if not span.dropped]
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


def _go_on() -> None:
    """Do nothing: nobody waits."""


class _Paced(list[Span]):
    """Spans of a batch that others need not wait for: it pauses between some of them."""

    def __init__(self, spans: Iterable[Span], pause: Callable[[], None]) -> None:
        super().__init__(spans)
        self._pause = pause

    def __iter__(self) -> Iterator[Span]:
        for at in range(0, len(self), SPANS):
            yield from self[at : at + SPANS]
            self._pause()


class Snapshot(NamedTuple):
    """A batch as it was once."""

    context: BatchContext
    data: bytes | None
    entries: Sequence[wire.Entry] | None
    tails: Sequence[Sequence[bytes]] | None = None
    """What was appended to each of ``entries``."""

    def batch(self) -> Batch:
        """Return the batch."""
        if self.tails is None or self.entries is None:
            return Batch(self.data, self.context, entries=self.entries)
        grown = [
            entry.grown(tuple(tail)) if tail else entry
            for entry, tail in zip(self.entries, self.tails, strict=True)
        ]
        return Batch(None, self.context, entries=grown)


def _indexed(data: bytes) -> Sequence[wire.Entry]:
    """Return the spans of a request; none where it is encoded in a way that nobody does."""
    try:
        return wire.index(data)
    except wire.MalformedError:
        return ()
