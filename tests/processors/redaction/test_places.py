"""Where in an encoded request something is hit, however unusually it is encoded."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.batch import Batch
from gateway.testing import batch, processor
from processors.redaction import Redaction, places
from processors.redaction.prefilter import derive_prefilter
from processors.redaction.rules import Rule

ADDRESS = "ada@" + "example.org"


def _framed(tag: bytes, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 0x7F:
        length += bytes((size & 0x7F | 0x80,))
        size >>= 7
    return tag + length + bytes((size,)) + content


def _locate(data: bytes, known: tuple[bytes, ...] = ()) -> places.Hits:
    prefilter = derive_prefilter([Rule("hit", "hit")])
    assert prefilter is not None
    return places.locate(data, prefilter.first(data, 0), prefilter, places.spans(data), known)


def _request(span: bytes) -> bytes:
    return _framed(b"\x0a", _framed(b"\x12", _framed(b"\x12", span)))


def _pair(key: str, value: str) -> bytes:
    return _framed(b"\x0a", key.encode()) + _framed(b"\x12", _framed(b"\x0a", value.encode()))


@pytest.mark.parametrize(
    "span",
    [
        _framed(b"\x4a", _pair("a", "clean")) + _framed(b"\x4a", _pair("b", ADDRESS)),
        _framed(b"\xca\x00", _pair("a", "clean")) + _framed(b"\x4a", _pair("b", ADDRESS)),
        _framed(b"\x4a", _pair("b", ADDRESS)) + _framed(b"\xca\x00", _pair("a", ADDRESS)),
        b"\x93\x06\x08\x01\x94\x06" + _framed(b"\x4a", _pair("b", ADDRESS)),
        _framed(b"\x4a", _pair("b", ADDRESS)) + b"\x39" + bytes(8) + b"\x30\x01",
        _framed(b"\x2a", ADDRESS.encode()) + _framed(b"\x4a", _pair("b", ADDRESS)),
        _framed(b"\x4a", _pair("b", ADDRESS)) + _framed(b"\x2a", ADDRESS.encode()),
        _framed(b"\x4a", _pair("b", ADDRESS) + _framed(b"\x7a", ADDRESS.encode())),
        _framed(b"\x5a", _framed(b"\x12", ADDRESS.encode())),
        _framed(b"\x4a", _pair(ADDRESS, ADDRESS)),
    ],
    ids=[
        *("second", "long tag before", "long tag", "group before", "fixed behind"),
        *("name before", "name behind", "unknown field within", "event", "key"),
    ],
)
def test_nothing_escapes_by_its_encoding(span: bytes) -> None:
    """Fields in any order, long tags, groups and unknown fields hide no address."""
    data = _request(span)
    ExportTraceServiceRequest.FromString(data)

    out = processor(Redaction).process(Batch(data)).encode()

    assert b"ada@" not in out


def test_only_hit_attributes_are_named() -> None:
    """Of a span's attributes only those are listed in which the pattern hits."""
    data = batch({"a": "x", "b": "hit", "c": "y", "d": "hit hit"}, {"e": "z"}).encode()

    hits = _locate(data)

    assert [0] == list(hits.spans)
    assert [1, 3] == [place.ordinal for place in hits.spans[0] or ()]


def test_all_of_a_span_is_named_where_its_name_is_hit() -> None:
    """A hit outside the attributes asks for a look at the whole span."""
    data = batch({"a": "hit"}, name="hit").encode()

    hits = _locate(data)

    assert {0: None} == hits.spans


def test_places_hold_the_attribute() -> None:
    """A place tells the attribute's key and value, its hit in these and where it stands."""
    data = batch({"a": "x", "b": "hit"}).encode()
    ((place,),) = [found or [] for found in _locate(data).spans.values()]

    span = Span()
    span.attributes.add().ParseFromString(place.encoded)
    assert "hit" == span.attributes[0].value.string_value
    assert place.hit is not None
    assert b"hit" == place.encoded[place.hit.start : place.hit.end]
    assert data[: place.end].endswith(data[place.field :][:2] + place.encoded)


def test_known_attributes_are_named_unjudged() -> None:
    """What is known of an attribute may say more than a hit; others are found beside it."""
    data = batch({"a": "hit", "b": "hit"}).encode()
    known, _ = (place.encoded for place in _locate(data).spans[0] or ())

    found = _locate(data, (known,)).spans[0] or ()

    assert [True, False] == [place.hit is None for place in found]


def test_ids_and_times_are_no_texts() -> None:
    """A hit in a span's ids asks for no look; one behind it in an attribute does."""
    span = Span(trace_id=b"hit hit hit hit!", span_id=b"hit hit!")
    span.attributes.add(key="a").value.string_value = "x"
    found: list[list[list[int]]] = []

    for text in ("clean", "hit"):
        span.attributes[0].value.string_value = text
        data = _request(span.SerializeToString())
        hits = _locate(data)
        found.append([[one.ordinal for one in each or ()] for each in hits.spans.values()])

    assert [[], [[0]]] == found


def test_ids_and_times_are_not_searched() -> None:
    """Random bytes of ids and times become zeros, all else stays where it is."""
    request = ExportTraceServiceRequest()
    span = (
        request.resource_spans.add()
        .scope_spans.add()
        .spans.add(
            trace_id=b"t" * 16,
            span_id=b"s" * 8,
            parent_span_id=b"p" * 8,
            name="n" * 20,
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=1 << 60,
            end_time_unix_nano=2 << 60,
            trace_state="a=b",
        )
    )
    span.attributes.add(key="a").value.string_value = ADDRESS
    data = request.SerializeToString()

    looked = places.without_ids(data, places.spans(data))

    span.trace_id, span.span_id, span.parent_span_id = bytes(16), bytes(8), bytes(8)
    fields = ExportTraceServiceRequest.FromString(looked)
    (seen,) = fields.resource_spans[0].scope_spans[0].spans
    assert (0, 0) == (seen.start_time_unix_nano, seen.end_time_unix_nano)
    span.start_time_unix_nano = span.end_time_unix_nano = 0
    assert span == seen
    assert len(data) == len(looked)


@pytest.mark.parametrize(
    "span",
    [
        _framed(b"\x0a", b"t" * 15) + _framed(b"\x4a", _pair("a", "clean")),
        b"\x0a\x10" + b"t" * 9,
        _framed(b"\x2a", b"n" * 200) + _framed(b"\x0a", b"t" * 16),
        b"\x30\xff\x0a\x10" + b"t" * 16,
        _framed(b"\x4a", _framed(b"\x0a", b"k" * 16) + b"\x12\x00"),
    ],
    ids=["short id", "cut off", "long name", "long number", "attribute"],
)
def test_only_what_is_surely_an_id_is_left_out(span: bytes) -> None:
    """Whatever is encoded otherwise is searched as it is."""
    assert b"-" + span == places.without_ids(b"-" + span, [(1, len(span) + 1)])
