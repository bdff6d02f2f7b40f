"""What a batch promises to processors."""

import gc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from gateway.batch import Attributes, Batch, Span
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


def test_drops_are_noted_with_reason_and_traces() -> None:
    """Each reason once with the traces it concerns; what was noted is not noted again."""
    one, two, three = (made := batch({}, {}, {}, one_trace=False)).spans
    made.drop(one, "health")
    made.drop(two)
    made.drop(three, "health")
    traces = [span.trace_id for span in (one, two, three)]

    assert (True, False) == (made.note_drops("filter"), made.note_drops("other"))
    assert [
        ("filter", "health", frozenset({traces[0], traces[2]})),
        ("filter", "", frozenset({traces[1]})),
    ] == made.dropped


def test_an_emptied_batch_leaves_no_shell() -> None:
    """When all spans are dropped, their resource goes too."""
    changed = batch({}, {})
    for span in changed:
        changed.drop(span)
    assert b"" == changed.encode()


@pytest.mark.parametrize("told", [True, False])
def test_appended_attributes_are_seen_whatever_was_read_before(told: bool) -> None:
    """Attributes that were appended ready-made are read like all others, also between writes."""
    span = next(iter(batch({"a": 1})))

    def append(key: str, value: str) -> None:
        encoded = SpanMessage(attributes=[key_value(key, value)]).SerializeToString()
        span.append(encoded, {key: value} if told else None)

    assert ("a",) == span.attributes.names()
    append("b", "2")
    assert {"a": 1, "b": "2"} == dict(span.attributes)
    span.attributes["c"] = 3
    append("d", "4")
    assert ("a", "b", "c", "d") == span.attributes.names()
    assert {"a": 1, "b": "2", "c": 3, "d": "4"} == dict(span.attributes)
    del span.attributes["b"]
    append("e", "5")
    assert "5" == span.attributes["e"]
    assert ["a", "c", "d", "e"] == [field.key for field in span.attributes.fields]
    assert ("a", "c", "d", "e") == span.attributes.names()


def test_what_was_told_holds_until_something_is_written() -> None:
    """Appended values are at hand for those who read next, and never outlive a change."""
    span = next(iter(batch({"a": 1})))
    assert span.attributes.json("j") is None
    encoded = SpanMessage(attributes=[key_value("j", "[1]")]).SerializeToString()

    for change in (
        lambda: span.attributes.__setitem__("a", 2),
        lambda: span.attributes.discard(("a",)),
        lambda: span.proto,
    ):
        span.append(encoded, {"j": b"[1]"})
        assert {"j": b"[1]"} == span.told
        assert [1] == span.attributes.json("j")
        change()
        assert {} == span.told


@pytest.mark.parametrize(
    "keys",
    [
        lambda changed: [field.key for field in changed.spans[0].peek.attributes],
        lambda changed: [field.key for field in changed.spans[0].proto.attributes],
        lambda changed: list(changed.spans[0].attributes),
        lambda changed: [
            field.key for field in changed.peek.resource_spans[0].scope_spans[0].spans[0].attributes
        ],
        lambda changed: list(reread(changed).spans[0].attributes),
        lambda changed: list(changed.snapshot().batch().spans[0].attributes),
    ],
    ids=["peek", "proto", "attributes", "request", "encoded", "snapshot"],
)
def test_what_was_appended_is_seen_in_every_way(keys: Callable[[Batch], list[str]]) -> None:
    """The message gains appended attributes once somebody looks, and once only."""
    changed = batch({"a": 1})
    for key in ("b", "c"):
        encoded = SpanMessage(attributes=[key_value(key, "x")]).SerializeToString()
        changed.spans[0].append(encoded, {key: "x"})
    assert ["a", "b", "c"] == keys(changed)
    assert ["a", "b", "c"] == keys(changed)
    assert ["a", "b", "c"] == list(reread(changed).spans[0].attributes)


