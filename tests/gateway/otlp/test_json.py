"""OTLP JSON as the specification has it, and errors that say where."""

import base64
import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.otlp.json import JsonError, decode_request, encode_request

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
UINT64 = st.integers(0, 2**64 - 1)
UINT32 = st.integers(0, 2**32 - 1)


def scalar_values() -> st.SearchStrategy[AnyValue]:
    """Return attribute values that hold no others."""
    return st.one_of(
        st.builds(lambda v: AnyValue(string_value=v), TEXT),
        st.builds(lambda v: AnyValue(bool_value=v), st.booleans()),
        st.builds(lambda v: AnyValue(int_value=v), st.integers(-(2**63), 2**63 - 1)),
        st.builds(lambda v: AnyValue(double_value=v), st.floats(allow_nan=False)),
        st.builds(lambda v: AnyValue(bytes_value=v), st.binary(max_size=20)),
        st.just(AnyValue()),
    )


def nest(values: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[AnyValue]:
    """Return arrays and maps of values."""

    def array(items: list[AnyValue]) -> AnyValue:
        value = AnyValue()
        value.array_value.SetInParent()
        value.array_value.values.extend(items)
        return value

    def mapping(items: list[tuple[str, AnyValue]]) -> AnyValue:
        value = AnyValue()
        value.kvlist_value.SetInParent()
        for key, item in items:
            value.kvlist_value.values.add(key=key, value=item)
        return value

    return st.builds(array, st.lists(values, max_size=3)) | st.builds(
        mapping, st.lists(st.tuples(TEXT, values), max_size=3)
    )


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """Return a span with anything in it."""
    value = st.recursive(scalar_values(), nest, max_leaves=6)
    span = Span(
        trace_id=draw(st.binary(max_size=20)),
        span_id=draw(st.binary(max_size=10)),
        parent_span_id=draw(st.binary(max_size=10)),
        trace_state=draw(TEXT),
        name=draw(TEXT),
        flags=draw(UINT32),
        start_time_unix_nano=draw(UINT64),
        end_time_unix_nano=draw(UINT64),
        dropped_attributes_count=draw(UINT32),
    )
    kind: Any = draw(st.integers(-(2**31), 2**31 - 1))
    span.kind = kind
    for key, item in draw(st.lists(st.tuples(TEXT, value), max_size=3)):
        span.attributes.add(key=key, value=item)
    event = span.events.add(time_unix_nano=draw(UINT64), name=draw(TEXT))
    event.attributes.add(key=draw(TEXT)).value.CopyFrom(draw(value))
    span.links.add(trace_id=draw(st.binary(max_size=17)), span_id=draw(st.binary(max_size=9)))
    if draw(st.booleans()):
        span.status.SetInParent()
        span.status.message = draw(TEXT)
    return span


def request_with(span: dict[str, Any]) -> bytes:
    """Return a request with one span, as JSON."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


def read(**span: Any) -> Span:
    """Return a span as it is read from JSON."""
    return decode_request(request_with(span)).resource_spans[0].scope_spans[0].spans[0]


def read_value(value: Any) -> AnyValue:
    """Return an attribute's value as it is read from JSON."""
    return read(attributes=[{"key": "k", "value": value}]).attributes[0].value


@given(st.lists(spans(), max_size=3))
def test_round_trip(some: list[Span]) -> None:
    """What is written is read again, whatever it holds."""
    request = ExportTraceServiceRequest()
    scope_spans = request.resource_spans.add(schema_url="r").scope_spans.add(schema_url="s")
    scope_spans.scope.name = "scope"
    scope_spans.spans.extend(some)

    text = json.dumps(encode_request(request))

    assert request == decode_request(text.encode())


def test_written_form() -> None:
    """Ids are hex, 64-bit integers text, enums numbers, bytes base64."""
    span = Span(trace_id=b"\xab" * 16, span_id=b"\xcd" * 8, kind=Span.SPAN_KIND_SERVER, flags=257)
    span.start_time_unix_nano = 2**63
    span.attributes.add(key="b").value.bytes_value = b"\xfb\xff"
    span.attributes.add(key="d").value.double_value = math.inf
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.append(span)

    assert {
        "traceId": "ab" * 16,
        "spanId": "cd" * 8,
        "flags": 257,
        "kind": 2,
        "startTimeUnixNano": "9223372036854775808",
        "attributes": [
            {"key": "b", "value": {"bytesValue": "+/8="}},
            {"key": "d", "value": {"doubleValue": "Infinity"}},
        ],
    } == encode_request(request)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5), ("5", 5), (1e3, 1000), ("18446744073709551615", 2**64 - 1), (None, 0)],
)
def test_integers(value: Any, number: int) -> None:
    """64-bit integers are numbers or text, integral floats count, null is unset."""
    assert number == read(startTimeUnixNano=value).start_time_unix_nano


@pytest.mark.parametrize(
    "value", ["", "x", "1.5", 1.5, -1, 2**64, str(2**64), "9" * 5000, True, [], {}, "\uff11"]
)
def test_no_integers(value: Any) -> None:
    """Anything else is refused with its path."""
    path = r"resourceSpans\[0\].scopeSpans\[0\].spans\[0\].startTimeUnixNano: "
    with pytest.raises(JsonError, match=path):
        read(startTimeUnixNano=value)


