"""What becomes of requests to a database that takes one writer at a time."""

import asyncio

import pytest

from exporters.mlflow.line import ALONE_S, Line
from gateway.fake_mlflow import FakeMlflow
from gateway.plugin import Retry
from gateway.testing import FakeClock, batch
from tests.e2e.sending import exporting, send

LOCKED = (
    '{"error_code": "TEMPORARILY_UNAVAILABLE", '
    '"message": "(sqlite3.OperationalError) database is locked"}'
)


async def together(line: Line, requests: int) -> int:
    """Let requests go and return how many were under way at the same time."""
    now = most = 0

    async def go() -> None:
        nonlocal now, most
        async with line.turn():
            now += 1
            most = max(most, now)
            for _ in range(requests):
                await asyncio.sleep(0)  # a turn for each of the others
            now -= 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(requests):
            tasks.create_task(go())
    return most


async def test_requests_go_side_by_side() -> None:
    """Nobody waits while nothing was said about writers."""
    assert 4 == await together(Line(FakeClock().monotonic), 4)


async def test_requests_go_one_by_one_for_an_hour() -> None:
    """After that the database may have become one that takes several writers."""
    clock = FakeClock()
    line = Line(clock.monotonic)

    line.form()
    assert 1 == await together(line, 4)
    clock.advance(ALONE_S - 1)
    assert 1 == await together(line, 4)
    clock.advance(1)
    assert 4 == await together(line, 4)


async def test_a_request_that_fails_lets_the_next_one_go() -> None:
    """Whatever it fails with."""
    line = Line(FakeClock().monotonic)
    line.form()

    with pytest.raises(Retry):
        async with line.turn():
            raise Retry("locked again")

    assert 1 == await together(line, 2)


@pytest.mark.parametrize(
    ("status", "body", "at_once"), [(503, LOCKED, 1), (503, "away", 2), (400, LOCKED, 2)]
)
async def test_the_answer_of_a_locked_database_forms_the_line(
    status: int, body: str, at_once: int
) -> None:
    """The second request comes once the first is answered; other failures say nothing of it."""
    async with FakeMlflow() as server, exporting(server.url, experiment={"default": 0}) as exporter:
        server.answer_next(status, body)
        with pytest.raises(Exception, match="HTTP"):
            await send(exporter, batch({}))
        server.gate.clear()

        async def came() -> None:
            while len(server.calls("/v1/traces")) < 3:
                await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as tasks:
            second = tasks.create_task(came())
            for _ in range(2):
                tasks.create_task(send(exporter, batch({})))
            done, _ = await asyncio.wait([second], timeout=0.3 if at_once == 1 else 30)
            server.gate.set()

        assert at_once == 1 + len(done)
