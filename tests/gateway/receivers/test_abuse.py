"""What clients that abuse HTTP/2 cost: a bounded amount, and nobody else notices."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway import memory
from gateway.receivers import otlp_grpc

Make = Callable[..., ExportTraceServiceRequest]
Serve = Any  # the fixture's types live in conftest, which cannot be imported

MIB = 1024 * 1024
FLOOD = 20_000
UNTIL_CLOSED_S = 20.0
HEALTHY_S = 5.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Return an HTTP/2 frame."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def header(name: str, value: str) -> bytes:
    """Return a header as HPACK writes it without any table."""
    parts = (name.encode(), value.encode())
    return b"\0" + b"".join(_integer(len(part)) + part for part in parts)


def _integer(value: int) -> bytes:
    if value < 127:
        return bytes((value,))
    out, value = b"\x7f", value - 127
    while value > 127:
        out += bytes((value & 127 | 128,))
        value >>= 7
    return out + bytes((value,))


def request_headers(**more: str) -> bytes:
    """Return the headers of a request to export traces."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    return b"".join(header(*item) for item in (fields | more).items())


class Raw:
    """An HTTP/2 client that sends what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def flood(self, data: bytes) -> None:
        """Send until all is sent or the server has enough, reading what it answers."""
        reading = asyncio.create_task(self._read())
        try:
            for at in range(0, len(data), 65536):
                self.writer.write(data[at : at + 65536])
                await self.writer.drain()
        except ConnectionError:
            pass
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def closed(self) -> bool:
        """Return whether the server ends the connection."""
        try:
            async with asyncio.timeout(UNTIL_CLOSED_S):
                await self._read()
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True

    async def _read(self) -> None:
        while await self.reader.read(65536):
            pass


@pytest.fixture
async def connect() -> Any:
    """Return how to connect; connections are closed at the end."""
    clients: list[Raw] = []

    async def start(address: str, *, greet: bool = True) -> Raw:
        host, _, port = address.rpartition(":")
        clients.append(Raw(*await asyncio.open_connection(host, int(port))))
        if greet:
            clients[-1].writer.write(PREFACE + frame(SETTINGS))
        return clients[-1]

    yield start
    for client in clients:
        client.writer.close()


def streams(count: int, *frames: Callable[[int], bytes]) -> bytes:
    """Return frames for so many streams."""
    return b"".join(make(2 * n + 1) for n in range(count) for make in frames)


def opened(stream: int) -> bytes:
    """Return the frame that begins a request."""
    return frame(HEADERS, END_HEADERS, stream, request_headers())


FLOODS: dict[str, Callable[[], bytes]] = {
    "settings": lambda: frame(SETTINGS, 0, 0, b"\0\4\0\0\xff\xff") * FLOOD,
    "pings": lambda: frame(PING, 0, 0, bytes(8)) * FLOOD,
    "window updates": lambda: frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * FLOOD,
    "rapid reset": lambda: streams(FLOOD // 4, opened, lambda n: frame(RST_STREAM, 0, n, bytes(4))),
    "streams": lambda: streams(FLOOD // 4, opened),
    "empty data": lambda: opened(1) + frame(DATA, 0, 1) * FLOOD,
    "continuations": lambda: (
        frame(HEADERS, 0, 1, request_headers())
        + frame(CONTINUATION, 0, 1, header("x", "y" * 1000)) * (FLOOD // 2)
    ),
    "large headers": lambda: streams(
        50,
        lambda n: frame(HEADERS, 0, n, request_headers()),
        lambda n: frame(CONTINUATION, END_HEADERS, n, header("x", "y" * 16_000)),
    ),
    "nonsense": lambda: b"\xff" * MIB,
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_floods(serve: Serve, connect: Any, make_request: Make, flood: str) -> None:
    """Memory stays bounded, others are served in time, and nothing is left behind."""
    served = await serve(grpc={"read_timeout": "2s"})
    body = make_request("a").SerializeToString()
    await served.call(body)
    before = memory.used_bytes()
    attackers = [await connect(served.grpc_address) for _ in range(3)]
    flooding = asyncio.gather(*(attacker.flood(FLOODS[flood]()) for attacker in attackers))
    slowest = 0.0
    for _ in range(10):
        start = time.monotonic()
        assert grpc.StatusCode.OK == (await served.call(body)).code
        slowest = max(slowest, time.monotonic() - start)
    await asyncio.wait_for(flooding, UNTIL_CLOSED_S)

    assert slowest < HEALTHY_S
    assert memory.used_bytes() - before < 150 * MIB
    assert 200 == (await served.send(body)).status
    for attacker in attackers:
        attacker.writer.close()
    await asyncio.wait_for(served.receiver.refuse(), UNTIL_CLOSED_S)
    assert 0 == served.receiver._admission._requests


async def test_pings_end_the_connection(serve: Serve, connect: Any) -> None:
    """A client that pings far too often is disconnected."""
    served = await serve()
    client = await connect(served.grpc_address)
    await client.flood(FLOODS["pings"]())

    assert await client.closed()


async def test_streams_are_capped(serve: Serve, connect: Any) -> None:
    """One connection gets no more requests under way than ``max_concurrent_streams``."""
    served = await serve(grpc={"max_concurrent_streams": 5})
    client = await connect(served.grpc_address)
    await client.flood(streams(50, opened))
    async with asyncio.timeout(UNTIL_CLOSED_S):
        while served.receiver._admission._requests < 5:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)

    assert 5 == served.receiver._admission._requests


async def test_silent_connection(
    serve: Serve, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that connects and says nothing is cut off."""
    monkeypatch.setattr(otlp_grpc, "HANDSHAKE_MS", 300)
    served = await serve()
    client = await connect(served.grpc_address, greet=False)

    assert await client.closed()


async def test_wrong_credentials_are_cheap(serve: Serve, make_request: Make) -> None:
    """A storm of wrong tokens is refused before any body is read, and written down sparingly."""
    tenant = {"name": "a", "tokens": ["fake-" + "token"]}
    served = await serve(auth={"tenants": [tenant]})
    body = make_request("a", size=100_000).SerializeToString()

    answers = await asyncio.gather(
        *(served.send(body, {"x-api-key": f"fake-{n}"}) for n in range(100))
    )

    assert {401} == {answer.status for answer in answers}
    assert [] == served.engine.batches
    assert 10 == len(served.log.events)
