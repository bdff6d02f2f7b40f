"""What ``transform`` promises: one small change each, on what meets its condition."""

from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from gateway.plugin import Batch, Reject, Value
from gateway.testing import batch, processor
from processors.transform import Transform
from tests.processors.configuring import problems
from tests.processors.watching import watched


def run(made: Batch, *statements: dict[str, Any], **settings: Any) -> Batch:
    """Return what statements make of a batch, after encoding."""
    out = processor(Transform, statements=list(statements), **settings).process(made)
    return Batch(out.encode(), out.context)


def attributes(before: dict[str, Value], *statements: dict[str, Any]) -> dict[str, Value]:
    """Return what statements make of one span's attributes."""
    return dict(run(batch(before), *statements).spans[0].attributes)


def test_changes_only_what_meets_the_condition() -> None:
    """Statements run in order, and each sees what those before it wrote."""
    made = batch({"http.route": "/health"}, {"http.route": "/cart"}, name="GET")

    out = run(
        made,
        {"when": 'span.attributes["http.route"] == "/health"', "set": {"name": "health"}},
        {"when": 'name == "health"', "set": {"probe": True}},
    )

    assert [("health", True), ("GET", None)] == [
        (span.name, span.attributes.get("probe")) for span in out
    ]


def test_sets_values_of_every_type() -> None:
    """A value has the type that YAML gave it."""
    values: dict[str, Value] = {"s": "", "i": 1, "f": 1.0, "b": False, "l": [1, "a"], "m": {"k": 2}}

    written = attributes({}, {"set": values})

    assert values == written
    assert [str, int, float, bool, list, dict] == [type(value) for value in written.values()]


def test_sets_fields() -> None:
    """The fields of a span are named as in conditions, short or in full."""
    out = run(
        batch({}, name="old"),
        {
            "set": {
                "span.name": "new",
                "kind": "SPAN_KIND_SERVER",
                "status": "ERROR",
                "status.message": "bad",
            }
        },
    )

    span = out.spans[0].peek
    assert ("new", SpanMessage.SPAN_KIND_SERVER, 2, "bad") == (
        span.name,
        span.kind,
        span.status.code,
        span.status.message,
    )


def test_an_attribute_may_have_the_name_of_a_field() -> None:
    """In brackets it is the attribute."""
    out = run(
        batch({}, name="old"), {"set": {'attributes["name"]': "x", 'span.attributes["kind"]': 1}}
    )

    assert ("old", {"name": "x", "kind": 1}) == (out.spans[0].name, dict(out.spans[0].attributes))


def test_changes_resources_scopes_and_events() -> None:
    """Each in its own context; a resource is changed once."""
    made = batch({}, {}, resource={"service.name": "shop"}, scope="lib")
    event = made.spans[0].proto.events.add(name="exception")
    event.attributes.add(key="exception.stacktrace").value.string_value = "x" * 100

    out = run(
        made,
        {"context": "resource", "compute": {"service.name": 'attributes["service.name"] + "!"'}},
        {"context": "scope", "set": {"name": "renamed", "version": "2", "team": "search"}},
        {"context": "spanevent", "when": 'name == "exception"', "truncate": {"limit": 10}},
        {"context": "spanevent", "set": {"name": "error", 'attributes["n"]': 1}},
    )

    span = out.spans[0]
    assert "shop!" == span.resource.attributes["service.name"]
    assert ("renamed", "2", "search") == (
        span.scope.name,
        span.scope.version,
        span.scope.attributes["team"],
    )
    [event] = span.peek.events
    assert ("error", ["x" * 10, ""]) == (
        event.name,
        [each.value.string_value for each in event.attributes],
    )


def test_computes() -> None:
    """Formulas read whatever a condition can; nothing is written where there is nothing."""
    made = batch(
        {"a": 2, "text": '{"user": {"id": "ada"}}'}, name="chat", resource={"service.name": "shop"}
    )

    out = run(
        made,
        {
            "compute": {
                "label": 'resource.attributes["service.name"] + "/" + span.name',
                "double": 'attributes["a"] * 2',
                "user.id": 'parseJson(attributes["text"]).user.id',
                "absent": 'attributes["nope"]',
                "also absent": 'attributes["nope"] + "x"',
                "when": 'timestamp("2026-01-01T00:00:00Z")',
                "name": "span.name.upperAscii()",
            }
        },
    )

    assert {
        "a": 2,
        "text": made.spans[0].attributes["text"],
        "label": "shop/chat",
        "double": 4,
        "user.id": "ada",
    } == dict(out.spans[0].attributes)
    assert "CHAT" == out.spans[0].name


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ({"rename": {"a": "z", "absent": "y"}}, {"b.x": "2", "b.y": 3, "z": "1"}),
        ({"rename": {"a": "b.x"}}, {"b.x": "1", "b.y": 3}),
        ({"rename": {"a": "a"}}, {"a": "1", "b.x": "2", "b.y": 3}),
        ({"delete": ["a", "absent"]}, {"b.x": "2", "b.y": 3}),
        ({"delete_matching": r"^b\."}, {"a": "1"}),
        ({"keep": ["a", "absent"]}, {"a": "1"}),
        ({"keep": []}, {}),
        ({"keep_matching": "[xy]$"}, {"b.x": "2", "b.y": 3}),
        ({"limit": {"count": 1}}, {"a": "1"}),
        ({"limit": {"count": 2, "keep": ["b.y"]}}, {"a": "1", "b.y": 3}),
        ({"limit": {"count": 9}}, {"a": "1", "b.x": "2", "b.y": 3}),
        ({"limit": {"count": 0}}, {}),
    ],
)
def test_renames_and_removes(statement: dict[str, Any], expected: dict[str, Value]) -> None:
    """By key or by pattern, and by number."""
    assert expected == attributes({"a": "1", "b.x": "2", "b.y": 3}, statement)


