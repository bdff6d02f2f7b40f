"""What ``tags`` promises: each trace has the tags of the schema, or one sees that it has not."""

from pathlib import Path
from typing import Any

import pytest

from gateway.plugin import Batch, Reject, Value
from gateway.testing import batch, processor
from processors.mlflow_mapping.identity import short_id
from processors.tags import INVALID, MISSING, Tags
from tests.processors.configuring import problems
from tests.processors.watching import watched

TAG = "mlflow.traceTag."


def run(made: Batch, **schema: Any) -> Batch:
    """Return what a schema makes of a batch."""
    return processor(Tags, **({"schema": schema} if schema else {})).process(made)


def root(made: Batch) -> dict[str, Value]:
    return dict(made.spans[0].attributes)


def test_writes_what_mlflow_reads() -> None:
    """User and session by their own keys, the name and all else as trace tags on the root."""
    made = batch(
        {"enduser.id": "ada", "gen_ai.conversation.id": "s1", "team": 7, "title": "Order"},
        {},
        resource={"deployment.environment.name": "prod"},
    )

    out = run(made, user={}, session={}, environment={}, team={}, trace_name={"from": ["title"]})

    assert {
        "user.id": "ada",
        "session.id": "s1",
        TAG + "environment": "prod",
        TAG + "team": "7",
        TAG + "mlflow.traceName": "Order",
    }.items() <= root(out).items()
    assert {} == out.spans[1].attributes


def test_without_settings_asks_for_user_session_and_environment() -> None:
    """What is missing is marked on the root, in a tag that MLflow can search."""
    out = run(batch({"user.id": "ada"}))

    assert {"user.id": "ada", MISSING: "session, environment"} == root(out)


def test_looks_in_order() -> None:
    """The root, its resource, the other spans; the keys in the order of the list."""
    made = batch({"b": "root"}, {"a": "child"}, resource={"a": "resource"})

    assert "root" == root(run(made, x={"from": ["b", "a"]}))[TAG + "x"]
    assert "root" == root(run(made, x={"from": ["a", "b"]}))[TAG + "x"]
    assert "resource" == root(run(made, y={"from": ["a", "nope"]}))[TAG + "y"]
    assert "child" == root(run(batch({}, {"a": "child"}), y={"from": ["a"]}))[TAG + "y"]


@pytest.mark.parametrize("empty", ["", [], None])
def test_empty_is_missing(empty: Value) -> None:
    """A key with nothing in it does not count."""
    assert {"team": empty, MISSING: "team"} == root(run(batch({"team": empty}), team={}))


@pytest.mark.parametrize(
    "schema", [{"default": "dev"}, {"default": "dev", "on_missing": "default"}]
)
def test_writes_the_default(schema: dict[str, Any]) -> None:
    """A default that is given is used."""
    assert {TAG + "env": "dev"} == root(run(batch({}), env=schema))


def test_can_ignore() -> None:
    """An optional tag leaves no trace where it is missing, nor the bytes changed."""
    out = run(batch({}), team={"on_missing": "ignore"})

    assert out.untouched


def test_refuses_a_trace_without_a_required_tag() -> None:
    """The sender is told which, and where to put it."""
    with pytest.raises(
        Reject, match=r"tag user of trace [0-9a-f]{32} is missing: set one of user.id"
    ):
        run(batch({}), user={"on_missing": "reject"})


@pytest.mark.parametrize("check", [{"allowed": ["prod", "dev"]}, {"pattern": "prod|dev"}])
def test_checks_values(check: dict[str, Any]) -> None:
    """The whole value must be allowed; otherwise it is marked and kept, replaced or refused."""
    good = run(batch({"env": "dev"}), env=check)
    marked = run(batch({"env": "devel"}), env=check)
    replaced = run(batch({"env": "devel"}), env={**check, "default": "dev"})

    assert {"env": "dev", TAG + "env": "dev"} == root(good)
    assert {"env": "devel", TAG + "env": "devel", INVALID: "env"} == root(marked)
    assert {"env": "devel", TAG + "env": "dev"} == root(replaced)
    with pytest.raises(Reject, match=r"tag env of trace .* is not allowed") as refusal:
        run(batch({"env": "devel"}), env={**check, "on_invalid": "reject"})
    assert "devel" not in str(refusal.value)


def test_missing_and_invalid_may_differ() -> None:
    """A value that is wrong can be refused where none at all gets a default."""
    schema = {"allowed": ["a"], "default": "a", "on_invalid": "reject"}

    assert {TAG + "x": "a"} == root(run(batch({}), x=schema))
    with pytest.raises(Reject):
        run(batch({"x": "b"}), x=schema)


def test_a_part_without_the_root_is_not_judged() -> None:
    """Its user and session are written, since MLflow reads them on any span; nothing else."""
    made = batch({}, {"user_id": "ada"}, {"other": 1})
    made.drop(made.spans[0])

    out = run(
        made,
        user={"on_missing": "reject"},
        session={"on_missing": "reject"},
        team={"on_missing": "reject"},
    )

    assert [{"user_id": "ada", "user.id": "ada"}, {"other": 1}] == [
        dict(span.attributes) for span in out
    ]


def test_a_part_that_says_it_already_stays_as_it_is() -> None:
    """The received bytes are kept where a span has the user."""
    made = batch({"a": 1}, {"user.id": "ada"})
    request = Batch(made.encode())
    del request.request.resource_spans[0].scope_spans[0].spans[0]

    assert run(Batch(request.encode()), user={}).untouched


def test_traces_are_apart() -> None:
    """What one trace says is no tag of another."""
    out = run(batch({"user.id": "ada"}, {"user.id": "bob"}, {}, one_trace=False), user={})

    assert [{"user.id": "ada"}, {"user.id": "bob"}, {MISSING: "user"}] == [
        dict(span.attributes) for span in out
    ]


def test_long_ids_are_shortened() -> None:
    """MLflow refuses the whole request for a longer session; the same one stays the same."""
    long = "s" * 300

    assert short_id(long) == root(run(batch({"session_id": long}), session={}))["session.id"]
    assert 250 == len(short_id(long))


async def test_counts_what_is_wrong() -> None:
    """By tag and problem, once a trace."""
    watching = await watched(Tags, schema={"user": {}, "env": {"allowed": ["a"]}})

    watching.processor.process(batch({"env": "b"}, {"env": "a"}, one_trace=False))

    assert {
        "tags problem=missing tag=user": 2,
        "tags problem=invalid tag=env": 1,
    } == watching.counts


@pytest.mark.parametrize(
    ("settings", "path", "said"),
    [
        ("{schema: {}}", "schema", "at least one tag"),
        ("{schema: {'a?': {}}}", "schema", '"a?" cannot be the name'),
        ("{schema: {mlflow.x: {}}}", "schema", "cannot be the name"),
        ("{schema: {a: {on_missing: default}}}", "schema.a.default", "expected the value"),
        ("{schema: {a: {default: x, allowed: [y]}}}", "schema.a.default", "not an allowed value"),
        ("{schema: {a: {pattern: '('}}}", "schema.a.pattern", "no regular expression"),
        ("{schema: {a: {on_missing: drop}}}", "schema.a.on_missing", '"reject"'),
        ("{schema: {a: {form: [x]}}}", "schema.a.form", "unknown key"),
    ],
)
def test_mistakes_are_found_at_once(tmp_path: Path, settings: str, path: str, said: str) -> None:
    """Each with its place, and what to write."""
    [problem] = problems(tmp_path, "tags", settings)

    assert f"processors.tags.{path}" == problem.path
    assert said in problem.message
