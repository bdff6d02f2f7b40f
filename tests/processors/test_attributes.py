"""What ``attributes`` promises: the Collector's actions on the spans that are meant."""

import hashlib
import struct
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from gateway.plugin import BatchContext, Value
from gateway.testing import batch, processor
from processors.attributes import Attributes
from tests.processors.configuring import problems


def run(
    actions: list[dict[str, Any]], attributes: dict[str, Value], **settings: Any
) -> dict[str, Value]:
    """Return what the actions make of one span's attributes."""
    out = processor(Attributes, actions=actions, **settings).process(
        batch(
            attributes,
            context=BatchContext(
                tenant="search", peer="10.0.0.7", headers=(("x-mlflow-run-id", "r1"),)
            ),
        )
    )
    return dict(out.spans[0].attributes)


@pytest.mark.parametrize(
    ("action", "absent", "present"),
    [
        ("insert", {"k": "new"}, {"k": "old"}),
        ("update", {}, {"k": "new"}),
        ("upsert", {"k": "new"}, {"k": "new"}),
    ],
)
def test_writes_by_presence(
    action: str, absent: dict[str, Value], present: dict[str, Value]
) -> None:
    """``insert`` where the key is absent, ``update`` where it is there, ``upsert`` always."""
    actions = [{"key": "k", "action": action, "value": "new"}]

    assert absent == run(actions, {})
    assert present == run(actions, {"k": "old"})


@pytest.mark.parametrize("value", ["text", "", 123, 1.5, True, False, 0, [1, "a"], {"a": {"b": 1}}])
def test_a_value_has_the_type_that_yaml_gave(value: Any) -> None:
    """Numbers stay numbers and booleans booleans."""
    [written] = run([{"key": "k", "action": "upsert", "value": value}], {"k": 1}).values()

    assert (type(value), value) == (type(written), written)


def test_copies_an_attribute() -> None:
    """Where the source is absent nothing happens."""
    actions = [{"key": "to", "action": "upsert", "from_attribute": "from"}]

    assert {"from": [1, 2], "to": [1, 2]} == run(actions, {"from": [1, 2]})
    assert {"to": "old"} == run(actions, {"to": "old"})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("auth.tenant", "search"),
        ("client.address", "10.0.0.7"),
        ("metadata.x-mlflow-run-id", "r1"),
        ("metadata.X-MLFLOW-RUN-ID", "r1"),
        ("x-mlflow-run-id", "r1"),
        ("metadata.x-mlflow-workspace", None),
    ],
)
def test_writes_what_is_known_of_the_request(source: str, expected: str | None) -> None:
    """The tenant, the sender's address and the headers that are kept."""
    written = run([{"key": "k", "action": "insert", "from_context": source}], {})

    assert expected == written.get("k")


@pytest.mark.parametrize(
    "source", [{"from_attribute": "no"}, {"from_context": "x-mlflow-workspace"}, {}]
)
def test_falls_back_to_the_default(source: dict[str, str]) -> None:
    """``default_value`` stands in for a source that gives nothing."""
    actions = [{"key": "k", "action": "insert", "default_value": "d", **source}]

    assert {"k": "d"} == run(actions, {})


def test_deletes_by_key_and_by_pattern() -> None:
    """A pattern matches anywhere in the key."""
    attributes: dict[str, Value] = {"a": 1, "http.auth": 2, "http.url": 3, "xhttp.": 4}

    assert {"http.auth": 2, "http.url": 3, "xhttp.": 4} == run(
        [{"key": "a", "action": "delete"}], attributes
    )
    assert {"a": 1} == run([{"pattern": r"http\.", "action": "delete"}], attributes)
    assert {"xhttp.": 4} == run([{"key": "a", "pattern": "^http", "action": "delete"}], attributes)


