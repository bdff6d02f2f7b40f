"""What conditions and formulas promise: known names, no failure for absence, early complaints."""

import threading
from collections import UserDict
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from gateway.plugin import Batch, BatchContext, Span, Value
from gateway.testing import batch
from processors.expressions import Condition, EvaluationError, Expression, Level, Subject


def sample() -> Batch:
    made = batch(
        {
            "http.route": "/health",
            "n": 5,
            "share": 0.5,
            "flag": True,
            "list": ["a", "b"],
            "map": {"k": "v"},
            "text": '{"a": {"b": 2}}',
        },
        {"child": True},
        name="GET /health",
        resource={"service.name": "shop"},
        scope="bot.lib",
        context=BatchContext(tenant="search", receiver="otlp", transport="grpc"),
    )
    span = made.spans[0].proto
    span.kind = SpanMessage.SPAN_KIND_SERVER
    span.status.code = Status.STATUS_CODE_ERROR
    span.status.message = "timed out"
    event = span.events.add(name="exception")
    event.attributes.add(key="exception.type").value.string_value = "ValueError"
    return made


def subject_of(made: Batch) -> Subject:
    subject = Subject(made.context)
    subject.look_at(made.spans[0])
    if made.spans[0].peek.events:
        subject.event = made.spans[0].peek.events[0]
    return subject


def met(source: str, level: Level = "span") -> bool:
    return Condition(source, level).bind(subject_of(sample()))()


def value(source: str) -> Value:
    return Expression(source).bind(subject_of(sample()))()


@pytest.mark.parametrize(
    "source",
    [
        'span.attributes["http.route"] == "/health"',
        'attributes["http.route"] == "/health"',
        "span.attributes['n'] == 5 && span.attributes['n'] < 5.5",
        "attributes.flag",
        'attributes["list"].exists(each, each == "b")',
        'attributes["list"][1] == "b"',
        'attributes["map"].k == "v"',
        '"b" in attributes["list"]',
        'span.name == "GET /health"',
        'name.startsWith("GET") && name.endsWith("health") && name.contains("/")',
        'name.matches("^GET /[a-z]+$")',
        'IsMatch(name, "^GET")',
        'span.kind == "SERVER" && kind == SPAN_KIND_SERVER',
        'span.status == "ERROR" && status.code == STATUS_CODE_ERROR',
        'span.status.message == "timed out"',
        "span.is_root && span.is_error",
        "span.duration_ms == 0.5",
        "span.end_time_unix_nano - span.start_time_unix_nano == 500000",
        "size(span.trace_id) == 32 && size(span_id) == 16",
        'span.parent_span_id == ""',
        '"exception" in span.event_names',
        'resource.attributes["service.name"] == "shop"',
        'scope.name == "bot.lib" && instrumentation_scope.name == "bot.lib"',
        'tenant == "search" && receiver == "otlp" && transport == "grpc"',
        'span.attributes.exists(key, key.startsWith("http."))',
        "size(span.attributes) == 7",
        'name == "x" ? false : true',
        'name in ["GET /health", "x"]',
        'name == r"GET /health" // a remark, "with" \'quotes\'',
        "1e-3 < 0x10 && .5 == 0.5",
        '"span.name" != span.name',
    ],
)
def test_conditions_that_are_met(source: str) -> None:
    """The names of CEL's and the Collector's users mean what they say."""
    assert met(source)


