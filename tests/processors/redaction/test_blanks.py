"""What is known of a request is not searched once more, and hides nothing beside it."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.batch import Batch
from gateway.otlp.values import Value
from gateway.testing import batch, processor
from processors.redaction import Redaction, places
from processors.redaction.blanks import blanked

ADDRESS = "ada@" + "example.org"


def _encoded(data: bytes, at: int) -> bytes:
    request = ExportTraceServiceRequest.FromString(data)
    return request.resource_spans[0].scope_spans[0].spans[0].attributes[at].SerializeToString()


def test_known_attributes_become_zeros() -> None:
    """They are told by their numbers, and all else stays where it is."""
    data = batch({"a": "x", "b": "y", "c": "z"}, {"a": "x", "b": "n" * 200}).encode()
    known = [_encoded(data, 0), _encoded(data, 1)]

    looked, seen = blanked(data, places.spans(data), known, [0, 1])

    expected = places.without_ids(data, places.spans(data))
    for attribute in known:
        expected = expected.replace(attribute, bytes(len(attribute)))
    assert expected == looked
    assert {0: [0, 1], 1: [0]} == {at: [p.ordinal for p in found] for at, found in seen.items()}
    assert known == [place.encoded for place in seen[0]]


def test_only_wanted_attributes_are_looked_up() -> None:
    """An attribute with another number is searched, known or not."""
    data = batch({"a": "x", "b": "y"}).encode()

    looked, seen = blanked(data, places.spans(data), [_encoded(data, 0)], [1])

    assert (places.without_ids(data, places.spans(data)), {}) == (looked, seen)


@pytest.mark.parametrize("behind", [b"\x4a\x05", b"\x4b", b"\xca", b"\x4a\x09abcdefg"], ids=repr)
def test_broken_attributes_are_searched(behind: bytes) -> None:
    """Where a span's fields cannot be told apart, what is left of it stays."""
    span = Span()
    span.attributes.add(key="a").value.string_value = "x"
    known = span.attributes[0].SerializeToString()
    data = b"\x4a" + bytes((len(known),)) + known + behind

    looked, _ = blanked(data, [(0, len(data) - 1)], [known, behind[2:]], [0, 1])

    assert looked.endswith(behind)


def test_repeated_attribute_hides_none_beside_it() -> None:
    """Where one attribute is known in every span, a new finding before or behind it goes."""
    redaction = processor(Redaction)
    rows: list[dict[str, Value]] = [
        {"a": f"a{at}@" + "example.org", "client.address": "203.0.113.9", "z": f"z{at} " + ADDRESS}
        for at in range(4)
    ]

    for row in rows:
        for span in redaction.process(batch(row, {"client.address": "203.0.113.9"}, row)):
            assert ADDRESS not in str(dict(span.attributes))
            assert "[IP]" == span.attributes["client.address"]


def test_same_outcome_whatever_came_before() -> None:
    """A request comes out the same after others whose attributes have other places."""
    redaction = processor(Redaction, hmac_key="k" * 32)
    address = "203.0.113.9"
    data = batch(
        {"x": 1, "client.address": address, "b": ADDRESS},
        {"client.address": address},
        {"n": address, "m": "clean", "client.address": address},
    ).encode()
    first = redaction.process(Batch(data)).encode()

    for names in ("abc", "cab", "bca"):
        redaction.process(batch(*[dict.fromkeys(names, address)] * 3))
        other: dict[str, Value] = {"x": 1, "client.address": address}
        redaction.process(batch(*[other] * 3))
        assert first == redaction.process(Batch(data)).encode()


def test_numbers_are_learnt_where_they_pay() -> None:
    """An attribute is looked up where it was known in every eighth span of the last request."""
    redaction = processor(Redaction)
    often = [{"x": 1, "client.address": "203.0.113.9"}] * 8
    seldom = [{"x": 1}] * 9 + [{"client.address": "203.0.113.9"}]

    learnt = []
    for rows in (often, often, seldom, seldom):
        redaction.process(batch(*rows))
        learnt.append(list(redaction._recurring))

    assert [[], [1], [], []] == learnt
