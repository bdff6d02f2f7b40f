"""What the wire functions promise: every span found, none changed, any garbage refused."""

import gc
import random
import sys
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.otlp import wire

ids = st.tuples(st.binary(max_size=20), st.binary(max_size=12))
scopes = st.tuples(st.text(max_size=5), st.lists(ids, max_size=4))
resources = st.tuples(st.text(max_size=5), st.lists(scopes, max_size=3))


Shape: TypeAlias = list[tuple[str, list[tuple[str, list[tuple[bytes, bytes]]]]]]


def request_of(shape: Shape) -> bytes:
    request = ExportTraceServiceRequest()
    for schema, scopes_of in shape:
        resource_spans = request.resource_spans.add(schema_url=schema)
        resource_spans.resource.attributes.add(key="schema").value.string_value = schema
        for name, spans in scopes_of:
            scope_spans = resource_spans.scope_spans.add(schema_url=name)
            scope_spans.scope.name = name
            for trace_id, span_id in spans:
                scope_spans.spans.add(trace_id=trace_id, span_id=span_id, name=name * 100)
    return request.SerializeToString()


def spans_of(data: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Return what each span is and where it belongs, as protobuf reads it."""
    found = []
    for resource_spans in ExportTraceServiceRequest.FromString(data).resource_spans:
        for scope_spans in resource_spans.scope_spans:
            head = (
                resource_spans.resource.SerializeToString() + resource_spans.schema_url.encode(),
                scope_spans.scope.SerializeToString() + scope_spans.schema_url.encode(),
            )
            found += [(*head, span.SerializeToString()) for span in scope_spans.spans]
    return found


@given(st.lists(resources, max_size=4))
def test_finds_each_span_with_its_ids(shape: Shape) -> None:
    """Ids are those protobuf reads, whatever their lengths, in the same order."""
    data = request_of(shape)
    expected = [(t, s) for _, scopes_of in shape for _, spans in scopes_of for t, s in spans]
    assert expected == [(entry.trace_id, entry.span_id) for entry in wire.index(data)]


@given(st.lists(resources, max_size=4), st.randoms())
def test_assembles_the_same_spans(shape: Shape, shuffle: random.Random) -> None:
    """Taken apart, shuffled and put together, each span is the same under the same head."""
    data = request_of(shape)
    entries = wire.index(data)
    shuffle.shuffle(entries)
    assert sorted(spans_of(data)) == sorted(spans_of(wire.assemble(entries)))


@given(st.binary(max_size=300))
def test_garbage_is_refused_or_read(data: bytes) -> None:
    """Random bytes raise nothing but MalformedError."""
    try:
        wire.index(data)
    except wire.MalformedError:
        return


@given(st.lists(resources, min_size=1, max_size=3), st.data())
def test_damage_is_refused_or_read(shape: Shape, data: st.DataObject) -> None:
    """A request with a flipped byte or a missing end raises nothing but MalformedError."""
    body = bytearray(request_of(shape))
    if body:
        body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.integers(0, len(body)))
    try:
        wire.index(bytes(body[:cut]))
    except wire.MalformedError:
        return


@pytest.mark.parametrize("data", [b"\x0a", b"\x0a\x05\x12", b"\x0a\x04\x12\x0a\x12\x00", b"\x0b"])
def test_broken_framing_is_refused(data: bytes) -> None:
    """A message that ends inside a field, or a child larger than its parent."""
    with pytest.raises(wire.MalformedError):
        wire.index(data)


@pytest.mark.parametrize(
    "length", [(1 << bits) + more for bits in (31, 32, 63) for more in (-1, 0)]
)
@pytest.mark.parametrize("head", [b"", b"\x0a\x14", b"\x0a\x16\x12\x14"])
@pytest.mark.parametrize("tag", [b"\x0a", b"\x12", b"\x1a"])
def test_a_length_beyond_all_bounds_is_refused(head: bytes, tag: bytes, length: int) -> None:
    """Of a resource, scope, span or anything else; with larger numbers nobody counts on."""
    field = tag + varint(length)
    with pytest.raises(wire.MalformedError):
        wire.index(head + field + bytes(20 - len(field)))


def varint(number: int) -> bytes:
    """Return a number in protobuf's encoding."""
    parts: list[int] = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def entry(trace: int, span: int, resource: bytes = b"r", scope: bytes = b"s") -> wire.Entry:
    return wire.Entry(bytes([trace]) * 16, bytes([span]) * 8, resource, scope, bytes([trace, span]))


def test_arranges_by_trace() -> None:
    """Traces are sorted by id; inside a trace the order stays, by resource and scope."""
    entries = [entry(2, 1), entry(1, 1), entry(2, 2, b"a"), entry(1, 2), entry(2, 3)]
    arranged = wire.arrange(entries, unique=False)
    assert [(1, 1), (1, 2), (2, 2), (2, 1), (2, 3)] == [tuple(e.span) for e in arranged]


def test_keeps_the_last_of_equal_ids() -> None:
    """With ``unique`` the last span with the same ids is kept."""
    old, new = entry(1, 1), entry(1, 1)._replace(span=b"new")
    assert [b"new"] == [e.span for e in wire.arrange([old, new], unique=True)]
    assert 2 == len(wire.arrange([old, new], unique=False))


def test_a_trace_goes_where_its_first_span_goes() -> None:
    """Whatever the resources of its later spans: one lane, one destination."""
    entries = [entry(1, 1, b"a"), entry(2, 2, b"b"), entry(1, 3, b"b"), entry(2, 4, b"a")]

    groups = wire.by_lane(entries, 1, lambda resource: resource.decode() * 2)

    assert {(0, "aa"): [entries[0], entries[2]], (0, "bb"): [entries[1], entries[3]]} == groups


def test_lanes_share_the_traces() -> None:
    """Each trace is in one lane, in order; many traces use all lanes."""
    entries = [entry(trace, span) for span in range(3) for trace in range(100)]

    groups = wire.by_lane(entries, 4, None)

    assert {(lane, "") for lane in range(4)} == set(groups)
    assert 100 == sum(len(wire.trace_ids(group)) for group in groups.values())
    assert all([e for e in entries if e in group] == group for group in groups.values())


def test_a_destination_is_asked_for_once_in_a_row() -> None:
    """Neighbours of one resource share one question."""
    asked: list[bytes] = []
    shared = b"resource"

    def destination_of(resource: bytes) -> str:
        asked.append(resource)
        return ""

    wire.by_lane([entry(trace, 1, shared) for trace in range(5)], 2, destination_of)

    assert [shared] == asked


def test_knows_the_size_of_spans() -> None:
    """It is that of the encoded spans, without what they belong to."""
    entries = wire.index(request_of([("a", [("b", [(b"1" * 16, b"2" * 8), (b"", b"")])])]))
    assert sum(len(one.span) for one in entries) == wire.size_of(entries)


def test_nothing_holds_a_span_that_was_sent_on() -> None:
    """What was put together is let go at once, not when the garbage collector comes."""
    entries = wire.index(request_of([("a", [("b", [(b"1" * 16, b"2" * 8)] * 3)])]))
    before = [sys.getrefcount(one.span) for one in entries]
    gc.disable()
    try:
        for lane in wire.by_lane(entries, 2, None).values():
            wire.assemble(wire.arrange(lane, unique=True))
            wire.assemble(lane)
        after = [sys.getrefcount(one.span) for one in entries]
    finally:
        gc.enable()
    assert before == after


@given(st.lists(resources, max_size=4), st.data())
def test_what_was_added_to_a_span_stands_behind_it(shape: Shape, data: st.DataObject) -> None:
    """Whichever of its neighbours were added to, each span is the same, with what it got."""
    added = b"\x1a\x03a=b"  # a trace state
    entries = wire.index(request_of(shape))
    grown = [
        (one.grown((added[:2],)).grown((added[2:],)), one.span + added)
        if data.draw(st.booleans())
        else (one, one.span)
        for one in entries
    ]

    assembled = wire.index(wire.assemble([one for one, _ in grown]))

    assert [span for _, span in grown] == [one.span for one in assembled]
    assert [span for _, span in grown] == [one.whole().span for one, _ in grown]
    assert [len(span) for _, span in grown] == [one.size for one, _ in grown]
    assert [(e.trace_id, e.span_id, e.resource, e.scope) for e in entries] == [
        (e.trace_id, e.span_id, e.resource, e.scope) for e in assembled
    ]


def test_a_span_goes_below_other_heads_as_it_is() -> None:
    """Only what it belongs to changes, of one among others too."""
    shape: Shape = [("a", [("b", [(b"1" * 16, b"2" * 8), (b"3" * 16, b"4" * 8), (b"", b"")])])]
    entries = wire.index(request_of(shape))

    moved = [entries[0], entries[1].under(b"\x1a\x01r", b"\x1a\x01s"), entries[2]]

    again = wire.index(wire.assemble(moved))
    assert [one.span for one in entries] == [one.span for one in again]
    assert (b"\x1a\x01r", b"\x1a\x01s") == (again[1].resource, again[1].scope)
    assert moved == again


@pytest.mark.parametrize("size", [0, 100, 1000, 5000, 70_000])
def test_neighbours_are_put_together_as_they_were(size: int) -> None:
    """A request in the usual order, taken apart and put together, is the same bytes again."""
    request = ExportTraceServiceRequest()
    for resource in range(2):
        scope = request.resource_spans.add(schema_url=str(resource)).scope_spans.add()
        scope.scope.name = "scope"
        for trace in range(3):
            scope.spans.add(trace_id=bytes([trace]) * 16, span_id=b"2" * 8, name="x" * size)
    # Heads first: that is how they are written here.
    data = wire.assemble(wire.index(request.SerializeToString()))

    assert data == wire.assemble(wire.index(data))
    assert request == ExportTraceServiceRequest.FromString(data)


def test_long_lengths_stay_as_they_were() -> None:
    """A span whose length is written in more bytes than it needs is kept, with its neighbours."""
    span = b"\x0a\x10" + b"1" * 16 + b"\x12\x08" + b"2" * 8
    spans = b"\x12\x1c" + span + b"\x12\x9c\x80\x00" + span + b"\x12\x1c" + span
    data = b"\x0a\x5e\x12\x5c" + spans

    assert [span] * 3 == [one.span for one in wire.index(data)]
    assert data == wire.assemble(wire.index(data))
    assert [span] * 2 == [one.span for one in wire.index(wire.assemble(wire.index(data)[::2]))]