def test_the_message_can_be_written_between_reads() -> None:
    """What is written to the message itself is seen by those who read next, and encoded."""
    changed = batch({"a": 1})
    (span,) = changed
    assert {"a": 1} == dict(span.attributes)
    span.proto.attributes.append(key_value("b", 2))
    assert {"a": 1, "b": 2} == dict(span.attributes)
    assert {"a": 1, "b": 2} == dict(reread(changed).spans[0].attributes)


def test_spans_of_one_kind_share_their_keys() -> None:
    """Equal keys are one tuple, by which processors remember what they found out."""
    first, second, other = batch({"a": 1, "b": 1}, {"a": 2, "b": 2}, {"b": 1, "a": 1})
    assert first.names() is second.attributes.names()
    assert ("b", "a") == other.attributes.names()


def test_keys_of_all_spans_are_those_of_each() -> None:
    """Keys found at once are the same as one by one, after all that was written and dropped."""
    changed = batch({"a": 1}, {"b": 1}, {"c": 1}, {"d": 1}, {})
    written, rewritten, appended, dropped, _ = changed
    written.attributes["a2"] = 2
    rewritten.proto.attributes.append(key_value("b2", 2))
    appended.append(SpanMessage(attributes=[key_value("c2", "2")]).SerializeToString(), {"c2": "2"})
    changed.drop(dropped)
    expected = [("a", "a2"), ("b", "b2"), ("c", "c2"), ()]
    assert expected == changed.names()
    assert expected == [span.names() for span in changed]
    appended.append(SpanMessage(attributes=[key_value("c3", "3")]).SerializeToString(), {"c3": "3"})
    rewritten.proto.attributes.append(key_value("b3", 3))
    expected[1:3] = [("b", "b2", "b3"), ("c", "c2", "c3")]
    assert expected == [span.names() for span in changed]
    assert expected == changed.names()


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


def two_resources() -> bytes:
    """Return five spans under two resources and three scopes, with fields nobody decodes."""
    one, two = (
        batch({"n": 1}, {"n": 2}, resource={"service.name": "a"}).request,
        batch({"n": 3}, {"n": 4}, resource={"service.name": "b"}, scope="x").request,
    )
    one.MergeFrom(two)
    other = one.resource_spans[1].scope_spans.add(schema_url="https://example.com/scope")
    other.scope.name = "y"
    other.spans.append(one.resource_spans[0].scope_spans[0].spans[0])
    one.resource_spans[0].schema_url = "https://example.com/resource"
    return one.SerializeToString()


def extra(number: int) -> bytes:
    """Return an attribute, ready to append."""
    return SpanMessage(attributes=[key_value(f"extra{number}", "é")]).SerializeToString()


def change(target: Batch, action: str, at: int, number: int) -> None:
    """Change one of the spans left."""
    if not target.spans:
        return
    span = target.spans[at % len(target.spans)]
    if action == "append":
        span.append(extra(number))
    elif action == "write":
        span.attributes["n"] = number
    elif action == "rename":
        span.name = f"name{number}"
    elif action == "adopt":
        span.peek.name = f"adopted{number}"
        target.adopt({at % len(target.spans): span.peek.SerializeToString()})
    elif action == "drop":
        target.drop(span)
    elif action == "resource":
        span.resource.attributes[f"r{number}"] = "x"
    elif action == "scope":
        span.scope.proto.version = str(number)


