"""
Send traces as fast as they are answered, over several connections.

Runs in a process of its own: ``python -m gateway.bench.load JSON``, with an :class:`Order`; the
:class:`Report` is written to stdout.
"""

import asyncio
import itertools
import re
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Literal

import grpc
import grpc.aio
import msgspec

from gateway.bench.loops import run
from gateway.bench.payload import Kind, templates

Protocol = Literal["http", "grpc"]

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_BUSY_CODES = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
_BUSY_STATUSES = (429, 503)
_CONTENT_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")
_MIB = 1024 * 1024


class Order(msgspec.Struct, kw_only=True):
    """What to send."""

    protocol: Protocol
    port: int
    kind: Kind
    spans: int
    """Spans in a request."""
    seconds: float
    connections: int


class Report(msgspec.Struct, kw_only=True):
    """What came of it."""

    requests: int
    """Requests that were accepted."""
    refused: int
    """Requests that were told to come back later."""
    body_bytes: float
    """Mean size of a request."""
    p50_ms: float
    p99_ms: float


Send = Callable[[bytes], Awaitable[bool]]


async def drive(order: Order) -> Report:
    """Send until the time is over; return once every request is answered."""
    bodies = templates(order.kind, order.spans, 4)
    turn = itertools.cycle(bodies)
    times: list[float] = []
    refused = 0

    async def client(send: Send, deadline: float) -> None:
        nonlocal refused
        while (start := time.perf_counter()) < deadline:
            if await send(next(turn).fresh()):
                times.append(time.perf_counter() - start)
            else:
                refused += 1
                await asyncio.sleep(0.2)

    senders = [await _connect(order) for _ in range(order.connections)]
    deadline = time.perf_counter() + order.seconds
    async with asyncio.TaskGroup() as tasks:
        for send in senders:
            tasks.create_task(client(send, deadline))
    times.sort()
    return Report(
        requests=len(times),
        refused=refused,
        body_bytes=sum(len(template.body) for template in bodies) / len(bodies),
        p50_ms=_share(times, 0.5),
        p99_ms=_share(times, 0.99),
    )


def _share(times: list[float], share: float) -> float:
    return times[int(len(times) * share)] * 1e3 if times else 0.0


async def _connect(order: Order) -> Send:
    return await (_connect_http if order.protocol == "http" else _connect_grpc)(order.port)


async def _connect_http(port: int) -> Send:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def send(body: bytes) -> bool:
        writer.write(
            b"POST /v1/traces HTTP/1.1\r\nHost: bench\r\n"
            b"Content-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        writer.write(body)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _CONTENT_LENGTH.search(head)
        answer = await reader.readexactly(int(length[1])) if length else b""
        status = int(head.split(b" ", 2)[1])
        if status != 200 and status not in _BUSY_STATUSES:
            raise RuntimeError(f"the gateway answered {status}: {answer[:200]!r}")
        return status == 200

    return send


async def _connect_grpc(port: int) -> Send:
    channel = grpc.aio.insecure_channel(
        f"127.0.0.1:{port}",
        options=(
            ("grpc.use_local_subchannel_pool", 1),  # else all channels share one connection
            ("grpc.max_send_message_length", 64 * _MIB),
        ),
    )
    call = channel.unary_unary(_EXPORT, _as_is, _as_is)

    async def send(body: bytes) -> bool:
        try:
            await call(body, timeout=60)
        except grpc.aio.AioRpcError as error:
            if error.code() not in _BUSY_CODES:
                raise
            return False
        return True

    return send


def _as_is(message: bytes) -> bytes:
    return message


async def main() -> None:
    """Follow the order on the command line."""
    report = await drive(msgspec.json.decode(sys.argv[1], type=Order))
    sys.stdout.write(msgspec.json.encode(report).decode())


if __name__ == "__main__":
    run(main())
