"""What ``filter`` promises: what meets a condition goes, all else stays as it came."""

from pathlib import Path
from typing import Any

import pytest

from gateway.plugin import Batch, Reject
from gateway.testing import batch, processor
from processors.filter import Filter
from tests.processors.configuring import problems
from tests.processors.watching import watched


def numbered(count: int = 4, **about: Any) -> Batch:
    """Return a batch of spans that know their number."""
    return batch(*({"n": number} for number in range(count)), **about)


def left(made: Batch, **settings: Any) -> list[object]:
    """Return the numbers of the spans that a filter leaves."""
    return [span.attributes["n"] for span in processor(Filter, **settings).process(made)]


def test_drops_spans_that_meet_any_condition() -> None:
    """The conditions are alternatives, as in the Collector."""
    conditions = ['span.attributes["n"] == 1', 'attributes["n"] > 2']

    assert [0, 2] == left(numbered(), traces={"span": conditions})


def test_what_is_dropped_is_gone_from_the_request() -> None:
    """Also from the encoded form, with the scopes and resources that it leaves empty."""
    out = processor(Filter, traces={"span": ["span.is_root"]}).process(numbered())
    none = processor(Filter, traces={"span": ["true"]}).process(numbered())

    assert [1, 2, 3] == [span.attributes["n"] for span in Batch(out.encode())]
    assert (0, b"") == (len(none), none.encode())


def test_drops_all_spans_of_a_resource() -> None:
    """A condition on the resource is asked once and concerns what it emitted."""
    made = numbered(resource={"service.name": "noise"})
    other = numbered(2, resource={"service.name": "shop"})
    made.request.MergeFrom(other.peek)

    out = processor(Filter, traces={"resource": ['attributes["service.name"] == "noise"']}).process(
        made
    )

    assert ["shop", "shop"] == [span.resource.attributes["service.name"] for span in out]


def test_drops_span_events_and_keeps_their_spans() -> None:
    """Even a span that loses all its events stays; events that match nothing stay too."""
    made = numbered(2)
    first, second = made.spans
    first.proto.events.add(name="gen_ai.content.prompt")
    for name in ("a", "gen_ai.content.prompt", "b"):
        event = second.proto.events.add(name=name)
        event.attributes.add(key="size").value.int_value = len(name)

    out = processor(
        Filter,
        traces={
            "spanevent": [
                'name.startsWith("gen_ai.content") && span.attributes["n"] >= 0',
                'attributes["size"] == 99',
            ]
        },
    ).process(made)

    assert [[], ["a", "b"]] == [
        [event.name for event in span.peek.events] for span in Batch(out.encode())
    ]


def test_flat_conditions_drop_what_they_speak_of() -> None:
    """The Collector's ``trace_conditions``: span events where named, else spans."""
    made = numbered(3)
    made.spans[2].proto.events.add(name="noise")
    conditions = ['span.attributes["n"] == 0', 'spanevent.name == "noise"']

    out = processor(Filter, trace_conditions=conditions).process(made)

    assert [(1, 0), (2, 0)] == [(span.attributes["n"], len(span.peek.events)) for span in out]


def test_keeps_by_include_and_drops_by_exclude() -> None:
    """The Collector's older ``spans``; conditions beside it count as well."""
    made = batch(*({"n": n} for n in range(3)), resource={"service.name": "shop"})
    spans = {
        "include": {"match_type": "strict", "attributes": [{"key": "n"}], "services": ["shop"]},
        "exclude": {"match_type": "regexp", "attributes": [{"key": "n", "value": "^2$"}]},
    }

    assert [0] == left(made, spans=spans, traces={"span": ['attributes["n"] == 1']})
    assert [] == left(numbered(), spans={"include": {"match_type": "strict", "services": ["shop"]}})


@pytest.mark.parametrize(
    "settings",
    [
        {"traces": {"span": ['attributes["n"] > 100', 'name == "x"'], "resource": ["false"]}},
        {"traces": {"spanevent": ["true"]}},
        {"spans": {"exclude": {"match_type": "strict", "span_names": ["x"]}}},
    ],
)
def test_no_hit_leaves_the_received_bytes(settings: dict[str, Any]) -> None:
    """A batch of which nothing is dropped is forwarded as it came."""
    assert processor(Filter, **settings).process(numbered()).untouched