@pytest.mark.parametrize(
    ("source", "level"),
    [
        ('name == "exception"', "spanevent"),
        ('attributes["exception.type"] == "ValueError" && span.name != ""', "spanevent"),
        ('spanevent.time_unix_nano == 0 && "exception.type" in attributes', "spanevent"),
        ('attributes["service.name"] == "shop" && tenant == "search"', "resource"),
        ('name == "bot.lib" && resource.attributes["service.name"] == "shop"', "scope"),
    ],
)
def test_short_names_are_those_of_the_level(source: str, level: Level) -> None:
    """Without a prefix, ``attributes`` and ``name`` are those of what is asked about."""
    assert met(source, level)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('attributes["absent"] == "x"', False),
        ('attributes["absent"] != "x"', True),
        ('attributes["absent"] == null && attributes["absent"] == nil', True),
        ('attributes["n"] != null', True),
        ('attributes["absent"] > 5', False),
        ('attributes["absent"] > 5 || name != ""', True),
        ('attributes["absent"].startsWith("x")', False),
        ('!attributes["absent"].contains("x")', True),
        ('IsMatch(attributes["absent"], "x")', False),
        ('attributes["absent"]["deeper"] == 1', False),
        ('"absent" in span.attributes', False),
        ('!("absent" in span.attributes) && "n" in span.attributes', True),
        ("has(span.attributes.n) && !has(span.attributes.absent)", True),
        ("attributes.absent", False),
    ],
)
def test_absent_attributes_do_not_fail(source: str, expected: bool) -> None:
    """Absence is ``null``: unequal to everything, and a condition that needs more is not met."""
    assert expected is met(source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('span.name + " by " + resource.attributes["service.name"]', "GET /health by shop"),
        ("span.name.substring(0, 3).lowerAscii()", "get"),
        ("span.name.upperAscii()", "GET /HEALTH"),
        ('"  x ".trim()', "x"),
        ('span.name.replace("GET ", "")', "/health"),
        ('"a,b".split(",")', ["a", "b"]),
        ('parseJson(attributes["text"]).a.b', 2),
        ('parseJson("{")', None),
        ("sha256('abc').substring(0, 8)", "ba7816bf"),
        ('attributes["n"] * 2', 10),
        ('attributes["share"] * 2.0', 1.0),
        ("string(attributes['n']) + '!'", "5!"),
        ('attributes["absent"]', None),
        ('attributes["absent"] + "x"', None),
        ("attributes['map']", {"k": "v"}),
        ("span.name.substring(-1)", None),
        ("upperAscii(attributes['n'])", None),
        ("lowerAscii()", None),
    ],
)
def test_formulas(source: str, expected: object) -> None:
    """Formulas give values; what does not fit gives nothing."""
    assert expected == value(source)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "the expression is empty"),
        ('span.nam == "x"', "did you mean span.name"),
        ('nmae == "x"', "did you mean name"),
        ('atributes["x"] == 1', "did you mean attributes"),
        ('span.atributes["x"] == 1', "did you mean"),
        ("kind == SPAN_KIND_SERVR", "did you mean"),
        ("span.attributes.http.route == 1", r'write span.attributes\["http.route"\]'),
        ('spanevent.name == "x"', "sees no spanevent"),
        ('name.startWith("x")', "did you mean startsWith"),
        ("nope(1) == 1", "known functions: matches"),
        ('attributes["list"].exists(name, name == "a")', '"name" is a name already'),
        ('attributes["list"].exists(span, span == "a")', '"span" is a name already'),
        ('name = "x"', 'column 6.*write "=="'),
        ('name == "x" and true', 'column 13.*write "&&"'),
        ('name == "x" or true', r'write "\|\|"'),
        ('not IsMatch(name, "x")', 'write "!"'),
        ('has(attributes["x"])', '"key" in span.attributes'),
        ('name == "\\d"', "double each backslash"),
        ('name == "x" &&\n  (', "line 2, column"),
        ("span.name", "true or false, found one whose result is a text"),
        ("span.duration_ms", "a number"),
        ("span.name > 5", "No such overload"),
        ('span.kind + 1 == "x"', "Unsupported operation"),
        ('name.matches("(")', "is no regular expression: missing"),
        ('IsMatch(attributes["x"], "[")', "is no regular expression: missing"),
        ("true" + " " * 10_000, "at most 10000 characters"),
    ],
)
def test_mistakes_are_found_at_once(source: str, said: str) -> None:
    """What can be known before the first span is said then, with what to write."""
    with pytest.raises(ValueError, match=said):
        Condition(source)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('attributes["n"] + "x" == "5x"', "the types of the values do not fit"),
        ('attributes["n"] < "x"', "the types of the values do not fit"),
        ('attributes["n"] / 0 == 1', "division by zero"),
        ('attributes["list"][7] == "a"', "no such key or position"),
        ('int(attributes["http.route"]) == 1', "could not be converted"),
        ('attributes["n"]', "neither true nor false"),
    ],
)
def test_failures_show_no_values(source: str, said: str) -> None:
    """What fails on a span names the condition and the reason, never what the span holds."""
    with pytest.raises(EvaluationError, match=said) as failure:
        met(source)

    assert source in str(failure.value)
    assert "/health" not in str(failure.value)


def test_functions_do_not_print(capfd: pytest.CaptureFixture[str]) -> None:
    """The library prints what its callbacks raise, so ours raise nothing."""
    for call in ("substring('x', 'y')", "split(1)", "replace('x')", "sha256(1)", "parseJson(1)"):
        assert value(call) is None
    for call in ("matches(1)", "matches('x', '(' + '')", "contains(1, 1)", "endsWith()"):
        assert not met(f"{call} || false")

    assert ("", "") == capfd.readouterr()


def test_reads_only_what_it_needs() -> None:
    """What a condition does not come to is not decoded."""
    made = sample()
    read: list[str] = []

    class Spying(UserDict[str, Value]):
        def __getitem__(self, key: str) -> Value:
            read.append(key)
            return super().__getitem__(key)

    subject = subject_of(made)
    spied = SimpleNamespace(name=made.spans[0].name, attributes=Spying(made.spans[0].attributes))
    subject.span = cast("Span", spied)
    read.clear()

    condition = Condition('name == "other" && attributes["n"] == 1 || attributes["flag"]')

    assert condition.bind(subject)()
    assert ["flag"] == read


def test_reading_leaves_the_received_bytes() -> None:
    """A batch that was only asked about is forwarded as it came."""
    made = batch({"n": 1}, resource={"a": "b"})
    subject = Subject(made.context)
    for span in made:
        subject.look_at(span)
        for source in (
            'attributes["n"] == 2',
            "size(attributes) > 3",
            'kind == "X" || status == ""',
        ):
            Condition(source).bind(subject)()

    assert made.untouched


def test_follows_the_subject() -> None:
    """One binding serves all spans of a batch."""
    made = sample()
    subject = Subject(made.context)
    is_root = Condition("span.is_root").bind(subject)
    seen = []
    for span in made:
        subject.look_at(span)
        seen.append(is_root())

    assert [True, False] == seen


def test_serves_several_threads() -> None:
    """Batches are processed side by side with one processor."""
    condition = Condition('attributes["n"] == 5 && name.matches("^GET")')
    wrong: list[bool] = []

    def work() -> None:
        ask: Callable[[], bool] = condition.bind(subject_of(sample()))
        wrong.extend(answer for answer in (ask() for _ in range(500)) if not answer)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == wrong