@pytest.mark.parametrize(
    ("value", "number"), [(1, 1.0), (1.5, 1.5), ("1.5", 1.5), ("Infinity", math.inf), ("1e3", 1e3)]
)
def test_doubles(value: Any, number: float) -> None:
    """Doubles are numbers or text, also infinite ones."""
    assert number == read_value({"doubleValue": value}).double_value


def test_not_a_number() -> None:
    """NaN is written as text."""
    assert math.isnan(read_value({"doubleValue": "NaN"}).double_value)


@pytest.mark.parametrize("value", ["", "x", "nan", True, [], 10**400, "null", '"1"'])
def test_no_doubles(value: Any) -> None:
    """Anything else is refused."""
    with pytest.raises(JsonError, match="doubleValue: "):
        read_value({"doubleValue": value})


@pytest.mark.parametrize(("value", "kind"), [(3, 3), ("SPAN_KIND_CLIENT", 3), (77, 77)])
def test_enums(value: Any, kind: int) -> None:
    """Enums are numbers, known or not, or names."""
    assert kind == read(kind=value).kind


@pytest.mark.parametrize("value", ["CLIENT", "span_kind_client", 2**31, [], True])
def test_no_enums(value: Any) -> None:
    """An unknown name is refused."""
    with pytest.raises(JsonError, match="kind: "):
        read(kind=value)


@pytest.mark.parametrize("text", ["AB" * 16, "ab" * 16, "aB" * 16, "ab", "", "ab" * 40])
def test_ids(text: str) -> None:
    """Ids are hex in any case, and keep the length they have."""
    assert bytes.fromhex(text) == read(traceId=text).trace_id


@given(st.text("0123456789abcdefABCDEF", min_size=1).filter(lambda text: len(text) % 2))
def test_half_bytes_are_a_wrong_length(text: str) -> None:
    """An odd number of digits never becomes an id, nor an absent one."""
    span = read(traceId=text, parentSpanId=text)

    assert len(span.trace_id) not in (8, 16)
    assert len(span.parent_span_id) not in (0, 8)


@pytest.mark.parametrize("value", ["zz", "ab cd", "0x00", 5, base64.b64encode(b"\1" * 16).decode()])
def test_no_ids(value: Any) -> None:
    """What is no hex is refused."""
    with pytest.raises(JsonError, match=r"spans\[0\].traceId: "):
        read(traceId=value)


@pytest.mark.parametrize("text", ["-_8", "-_8=", "+/8=", "+/8"])
def test_base64(text: str) -> None:
    """Bytes are base64, standard or for URLs, padded or not."""
    assert b"\xfb\xff" == read_value({"bytesValue": text}).bytes_value


@pytest.mark.parametrize("value", ["!", "ä", "a", 5])
def test_no_base64(value: Any) -> None:
    """What is no base64 is refused."""
    with pytest.raises(JsonError, match="bytesValue: "):
        read_value({"bytesValue": value})


def test_both_spellings_of_names() -> None:
    """Field names are camelCase or as in the protobuf file."""
    snake = {"resource_spans": [{"scope_spans": [{"spans": [{"trace_id": "ab" * 16}]}]}]}

    request = decode_request(json.dumps(snake).encode())

    assert b"\xab" * 16 == request.resource_spans[0].scope_spans[0].spans[0].trace_id


def test_unknown_fields_are_ignored() -> None:
    """Fields of a later version do no harm."""
    assert "a" == read(name="a", later={"x": [1]}, traceid=5).name


def test_null_is_unset() -> None:
    """Null is as good as absent, for every kind of field."""
    assert Span() == read(name=None, kind=None, attributes=None, status=None, traceId=None)


def test_empty_values_are_kept() -> None:
    """An empty value, array or map stays one."""
    assert read_value({"arrayValue": {}}).HasField("array_value")
    assert read_value({"kvlistValue": {"values": []}}).HasField("kvlist_value")
    assert read_value({}).WhichOneof("value") is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"a": "\xff"}', "not valid JSON"),
        (b"[]", "expected an object, found an array"),
        (b"null", "expected an object, found null"),
        (b'{"resourceSpans": {}}', "resourceSpans: expected an array, found an object"),
        (b'{"resourceSpans": [5]}', r"resourceSpans\[0\]: expected an object, found a number"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_other_shapes(body: bytes, message: str) -> None:
    """A body of another shape is refused with a path."""
    with pytest.raises(JsonError, match=message):
        decode_request(body)


@pytest.mark.parametrize(
    "attribute", [{"stringValue": 5}, {"boolValue": "true"}, {"arrayValue": []}, "text"]
)
def test_wrong_types_name_their_place(attribute: Any) -> None:
    """A wrong type deep inside is named with its whole path."""
    with pytest.raises(JsonError, match=r"spans\[0\].attributes\[0\].value"):
        read_value(attribute)


def test_depth_is_what_protobuf_reads() -> None:
    """What is accepted can be read back as protobuf; what is deeper is refused."""

    def nested(levels: int) -> dict[str, Any]:
        value: dict[str, Any] = {"intValue": 1}
        for _ in range(levels):
            value = {"arrayValue": {"values": [value]}}
        return {"attributes": [{"key": "k", "value": value}]}

    deepest = decode_request(request_with(nested(47)))
    assert deepest == ExportTraceServiceRequest.FromString(deepest.SerializeToString())
    with pytest.raises(JsonError, match="nested more than 100"):
        decode_request(request_with(nested(48)))


@given(st.binary(max_size=200))
def test_noise(noise: bytes) -> None:
    """Arbitrary bytes are read or refused, nothing else."""
    with contextlib.suppress(JsonError):
        decode_request(noise)