@pytest.mark.parametrize(
    ("value", "hashed"),
    [
        ("ada@example.org", b"ada@example.org"),
        (True, b"\x01"),
        (False, b"\x00"),
        (258, struct.pack("<q", 258)),
        (-1, b"\xff" * 8),
        (2.5, struct.pack("<d", 2.5)),
        (b"raw", b"raw"),
        (["a", 1], b'["a",1]'),
    ],
)
def test_hashes_with_sha256(value: Value, hashed: bytes) -> None:
    """Texts by their bytes and numbers by their eight, as the Collector has done since 0.85."""
    written = run([{"key": "k", "action": "hash"}], {"k": value})

    assert {"k": hashlib.sha256(hashed).hexdigest()} == written


def test_hashes_what_exists() -> None:
    """An absent key is left absent, an empty text empty; patterns name several keys."""
    assert {"empty": ""} == run(
        [{"key": "k", "action": "hash"}, {"key": "empty", "action": "hash"}], {"empty": ""}
    )
    hashed = run(
        [{"pattern": "^user", "action": "hash"}], {"user.id": "a", "user.email": "b", "other": "c"}
    )
    assert [64, 64, 1] == [len(str(value)) for value in hashed.values()]


def test_extracts_named_groups() -> None:
    """The example of the Collector's documentation; existing keys are overwritten."""
    url = "http://example.com/path?queryParam1=value1,queryParam2=value2"
    pattern = (
        r"^(?P<http_protocol>.*):\/\/(?P<http_domain>.*)\/(?P<http_path>.*)"
        r"(?:\?|\&)(?P<http_query_params>.*)"
    )
    actions = [{"key": "http.url", "action": "extract", "pattern": pattern}]

    assert {
        "http.url": url,
        "http_protocol": "http",
        "http_domain": "example.com",
        "http_path": "path",
        "http_query_params": "queryParam1=value1,queryParam2=value2",
    } == run(actions, {"http.url": url, "http_path": "old"})
    assert {"http.url": 5} == run(actions, {"http.url": 5})
    assert {"http.url": "mailto:x"} == run(actions, {"http.url": "mailto:x"})


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("int", "200", 200),
        ("int", "-7", -7),
        ("int", 3.9, 3),
        ("int", True, 1),
        ("int", "2.5", "2.5"),
        ("int", " 2", " 2"),
        ("int", "1_000", "1_000"),
        ("int", "9223372036854775808", "9223372036854775808"),
        ("int", float("inf"), float("inf")),
        ("int", "", ""),
        ("double", "2.5", 2.5),
        ("double", "1e3", 1000.0),
        ("double", 4, 4.0),
        ("double", False, 0.0),
        ("double", "x", "x"),
        ("double", "1e999", "1e999"),
        ("double", [1], [1]),
        ("string", 5, "5"),
        ("string", 5.0, "5"),
        ("string", 0.1, "0.1"),
        ("string", 0.00001, "0.00001"),
        ("string", 1e-7, "1e-7"),
        ("string", 1e21, "1e+21"),
        ("string", True, "true"),
        ("string", ["a", 1, {"b": None}], '["a",1,{"b":null}]'),
        ("string", b"\x00\xff", "AP8="),
    ],
)
def test_converts_types(kind: str, value: Value, expected: Value) -> None:
    """What cannot be converted is left as it is."""
    [written] = run(
        [{"key": "k", "action": "convert", "converted_type": kind}], {"k": value}
    ).values()

    assert (type(expected), expected) == (type(written), written)


def test_runs_actions_in_order() -> None:
    """The Collector's example of moving an attribute, with its results."""
    actions = [
        {"key": "operation", "value": "default", "action": "insert"},
        {"key": "svc.operation", "from_attribute": "operation", "action": "upsert"},
        {"key": "operation", "action": "delete"},
    ]

    assert {"timeout": 10, "svc.operation": "addition"} == run(
        actions, {"timeout": 10, "svc.operation": "addition", "operation": "addition"}
    )
    assert {"svc.operation": "default", "timeout": 3} == run(
        actions, {"svc.operation": "division", "timeout": 3}
    )


