"""A destination that is back gets its spans at once, one that only refuses is left alone."""

import time
from typing import Any

import pytest

from gateway.delivery import probe
from gateway.errors import Retry
from gateway.testing import batch
from tests.gateway.delivery.conftest import Bench, Destination, Start

PATIENT: dict[str, Any] = {"initial_interval": "10m", "max_interval": "10m"}


class Server:
    """A server that the probes of a destination reach while it is ``there``."""

    def __init__(self) -> None:
        self.there = True
        self.asked = 0

    async def answers(self, _: Destination) -> bool:
        self.asked += 1
        return self.there

    async def asked_again(self, bench: Bench) -> None:
        """Return after a probe that begins now."""
        wanted = self.asked + 2
        await bench.until(lambda: self.asked >= wanted)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """Return what destinations ask whether they are back, and let them ask often."""
    server = Server()

    async def answers(destination: Destination) -> bool:
        return await server.answers(destination)

    monkeypatch.setattr(Destination, "answers", answers)
    monkeypatch.setattr(probe, "PROBE_S", 0.01)
    return server


@pytest.mark.parametrize("scope", ["destination", "exporter"])
async def test_a_server_that_is_back_need_not_wait(
    start: Start, server: Server, scope: Any
) -> None:
    """Delivery goes on when the server answers again, however long the back-off would be."""
    async with start(retry_on_failure=PATIENT) as bench:
        bench.exporter.answer = lambda _b, _n: None if server.there else Retry("gone", scope=scope)
        server.there = False
        await bench.put(batch({}))
        await server.asked_again(bench)
        assert 1 == len(bench.exporter.requests)
        server.there = True
        await bench.drained()


async def test_a_server_that_answers_is_left_to_its_back_off(start: Start, server: Server) -> None:
    """One that answers all the time and takes no spans is not tried again for that."""
    async with start(retry_on_failure=PATIENT) as bench:
        bench.exporter.answer = lambda _b, _n: Retry("overloaded")
        await bench.put(batch({}))
        await server.asked_again(bench)
        await server.asked_again(bench)
        assert 1 == len(bench.exporter.requests)


async def test_what_the_destination_asked_for_is_kept(start: Start, server: Server) -> None:
    """A delay that the destination named itself is waited for, back or not."""
    begun = 0.0

    def answer(_batch: object, number: int) -> Retry | None:
        nonlocal begun
        begun = begun or time.monotonic()
        return Retry("later", after=0.5) if number == 1 else None

    async with start(retry_on_failure=PATIENT) as bench:
        bench.exporter.answer = answer
        server.there = False
        await bench.put(batch({}))
        await server.asked_again(bench)
        server.there = True
        await bench.drained()
        assert time.monotonic() - begun >= 0.5


@pytest.mark.usefixtures("server")
async def test_a_probe_that_fails_counts_as_silence(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in a plugin's ``answers`` stops nothing."""
    asked = 0

    async def answers(_: Destination) -> bool:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise ZeroDivisionError
        return True

    monkeypatch.setattr(Destination, "answers", answers)
    async with start(retry_on_failure=PATIENT) as bench:
        bench.exporter.answer = lambda _b, number: Retry("gone") if number == 1 else None
        await bench.put(batch({}))
        await bench.drained()
    assert 3 == asked