def test_shortens_texts() -> None:
    """By characters, never within one; only the named ones where some are named."""
    before: dict[str, Value] = {"long": "äöüß", "other": "abcdef", "n": 123456, "list": ["abcdef"]}

    assert {**before, "long": "äö", "other": "ab"} == attributes(before, {"truncate": {"limit": 2}})
    assert {**before, "long": "äö"} == attributes(
        before, {"truncate": {"limit": 2, "keys": ["long", "n"]}}
    )
    assert {**before, "long": "", "other": ""} == attributes(before, {"truncate": {"limit": 0}})


def test_replaces_what_a_pattern_matches() -> None:
    """In attributes and in fields, with groups."""
    made = batch({"url": "/users/123/orders/456", "n": 123}, name="GET /users/123")
    replace = {
        "pattern": r"/users/(\d+)",
        "replacement": "/users/{id $1}",
        "keys": ["name", "url", "n"],
    }

    out = run(made, {"replace": replace})

    assert ("GET /users/{id 123}", "/users/{id 123}/orders/456", 123) == (
        out.spans[0].name,
        out.spans[0].attributes["url"],
        out.spans[0].attributes["n"],
    )
    assert {"a": "xx", "b": "-"} == attributes(
        {"a": "xx", "b": "123"}, {"replace": {"pattern": r"\d+", "replacement": "-"}}
    )


@pytest.mark.parametrize(
    "statement",
    [
        {"when": "false", "set": {"x": 1}},
        {
            "set": {
                "a": "1",
                "name": "span",
                "kind": "INTERNAL",
                "status": "UNSET",
                "status.message": "",
            }
        },
        {"compute": {"a": "'1'", "name": "span.name"}},
        {"context": "resource", "set": {"team": "x"}},
        {"context": "scope", "set": {"name": "test", "version": ""}},
        {"rename": {"absent": "b"}},
        {"delete": ["absent"]},
        {"truncate": {"limit": 100}},
        {"replace": {"pattern": "zzz", "replacement": ""}},
        {"limit": {"count": 5}},
    ],
)
def test_no_change_leaves_the_received_bytes(statement: dict[str, Any]) -> None:
    """A batch to which nothing happens is forwarded as it came."""
    made = batch({"a": "1"}, resource={"team": "x"})

    assert processor(Transform, statements=[statement]).process(made).untouched


async def test_an_expression_that_fails_leaves_the_span_as_it_is() -> None:
    """It is counted and told without its values, and the other changes are made."""
    made = batch({"n": "secret"}, {"n": 2})
    statements = [
        {"when": 'attributes["n"] > 1', "set": {"big": True}},
        {"compute": {"next": 'attributes["n"] + 1', "ok": "1"}},
    ]
    watching = await watched(Transform, statements=statements)

    out = watching.processor.process(made)

    assert [{"n": "secret", "ok": 1}, {"n": 2, "big": True, "next": 3, "ok": 1}] == [
        dict(span.attributes) for span in out
    ]
    assert {"expression_errors": 2} == watching.counts
    assert 2 == len(watching.warnings)
    assert "secret" not in str(watching.warnings)


def test_failures_may_refuse_the_batch() -> None:
    """``error_mode: propagate``."""
    with pytest.raises(Reject, match="propagate"):
        run(
            batch({"n": "x"}),
            {"when": 'attributes["n"] > 1', "delete": ["n"]},
            error_mode="propagate",
        )


@pytest.mark.parametrize(
    ("statement", "path", "said"),
    [
        ("when: 'true'", "", "exactly one of set, compute"),
        ("{set: {a: 1}, delete: [b]}", "", "found set, delete"),
        ("{when: 'nam == 1', delete: [a]}", ".when", "did you mean name"),
        ("{when: name, delete: [a]}", ".when", "true or false"),
        ("{set: {span.nme: x}}", ".set", "did you mean span.name"),
        ("{set: {a: }}", ".set", "delete: [a]"),
        ("{set: {kind: FOO}}", ".set", "one of UNSPECIFIED, INTERNAL"),
        ("{set: {'resource.attributes[\"x\"]': 1}}", ".set", "write context: resource"),
        ("{context: resource, set: {span.name: x}}", ".set", "write context: span"),
        ("{compute: {a: spam}}", ".compute", 'spam: "spam" is not known'),
        ("{rename: {name: b}}", ".rename", 'attributes["name"]'),
        ("{delete: [a, name]}", ".delete[1]", 'attributes["name"]'),
        ("{delete_matching: '('}", ".delete_matching", "no regular expression"),
        ("{truncate: {limit: -1}}", ".truncate.limit", "0 or more"),
        ("{truncate: {}}", ".truncate.limit", "missing"),
        ("{limit: {count: -1}}", ".limit.count", "0 or more"),
        ("{replace: {pattern: '(', replacement: x}}", ".replace.pattern", "no regular expression"),
        ("{replace: {pattern: a, replacement: $$1}}", ".replace.replacement", "no group"),
        ("{context: trace, delete: [a]}", ".context", '"span"'),
    ],
)
def test_mistakes_are_found_at_once(tmp_path: Path, statement: str, path: str, said: str) -> None:
    """Each with its place, and what to write."""
    one = statement if statement.startswith("{") else f"{{{statement}}}"
    [problem] = problems(tmp_path, "transform", f"{{statements: [{{delete: [a]}}, {one}]}}")

    assert f"processors.transform.statements[1]{path}" == problem.path
    assert said in problem.message


def test_needs_something_to_do(tmp_path: Path) -> None:
    """Without statements it is a mistake."""
    [problem] = problems(tmp_path, "transform", "{statements: []}")

    assert "processors.transform.statements" == problem.path