def test_keys_that_stand_twice_become_one() -> None:
    """Writing and deleting concern all of them."""
    made = batch({"k": "a"})
    made.spans[0].proto.attributes.add(key="k").value.string_value = "b"

    processor(Attributes, actions=[{"key": "k", "action": "upsert", "value": "c"}]).process(made)

    assert ["c"] == [each.value.string_value for each in made.spans[0].peek.attributes]


@pytest.mark.parametrize(
    "actions",
    [
        [{"key": "absent", "action": "delete"}],
        [{"key": "absent", "action": "update", "value": 1}],
        [{"key": "n", "action": "insert", "value": 2}],
        [{"key": "n", "action": "upsert", "value": 1}],
        [{"key": "n", "action": "convert", "converted_type": "int"}],
        [{"key": "map", "action": "upsert", "value": {"a": [1.0]}}],
    ],
)
def test_no_change_leaves_the_received_bytes(actions: list[dict[str, Any]]) -> None:
    """A batch to which nothing happens is forwarded as it came."""
    made = batch({"n": 1, "map": {"a": [1.0]}})

    assert processor(Attributes, actions=actions).process(made).untouched


MATCHES: list[tuple[dict[str, Any], bool]] = [
    ({"services": ["shop"]}, True),
    ({"services": ["sho"]}, False),
    ({"match_type": "regexp", "services": ["^s", "^x"]}, True),
    ({"match_type": "regexp", "services": ["ho"]}, True),
    ({"span_names": ["GET /", "chat"]}, True),
    ({"match_type": "regexp", "span_names": ["^hat"]}, False),
    ({"span_kinds": ["SPAN_KIND_SERVER"]}, True),
    ({"match_type": "regexp", "span_kinds": ["CLIENT|SERVER"]}, True),
    ({"span_kinds": ["SPAN_KIND_CLIENT"]}, False),
    ({"attributes": [{"key": "n"}]}, True),
    ({"attributes": [{"key": "n", "value": 1}]}, True),
    ({"attributes": [{"key": "n", "value": "1"}]}, False),
    ({"attributes": [{"key": "n", "value": True}]}, False),
    ({"attributes": [{"key": "n", "value": 1.0}]}, False),
    ({"attributes": [{"key": "n", "value": 1}, {"key": "absent"}]}, False),
    ({"match_type": "regexp", "attributes": [{"key": "n", "value": "^1$"}]}, True),
    ({"match_type": "regexp", "attributes": [{"key": "flag", "value": "^true$"}]}, True),
    ({"match_type": "regexp", "attributes": [{"key": "list", "value": ".*"}]}, False),
    ({"attributes": [{"key": "list", "value": ["a"]}]}, True),
    ({"resources": [{"key": "service.name", "value": "shop"}]}, True),
    ({"resources": [{"key": "service.name", "value": "shop"}, {"key": "team"}]}, False),
    ({"libraries": [{"name": "other"}, {"name": "bot.lib"}]}, True),
    ({"libraries": [{"name": "bot.lib", "version": ""}]}, True),
    ({"libraries": [{"name": "bot.lib", "version": "1"}]}, False),
    ({"services": ["shop"], "span_names": ["other"]}, False),
]


@pytest.mark.parametrize(("match", "expected"), MATCHES)
@pytest.mark.parametrize("where", ["include", "exclude"])
def test_is_for_the_spans_that_match(match: dict[str, Any], expected: bool, where: str) -> None:
    """All that is given must match; ``include`` selects, ``exclude`` leaves alone."""
    made = batch(
        {"n": 1, "flag": True, "list": ["a"]},
        name="chat",
        resource={"service.name": "shop"},
        scope="bot.lib",
    )
    made.spans[0].proto.kind = SpanMessage.SPAN_KIND_SERVER
    settings = {where: {"match_type": "strict", **match}}

    processor(
        Attributes, actions=[{"key": "seen", "action": "insert", "value": 1}], **settings
    ).process(made)

    assert (expected is (where == "include")) is ("seen" in made.spans[0].attributes)


