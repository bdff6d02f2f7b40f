"""What a batch promises to processors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from gateway.batch import Batch
from gateway.otlp.values import Value, key_value
from gateway.testing import batch

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def reread(changed: Batch) -> Batch:
    """Return the batch as its receiver would decode it."""
    return Batch(changed.encode())


def test_untouched_bytes_are_the_received_ones() -> None:
    """Reading changes no byte."""
    data = batch({"a": 1}, {"b": "x"}).encode()
    received = Batch(data)
    assert [{"a": 1}, {"b": "x"}] == [dict(span.attributes) for span in received]
    assert received.untouched
    assert data is received.encode()


@given(st.dictionaries(st.text(), values, max_size=5))
def test_attributes_survive_the_wire(attributes: dict[str, Value]) -> None:
    """Whatever an attribute can hold is read back equal."""
    assert [attributes] == [dict(span.attributes) for span in reread(batch(attributes))]


@given(st.dictionaries(st.text(), values, max_size=5), st.text(), values)
def test_writing_goes_through(attributes: dict[str, Value], key: str, value: Value) -> None:
    """An attribute that was set is in the encoded request, the others are as they were."""
    changed = batch(attributes)
    for span in changed:
        span.attributes[key] = value
    assert [attributes | {key: value}] == [dict(span.attributes) for span in reread(changed)]


def test_deleting_goes_through() -> None:
    """A deleted attribute is gone; deleting what is not there is an error."""
    changed = batch({"a": 1, "b": 2})
    for span in changed:
        del span.attributes["a"]
        with pytest.raises(KeyError):
            del span.attributes["a"]
    assert [{"b": 2}] == [dict(span.attributes) for span in reread(changed)]


def twice(key: str, *held: str) -> Batch:
    """Return a batch whose span has the same key several times."""
    request = ExportTraceServiceRequest.FromString(batch({}).encode())
    span = request.resource_spans[0].scope_spans[0].spans[0]
    for value in held:
        span.attributes.add(key=key).value.string_value = value
    return Batch(request.SerializeToString())


def test_of_repeated_keys_the_last_is_read() -> None:
    """A key that stands twice reads as its last value."""
    assert [{"k": "new"}] == [dict(span.attributes) for span in twice("k", "old", "new")]


def test_writing_a_repeated_key_leaves_one() -> None:
    """After writing no older value is left anywhere."""
    changed = twice("k", "old secret", "new")
    for span in changed:
        span.attributes["k"] = "safe"
    assert b"secret" not in changed.encode()
    assert [{"k": "safe"}] == [dict(span.attributes) for span in reread(changed)]


def test_deleting_a_repeated_key_leaves_none() -> None:
    """After deleting no value is left anywhere."""
    changed = twice("k", "old secret", "new secret")
    for span in changed:
        del span.attributes["k"]
    assert b"secret" not in changed.encode()


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_dropped_spans_are_gone(keep: list[bool]) -> None:
    """Just the spans dropped are missing from iteration, length and encoding."""
    changed = batch(*({"at": at} for at in range(len(keep))))
    for span, kept in zip(list(changed), keep, strict=True):
        if not kept:
            changed.drop(span)
    expected = [at for at, kept in enumerate(keep) if kept]
    assert expected == [span.attributes["at"] for span in changed]
    assert len(expected) == len(changed)
    assert expected == [span.attributes["at"] for span in reread(changed)]


def test_an_emptied_batch_leaves_no_shell() -> None:
    """When all spans are dropped, their resource goes too."""
    changed = batch({}, {})
    for span in changed:
        changed.drop(span)
    assert b"" == changed.encode()


def test_appended_attributes_are_seen_whatever_was_read_before() -> None:
    """Attributes that were appended ready-made are read like all others, also between writes."""
    span = next(iter(batch({"a": 1})))
    assert ("a",) == span.attributes.layout()[1]
    span.append(SpanMessage(attributes=[key_value("b", 2)]).SerializeToString())
    assert {"a": 1, "b": 2} == dict(span.attributes)
    span.attributes["c"] = 3
    span.append(SpanMessage(attributes=[key_value("d", 4)]).SerializeToString())
    assert ("a", "b", "c", "d") == span.attributes.layout()[1]
    assert {"a": 1, "b": 2, "c": 3, "d": 4} == dict(span.attributes)
    del span.attributes["b"]
    span.append(SpanMessage(attributes=[key_value("e", 5)]).SerializeToString())
    assert 5 == span.attributes["e"]
    assert ["a", "c", "d", "e"] == [field.key for field in span.attributes.layout()[0]]


def test_parsed_json_lasts_until_written() -> None:
    """Parsed JSON is shared by readers, and read anew after a write."""
    (span,) = batch({"j": '{"a": [1]}'})
    assert {"a": [1]} == span.attributes.json("j")
    assert span.attributes.json("j") is span.attributes.json("j")
    span.attributes["j"] = '{"a": 2}'
    assert {"a": 2} == span.attributes.json("j")


@pytest.mark.parametrize("text", ["", "{", "[" * 5000, '{"a":}', "nul"])
def test_what_is_no_json_is_none(text: str) -> None:
    """Text that only looks like JSON yields None and no error."""
    (span,) = batch({"j": text})
    assert span.attributes.json("j") is None


def test_resources_are_shared() -> None:
    """Writing to a resource concerns all its spans."""
    changed = batch({}, {}, resource={"service.name": "a"})
    list(changed)[0].resource.attributes["service.name"] = "b"
    assert {"b"} == {span.resource.attributes["service.name"] for span in reread(changed)}


def test_roots_are_known() -> None:
    """No parent and an all-zero parent both make a root."""
    first, second = batch({}, {})
    second.proto.parent_span_id = bytes(8)
    assert first.is_root
    assert second.is_root
