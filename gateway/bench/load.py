"""
Send traces over several connections: as fast as they are answered, or at a constant rate.

Runs in a process of its own: ``python -m gateway.bench.load JSON``, with an :class:`Order`; the
:class:`Report` is written to stdout.
"""

import asyncio
import itertools
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
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
_PAUSE_S = 0.2
"""How long a sender that is told to come back later waits."""


class Order(msgspec.Struct, kw_only=True):
    """What to send."""

    protocol: Protocol
    port: int = 0
    kind: Kind
    spans: int
    """Spans in a request."""
    seconds: float
    connections: int
    calls: int = 1
    """Requests under way at once on each connection; over HTTP there is one."""
    requests: int = 0
    """End once so many were accepted; 0 for not before the time is over."""
    rate: float = 0.0
    """Requests a second, each in its turn whether others are answered or not; 0 for as many as
    are answered."""
    tenants: int = 0
    """How many tenants take turns, each with the token of :func:`token`; 0 for none."""


class Report(msgspec.Struct, kw_only=True):
    """What came of it."""

    requests: int
    """Requests that were accepted."""
    refused: int
    """Requests that were told to come back later."""
    body_bytes: float
    """Mean size of a request."""
    p50_ms: float
    """Until the answer: from when a request was sent, at a constant rate from when it was due."""
    p99_ms: float
    sender_p99_ms: float = 0.0
    """How late requests were sent at a constant rate, since the generator was busy."""


Send = Callable[[bytes], Awaitable[bool]]


def token(tenant: int) -> str:
    """Return what a tenant shows to be let in."""
    return f"bench-tenant-{tenant}"


class _Run:
    """One order being followed."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._bodies = templates(order.kind, order.spans, 4)
        self._turn = itertools.cycle(self._bodies)
        self._left = order.requests or sys.maxsize
        self._times: list[float] = []
        self._late: list[float] = []
        self._refused = 0

    async def closed(self, send: Send, deadline: float) -> None:
        """Send one request after the other."""
        while self._left > 0 and (start := time.perf_counter()) < deadline:
            self._left -= 1
            if not await self._one(send, start):
                self._left += 1
                await asyncio.sleep(_PAUSE_S)

    async def open(self, senders: list[Send], begin: float) -> None:
        """Send each request when it is due, on whichever connection is free."""
        order, free = self._order, asyncio.Queue[Send]()
        for send in senders:
            free.put_nowait(send)

        async def one(due: float) -> None:
            send = await free.get()
            await self._one(send, due)
            free.put_nowait(send)

        async with asyncio.TaskGroup() as tasks:
            for number in range(int(order.seconds * order.rate)):
                due = begin + number / order.rate
                await asyncio.sleep(due - time.perf_counter())
                self._late.append(time.perf_counter() - due)
                tasks.create_task(one(due))

    async def _one(self, send: Send, start: float) -> bool:
        taken = await send(next(self._turn).fresh())
        if taken:
            self._times.append(time.perf_counter() - start)
        else:
            self._refused += 1
        return taken

    def report(self) -> Report:
        """Say what came of it."""
        sizes = [len(template.body) for template in self._bodies]
        return Report(
            requests=len(self._times),
            refused=self._refused,
            body_bytes=sum(sizes) / len(sizes),
            p50_ms=_share(self._times, 0.5),
            p99_ms=_share(self._times, 0.99),
            sender_p99_ms=_share(self._late, 0.99),
        )


async def drive(order: Order) -> Report:
    """Send until the time is over; return once every request is answered."""
    run = _Run(order)
    async with AsyncExitStack() as stack:
        senders = [await _connect(order, stack) for _ in range(order.connections)] * order.calls
        begin = time.perf_counter()
        if order.rate:
            await run.open(senders, begin)
            return run.report()
        async with asyncio.TaskGroup() as tasks:
            for send in senders:
                tasks.create_task(run.closed(send, begin + order.seconds))
    return run.report()


def _share(times: list[float], share: float) -> float:
    return sorted(times)[int(len(times) * share)] * 1e3 if times else 0.0


async def _connect(order: Order, stack: AsyncExitStack) -> Send:
    tokens = itertools.cycle([token(tenant) for tenant in range(order.tenants)] or [""])
    connect = _connect_http if order.protocol == "http" else _connect_grpc
    return await connect(order.port, tokens, stack)


async def _connect_http(port: int, tokens: Iterator[str], stack: AsyncExitStack) -> Send:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stack.callback(writer.close)

    async def send(body: bytes) -> bool:
        key = next(tokens)
        writer.write(
            b"POST /v1/traces HTTP/1.1\r\nHost: bench\r\n%s"
            b"Content-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n"
            % (b"x-api-key: %s\r\n" % key.encode() if key else b"", len(body))
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


async def _connect_grpc(port: int, tokens: Iterator[str], stack: AsyncExitStack) -> Send:
    channel = grpc.aio.insecure_channel(
        f"127.0.0.1:{port}",
        options=(
            ("grpc.use_local_subchannel_pool", 1),  # else all channels share one connection
            ("grpc.max_send_message_length", 64 * _MIB),
        ),
    )
    stack.push_async_callback(channel.close, None)
    call = channel.unary_unary(_EXPORT, _as_is, _as_is)

    async def send(body: bytes) -> bool:
        key = next(tokens)
        try:
            await call(body, timeout=60, metadata=(("x-api-key", key),) if key else None)
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