def test_exclude_narrows_include() -> None:
    """Spans of the service but the one with the name."""
    made = batch({}, name="login", resource={"service.name": "auth-2"})

    processor(
        Attributes,
        actions=[{"key": "token", "action": "insert", "value": 1}],
        include={"match_type": "regexp", "services": ["^auth"]},
        exclude={"match_type": "regexp", "span_names": ["^login"]},
    ).process(made)

    assert {} == made.spans[0].attributes


def test_spans_without_a_service_have_the_collectors_name_for_it() -> None:
    """So that a rule can be for them."""
    made = batch({})

    processor(
        Attributes,
        actions=[{"key": "k", "action": "insert", "value": 1}],
        include={"match_type": "strict", "services": ["<nil-service-name>"]},
    ).process(made)

    assert {"k": 1} == made.spans[0].attributes


_REGEXP_OF_A_NUMBER = """{
  actions: [{key: a, action: delete}],
  include: {match_type: regexp, attributes: [{key: a}, {key: n, value: 5}]}}"""


@pytest.mark.parametrize(
    ("settings", "path", "said"),
    [
        ("{}", "actions", "it is missing"),
        ("{actions: []}", "actions", "expected at least one"),
        ("{actions: [{action: insert, value: 1}]}", "actions[0].key", "needs the key"),
        ("{actions: [{key: a, action: insert}]}", "actions[0].value", "needs one of value"),
        (
            "{actions: [{key: a, action: insert, value: 1, from_attribute: b}]}",
            "actions[0].from_attribute",
            "the value comes from value already",
        ),
        ("{actions: [{key: a, action: hash, value: 0}]}", "actions[0].value", "does not use it"),
        (
            "{actions: [{key: a, action: upsert, value: 1, pattern: x}]}",
            "actions[0].pattern",
            "does not use",
        ),
        ("{actions: [{action: delete}]}", "actions[0].key", "or a pattern"),
        (
            "{actions: [{pattern: '(', action: delete}]}",
            "actions[0].pattern",
            "no regular expression",
        ),
        ("{actions: [{key: a, action: extract}]}", "actions[0].pattern", "needs a pattern"),
        (
            "{actions: [{key: a, action: extract, pattern: '(a)'}]}",
            "actions[0].pattern",
            "all have names",
        ),
        (
            "{actions: [{key: a, action: convert}]}",
            "actions[0].converted_type",
            "string, int or double",
        ),
        (
            "{actions: [{key: a, action: convert, converted_type: bool}]}",
            "actions[0].converted_type",
            '"double"',
        ),
        ("{actions: [{key: a, action: uspert, value: 1}]}", "actions[0].action", '"upsert"'),
        (
            "{actions: [{key: a, action: insert, from_context: metadata.x-team}]}",
            "actions[0].from_context",
            "keeps no",
        ),
        (
            "{actions: [{key: a, action: delete}], include: {match_type: strict}}",
            "include",
            "at least one of services",
        ),
        (
            "{actions: [{key: a, action: delete}], include: {match_type: regexp, services: ['(']}}",
            "include.services",
            "no regular expression",
        ),
        (
            "{actions: [{key: a, action: delete}], exclude: {match_type: strict, span_kinds: [x]}}",
            "exclude.span_kinds[0]",
            "known: SPAN_KIND_UNSPECIFIED",
        ),
        (
            _REGEXP_OF_A_NUMBER,
            "include.attributes[1].value",
            "must be a text",
        ),
        (
            "{actions: [{key: a, action: delete}], include: {services: [a]}}",
            "include.match_type",
            "it is missing",
        ),
    ],
)
def test_mistakes_are_found_at_once(tmp_path: Path, settings: str, path: str, said: str) -> None:
    """Each with its place, and what to write."""
    [problem] = problems(tmp_path, "attributes", settings)

    assert f"processors.attributes.{path}" == problem.path
    assert said in problem.message
