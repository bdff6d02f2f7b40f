"""What the load generator promises, shown with the sink that answers as a gateway does."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.bench.load import Order, Protocol, drive, token
from gateway.bench.sink import Sink


class Listening(Sink):
    """A sink that also remembers the heads of requests."""

    def __init__(self) -> None:
        super().__init__()
        self.heads: list[bytes] = []
        self.serving: list[asyncio.Task[None]] = []

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        self.serving.append(asyncio.create_task(self.serve(reader, writer)))

    def answer(self, head: bytes, body: bytes) -> bytes:
        """Count and answer."""
        self.heads.append(head)
        return super().answer(head, body)


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Listening, int]]:
    """Run a sink; gives it and its port."""
    sink = Listening()
    server = await asyncio.start_server(sink.accept, "127.0.0.1", 0, limit=1 << 20)
    async with server:
        yield sink, server.sockets[0].getsockname()[1]
    await asyncio.gather(*sink.serving)


def order(port: int, **changes: float) -> Order:
    """Return an order of few plain spans over two connections."""
    values: dict[str, float] = {"seconds": 60, "connections": 2, "requests": 6, **changes}
    protocol: Protocol = "http"
    return Order(protocol=protocol, port=port, kind="plain", spans=5, **values)  # type: ignore[arg-type]  # ints too


async def test_ends_after_so_many_requests() -> None:
    """Those that were accepted count, and all of their spans were sent."""
    async with listening() as (sink, port):
        report = await drive(order(port))

    assert 6 == report.requests
    assert 6 * 5 == sink.spans


async def test_lets_tenants_take_turns() -> None:
    """Each connection shows the tokens one after the other."""
    async with listening() as (sink, port):
        await drive(order(port, connections=1, tenants=3))

    shown = [head.partition(b"x-api-key: ")[2].partition(b"\r\n")[0] for head in sink.heads]
    assert [token(number).encode() for number in (0, 1, 2, 0, 1, 2)] == shown


async def test_sends_at_a_constant_rate() -> None:
    """As many requests as the rate asks for, spread over the time, and not as many as possible."""
    async with listening() as (_, port):
        start = time.perf_counter()
        report = await drive(order(port, seconds=0.5, rate=40, requests=0))

    assert 20 == report.requests
    assert time.perf_counter() - start > 0.4


async def test_counts_the_time_that_requests_wait_for_others() -> None:
    """A destination that stops for a moment delays whatever was due meanwhile, not one request."""
    async with listening() as (sink, port):
        sink.obey("hold")
        asyncio.get_running_loop().call_later(0.4, sink.obey, "go")
        report = await drive(order(port, seconds=0.4, rate=50, connections=1))

    assert 20 == report.requests
    assert report.p99_ms > 350
    assert report.p50_ms > 100


async def test_a_sink_that_holds_gives_no_answer() -> None:
    """What it gets meanwhile is answered once it goes on."""
    async with listening() as (sink, port):
        sink.obey("hold")
        sending = asyncio.create_task(drive(order(port, requests=1, connections=1)))
        done, _ = await asyncio.wait([sending], timeout=0.2)
        assert not done
        sink.obey("go")
        assert 1 == (await sending).requests
