"""What the demo's agents promise: real traces of everything that goes right and wrong."""

import pytest

from gateway.demo import children, people
from gateway.demo.report import Sent, expected_spans
from gateway.plugin import Span
from tests.interop.recording import Recording, recording_gateway

pytestmark = pytest.mark.slow


async def play(module: str, *scenes: str, protocol: str) -> tuple[Sent, Recording]:
    async with recording_gateway() as gateway:
        variables = gateway.environment(protocol)
        sent = await children.run_agent(
            module, *scenes, protocol=protocol, endpoint=variables["OTEL_EXPORTER_OTLP_ENDPOINT"]
        )
    return sent, gateway


def arrived(gateway: Recording) -> dict[str, set[str]]:
    traces: dict[str, set[str]] = {}
    for span in gateway.spans:
        traces.setdefault(span.trace_id.hex(), set()).add(span.span_id.hex())
    return traces


def kinds(spans: list[Span]) -> set[object]:
    return {span.attributes.get("openinference.span.kind") for span in spans}


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_the_trip_planner_holds_a_session(protocol: str) -> None:
    """Three turns are three traces of one session and user, and what it says it sent arrives."""
    sent, gateway = await play("trip_planner", "session", protocol=protocol)

    assert {t: set(s) for t, s in expected_spans([sent]).items()} == arrived(gateway)
    assert 3 == len(sent.traces)
    assert {"AGENT", "LLM", "TOOL"} == kinds(gateway.spans)
    assert {"paris-trip"} == {span.attributes.get("session.id") for span in gateway.spans}
    assert {"ada"} == {span.attributes.get("user.id") for span in gateway.spans}


async def test_the_trip_planner_tries_again() -> None:
    """In the second turn the tool asks for a retry, is called again, and all ends well."""
    sent, gateway = await play("trip_planner", "session", protocol="grpc")

    second = [s for s in gateway.spans if s.trace_id.hex() == sent.traces[1].trace_id]
    (root,) = [span for span in second if span.is_root]
    searches = [span.is_error for span in second if span.name == "execute_tool find_train"]
    assert [True, False] == searches
    assert not root.is_error
    assert "TGV 6602" in str(root.attributes["output.value"])


async def test_the_trip_planner_is_told_secrets() -> None:
    """The last turn holds an address, a card and a key, all of them made up."""
    sent, gateway = await play("trip_planner", "session", protocol="grpc")

    assert [[], [], sorted(people.PLANTED)] == [trace.planted for trace in sent.traces]
    prompt = [s.attributes.text("input.value") for s in gateway.spans if s.is_root][-1]
    assert all(value in str(prompt) for value in people.PLANTED)


async def test_the_trip_planner_fails() -> None:
    """A broken tool ends the run, and its root span, in ERROR."""
    sent, gateway = await play("trip_planner", "failure", protocol="http/protobuf")

    (root,) = [span for span in gateway.spans if span.is_root]
    assert 1 == len(sent.traces)
    assert root.is_error
    assert "atlantis-trip" == root.attributes["session.id"]


async def test_the_help_desk_plays_its_part() -> None:
    """LangGraph: a session of two turns, a node tried again, a run that ends in ERROR."""
    sent, gateway = await play("help_desk", protocol="http/protobuf")

    assert {t: set(s) for t, s in expected_spans([sent]).items()} == arrived(gateway)
    roots = [span for span in gateway.spans if span.is_root]
    sessions = [span.attributes["session.id"] for span in roots]
    assert ["ticket-4711", "ticket-4711", "ticket-4712"] == sessions
    assert [False, False, True] == [span.is_error for span in roots]
    first = [s for s in gateway.spans if s.trace_id == roots[0].trace_id]
    searches = [s.is_error for s in first if s.name == "search_archive"]
    assert {True, False} == set(searches)
    assert {"CHAIN", "LLM", "TOOL"} == kinds(gateway.spans)
    assert [[], [people.EMAIL], []] == [trace.planted for trace in sent.traces]