def parts(encoded: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Return each span with its resource and its scope, as encoded."""
    request = ExportTraceServiceRequest.FromString(encoded)
    return [
        (
            resource.resource.SerializeToString() + resource.schema_url.encode(),
            scope.scope.SerializeToString() + scope.schema_url.encode(),
            span.SerializeToString(),
        )
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


ACTIONS = st.sampled_from(
    (
        *("append", "write", "rename", "adopt", "drop", "resource", "scope"),
        *("encode", "entries", "peek"),
    )
)


@given(st.lists(st.tuples(ACTIONS, st.integers(0, 9)), max_size=8))
def test_what_is_encoded_is_what_was_decoded(steps: list[tuple[str, int]]) -> None:
    """However a batch is changed, its bytes say the same as its message written as a whole."""
    data = two_resources()
    changed, whole = Batch(data), Batch(data)
    for number, (action, at) in enumerate(steps):
        change(changed, action, at, number)
        change(whole, action, at, number)
        whole.touch()
        if action == "encode":
            assert parts(whole.encode()) == parts(changed.encode())
        elif action == "entries":
            ids = [(entry.trace_id, entry.span_id) for entry in changed.entries()]
            assert [(span.trace_id, span.span_id) for span in whole] == ids
        elif action == "peek":
            expected = parts(changed.encode())
            assert expected == parts(changed.peek.SerializeToString())
    assert parts(whole.encode()) == parts(changed.encode())
    assert parts(changed.encode()) == parts(Batch(None, entries=changed.entries()).encode())


@given(
    st.lists(st.tuples(ACTIONS, st.integers(0, 9)), max_size=5),
    st.lists(st.tuples(ACTIONS, st.integers(0, 9)), max_size=5),
)
def test_a_snapshot_gives_the_batch_back(
    before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    """What is done after a snapshot does not show in it, and the batch goes on as without it."""
    data = two_resources()
    changed, kept, whole = Batch(data), Batch(data), Batch(data)
    for number, (action, at) in enumerate(before):
        change(changed, action, at, number)
        change(kept, action, at, number)
        change(whole, action, at, number)
        if action == "entries":
            changed.entries()
    snapshot = changed.snapshot()
    for number, (action, at) in enumerate(after, 100):
        change(changed, action, at, number)
        change(whole, action, at, number)
        if action == "encode":
            changed.encode()

    assert parts(kept.encode()) == parts(snapshot.batch().encode())
    assert parts(whole.encode()) == parts(changed.encode())


def test_spans_that_nobody_wrote_keep_their_bytes() -> None:
    """Changing one span leaves the encoding of the others as received, unknown fields too."""
    received = batch({"a": 1}, {"b": 2}, {"c": 3})
    unknown = b"\xfa\x3f\x01x"
    for span in received:
        span.append(unknown)
    changed = Batch(received.encode())
    first, *others = changed.entries()
    changed.spans[1].attributes["b"] = 4
    changed.spans[2].append(extra(1))

    assert first == changed.entries()[0]
    assert others[0].span != changed.entries()[1].span
    assert others[1].span + extra(1) == changed.entries()[2].span


def test_an_unusual_encoding_survives_a_change() -> None:
    """A tag of two bytes, which the index does not know, is decoded and written as usual."""
    usual = batch({"a": 1}, {"b": 2}).encode()
    (entry, _) = Batch(usual).entries()
    scope = b"\x92\x00" + bytes([len(entry.span)]) + entry.span
    odd = b"\x0a" + bytes([len(scope) + 2]) + b"\x12" + bytes([len(scope)]) + scope
    changed = Batch(odd)
    (span,) = changed
    span.append(extra(1))

    assert {"a": 1, "extra1": "é"} == dict(reread(changed).spans[0].attributes)


def views() -> int:
    """Return how many spans and attributes there are in this process."""
    return sum(type(one) in (Span, Attributes) for one in gc.get_objects())


def test_a_batch_is_freed_with_its_last_reference() -> None:
    """Views hold no batch, so that no garbage collection is needed to free one."""
    gc.collect()
    gc.disable()
    try:
        before = views()
        freed = batch({"a": 1}, resource={"service.name": "a"})
        for span in freed.spans:
            span.attributes["a"] = 2
            span.resource.attributes["service.name"] = "b"
            del span
        assert before < views()
        del freed
        assert before == views()
    finally:
        gc.enable()


def test_groups_among_unknown_fields_survive_a_change() -> None:
    """A span with a group, which the index does not know, can be changed and encoded."""
    group = b"\x93\x06\x08\x01\x94\x06"
    (entry,) = batch({"a": 1}).entries()
    span = group + entry.span
    scope = b"\x12" + bytes([len(span)]) + span
    data = b"\x0a" + bytes([len(scope) + 2]) + b"\x12" + bytes([len(scope)]) + scope
    changed = Batch(data)
    changed.spans[0].append(extra(1))

    assert {"a": 1, "extra1": "é"} == dict(reread(changed).spans[0].attributes)
    assert group in changed.encode()