async def test_a_condition_that_fails_is_told_and_not_met() -> None:
    """One span of another type harms neither itself nor its neighbours; no value is logged."""
    made = batch({"n": 9}, {"n": "secret"}, {"n": 1}, {})
    watching = await watched(Filter, traces={"span": ['attributes["n"] > 5']})

    out = watching.processor.process(made)

    assert ["secret", 1, None] == [span.attributes.get("n") for span in out]
    assert {"expression_errors": 1} == watching.counts
    [(event, fields)] = watching.warnings
    assert 'attributes["n"] > 5' in fields["reason"]
    assert "secret" not in f"{event}{fields}"


async def test_a_condition_that_goes_on_failing_is_told_once_a_minute() -> None:
    """A sender of another type does not fill the log; the counter goes on."""
    watching = await watched(Filter, traces={"span": ['attributes["n"] > 5']})

    for _ in range(3):
        watching.processor.process(batch({"n": "x"}))
    watching.clock.advance(61)
    watching.processor.process(batch({"n": "x"}))

    assert (2, {"expression_errors": 4}) == (len(watching.warnings), watching.counts)


async def test_silence_and_refusal_can_be_asked_for() -> None:
    """``silent`` counts only; ``propagate`` refuses the batch with the reason."""
    settings = {"traces": {"span": ['attributes["n"] > 5']}}
    silent = await watched(Filter, error_mode="silent", **settings)
    strict = await watched(Filter, error_mode="propagate", **settings)

    assert 1 == len(silent.processor.process(batch({"n": "x"})))
    assert ({"expression_errors": 1}, []) == (silent.counts, silent.warnings)
    with pytest.raises(Reject, match=r'attributes\["n"\] > 5: the types'):
        strict.processor.process(batch({"n": "x"}))


def test_every_mistake_has_its_place(tmp_path: Path) -> None:
    """All conditions are checked in one go, each with the line of the list that it stands on."""
    settings = """
    traces:
      span:
        - name == "ok"
        - nam == "x"
        - name = "x"
      spanevent: [name]
    trace_conditions: ['spanevent.nam == ""']
    spans: {include: {match_type: strict}}
"""

    found = problems(tmp_path, "filter", settings)

    assert [
        ("9", "processors.filter.traces.span[1]"),
        ("10", "processors.filter.traces.span[2]"),
        ("11", "processors.filter.traces.spanevent[0]"),
        ("12", "processors.filter.trace_conditions[0]"),
        ("13", "processors.filter.spans.include"),
    ] == [(problem.where.rpartition(":")[2], problem.path) for problem in found]


def test_flat_conditions_are_checked(tmp_path: Path) -> None:
    """At the level that they speak of."""
    [problem] = problems(
        tmp_path, "filter", "{trace_conditions: ['true', 'spanevent.nam == \"\"']}"
    )

    assert "processors.filter.trace_conditions[1]" == problem.path
    assert "did you mean spanevent.name" in problem.message


def test_needs_something_to_drop(tmp_path: Path) -> None:
    """Without conditions it is a mistake."""
    [problem] = problems(tmp_path, "filter", "{}")

    assert "processors.filter.traces.span" == problem.path
    assert "expected at least one condition" in problem.message


def test_fails_closed() -> None:
    """What should be dropped is never passed on."""
    assert "reject" == Filter.on_error


def reasons(made: Batch, **settings: Any) -> list[str]:
    """Return why a filter drops spans, each reason once."""
    processor(Filter, **settings).process(made).note_drops("filter")
    return [dropped.reason for dropped in made.dropped]


def test_says_which_condition_dropped_a_span() -> None:
    """The reason is the first condition that was met, whatever it is about."""
    service = numbered(resource={"service.name": "noise"})
    conditions = {
        "resource": ['resource.attributes["service.name"] == "noise"'],
        "span": ["span.attributes.n == 0", "span.attributes.n == 1", "span.attributes.n < 2"],
    }

    assert conditions["span"][:2] == reasons(numbered(), traces=conditions)
    assert conditions["resource"] == reasons(service, traces=conditions)


def test_says_which_part_of_the_older_form_dropped_a_span() -> None:
    """``include`` and ``exclude`` are told apart."""
    nothing = {"match_type": "strict", "span_names": ["other"]}
    everything = {"match_type": "strict", "span_names": ["span"]}

    assert ["spans.include"] == reasons(numbered(), spans={"include": nothing})
    assert ["spans.exclude"] == reasons(numbered(), spans={"exclude": everything})
