"""What a replay promises: each letter to its own destination, and what stays with a reason."""

import base64
from collections.abc import Sequence

import msgspec

from gateway.batch import Batch
from gateway.config.types import from_yaml
from gateway.delivery.replay import Replay
from gateway.errors import Flow, Moved, Reject, Retry
from gateway.plugin import ExporterConfig
from gateway.queue.dead_letters import DeadLetter
from gateway.testing import FakeClock, batch
from tests.gateway.delivery.conftest import Destination


def letter(name: str, key: str = "a", exporter: str = "sink") -> DeadLetter:
    one = batch({}, name=name)
    (span,) = one.spans
    return DeadLetter(
        time_unix_ns=1,
        exporter=exporter,
        destination=key,
        reason="refused",
        attempts=1,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        name=name,
        request=base64.b64encode(one.encode()).decode(),
        key=key,
    )


class Outcome:
    """What became of letters, by name."""

    def __init__(self) -> None:
        self.exporter = Destination(msgspec.convert({}, ExporterConfig, dec_hook=from_yaml))
        self.settled: list[tuple[str, str | None]] = []

    def note(self, letters: Sequence[DeadLetter], reason: str | None) -> None:
        self.settled += [(letter.name, reason) for letter in letters]

    async def replay(self, *letters: DeadLetter) -> dict[str, str | None]:
        await Replay({"sink": self.exporter}, FakeClock(), self.note).run(letters)
        assert len(self.settled) == len(letters), "each is settled once"
        return dict(self.settled)


def named(request: Batch, name: str) -> bool:
    return any(span.name == name for span in request)


async def test_letters_go_where_they_were_meant_to_go() -> None:
    """Letters of one destination share a request; those of another have their own."""
    outcome = Outcome()
    letters = [letter("1"), letter("2", "b"), letter("3")]
    assert {"1": None, "2": None, "3": None} == await outcome.replay(*letters)
    assert [("a", 2), ("b", 1)] == [(to, len(keys)) for to, keys in outcome.exporter.requests]


async def test_what_is_still_refused_stays_alone() -> None:
    """One that the destination refuses again stays with the reason; its neighbours arrive."""
    outcome = Outcome()
    outcome.exporter.answer = lambda request, _n: (
        Reject("still bad", isolate=True) if named(request, "13") else None
    )
    found = await outcome.replay(*(letter(str(at)) for at in range(40)))
    assert {"13": "still bad"} == {name: reason for name, reason in found.items() if reason}
    assert 39 == len(outcome.exporter.stored["a"])


async def test_a_destination_in_trouble_keeps_its_own_only() -> None:
    """Where nothing can be sent now, the letters stay; those for others go."""

    def answer(request: Batch, _number: int) -> Flow | None:
        return Retry("503") if request.context.destination == "a" else None

    outcome = Outcome()
    outcome.exporter.answer = answer
    found = await outcome.replay(letter("1"), letter("2", "b"), letter("3"))
    assert {"1": "503", "3": "503", "2": None} == found


async def test_a_blip_is_waited_for() -> None:
    """A failure that passes costs nothing but time."""
    outcome = Outcome()
    outcome.exporter.answer = lambda _r, number: Retry("blip", after=2) if number < 3 else None
    assert {"1": None} == await outcome.replay(letter("1"))


async def test_a_trace_that_lives_elsewhere_is_followed() -> None:
    """Letters follow their trace to where it is by now."""
    moving, staying = letter("moving"), letter("staying")
    trace = bytes.fromhex(moving.trace_id)

    def answer(request: Batch, _number: int) -> Flow | None:
        if request.context.destination == "a" and named(request, "moving"):
            return Moved("lives in b", {trace: "b"})
        return None

    outcome = Outcome()
    outcome.exporter.answer = answer
    assert {"moving": None, "staying": None} == await outcome.replay(moving, staying)
    assert [trace] == [key[0] for key in outcome.exporter.stored["b"]]


async def test_an_exporter_that_is_gone_is_named() -> None:
    """Letters of an exporter that no pipeline has stay, with that reason."""
    found = await Outcome().replay(letter("1", exporter="gone"))
    assert {"1": "exporter gone is in no pipeline"} == found
