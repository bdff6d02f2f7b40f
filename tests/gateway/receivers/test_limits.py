"""What slow, silent, greedy and broken clients cost: bounded memory and time."""

import asyncio
import contextlib
import gc
import gzip
import json
import socket
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest
from aiohttp.http_exceptions import HttpProcessingError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.errors import Busy, Reject
from gateway.receivers import http_body, http_protocol

Make = Callable[..., ExportTraceServiceRequest]
Serve = Any  # the fixture's types live in conftest, which cannot be imported
TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: test\r\nContent-Type: application/x-protobuf\r\n"
UNTIL_CLOSED_S = 10.0


class Raw:
    """A client that sends what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, address: str) -> "Raw":
        """Connect to ``host:port``."""
        host, _, port = address.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def answer(self) -> bytes:
        """Return all that comes until the server closes."""
        async with asyncio.timeout(UNTIL_CLOSED_S):
            return await self.reader.read()

    def close(self) -> None:
        """Hang up."""
        self.writer.close()


@pytest.fixture
async def connect() -> Any:
    """Return how to connect; connections are closed at the end."""
    clients: list[Raw] = []

    async def start(address: str) -> Raw:
        clients.append(await Raw.connect(address))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


async def test_silent_client(serve: Serve, connect: Any) -> None:
    """A client that connects and says nothing is cut off."""
    served = await serve(http={"read_header_timeout": "200ms"})
    client = await connect(served.http_address)

    assert b"" == await client.answer()


@pytest.mark.parametrize(
    "flood",
    [b"POST /", HEAD + b"X: ", HEAD + b"".join(b"X-%d: v\r\n" % n for n in range(500))],
    ids=["path", "value", "number"],
)
async def test_flood_of_headers_leaves_nothing(serve: Serve, connect: Any, flood: bytes) -> None:
    """What was no HTTP goes with its connection, not when garbage is collected next."""
    served = await serve()
    gc.collect()
    before = errors_kept()
    gc.disable()
    try:
        clients = [await connect(served.http_address) for _ in range(3)]
        for client in clients:
            client.writer.write(flood + b"v" * 1024 * 1024)
        for client in clients:
            with contextlib.suppress(ConnectionError):
                await client.answer()
        assert 200 == (await served.send(b"")).status
        after = errors_kept()
    finally:
        gc.enable()

    assert before == after


def errors_kept() -> int:
    """Return how many errors about broken requests are in memory."""
    return sum(isinstance(one, HttpProcessingError) for one in gc.get_objects())


async def test_answers_that_nobody_reads(serve: Serve) -> None:
    """A client that only sends loses its connection, for which others may be waiting."""
    served = await serve(http={"read_timeout": "200ms"})
    host, _, port = served.http_address.rpartition(":")
    with socket.socket() as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(greedy, (host, int(port)))

        async def send_on_and_on() -> None:
            while True:
                await loop.sock_sendall(greedy, HEAD.replace(b"POST", b"GET") + b"\r\n")

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(send_on_and_on(), 2 * UNTIL_CLOSED_S)

    assert 200 == (await served.send(b"")).status


async def test_half_sent_headers(serve: Serve, connect: Any) -> None:
    """Headers that do not end in time end the connection, also on one used before."""
    served = await serve(http={"read_header_timeout": "200ms"})
    client = await connect(served.http_address)
    client.writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
    await client.reader.readuntil(b"\r\n\r\n")

    client.writer.write(HEAD)

    assert b"" == await client.answer()


async def test_idle_client(serve: Serve, connect: Any, make_request: Make) -> None:
    """A connection without a request for ``idle_timeout`` is closed."""
    served = await serve(http={"idle_timeout": "200ms"})
    body = make_request("a").SerializeToString()
    client = await connect(served.http_address)
    client.writer.write(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    answer = await client.answer()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert ["a"] == served.engine.names


@pytest.mark.parametrize("framing", [b"Content-Length: 1000000", b"Transfer-Encoding: chunked"])
async def test_half_sent_body(serve: Serve, connect: Any, framing: bytes) -> None:
    """A body that does not arrive in time is 408, and its bytes are given up."""
    served = await serve(http={"read_timeout": "200ms"})
    client = await connect(served.http_address)
    client.writer.write(HEAD + framing + b"\r\n\r\n" + b"3e8\r\n" + b"x" * 1000)

    answer = await client.answer()

    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert 0 == served.receiver._admission.bytes_in_flight


async def test_stalled_body(serve: Serve, connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that stalls is given up long before a slow but steady one would be."""
    monkeypatch.setattr(http_body, "STALL_S", 0.2)
    monkeypatch.setattr(http_protocol, "LINGER_S", 0.2)
    served = await serve(http={"read_timeout": "1h"})
    client = await connect(served.http_address)
    client.writer.write(HEAD + b"Content-Length: 1000\r\n\r\n" + b"x")

    assert (await client.answer()).startswith(b"HTTP/1.1 408 ")


async def test_half_sent_body_holds_little(serve: Serve, connect: Any) -> None:
    """A body costs what has arrived of it, not what it claims to be."""
    served = await serve(http={"read_timeout": "1s"}, max_in_flight_mib=128)
    clients = [await connect(served.http_address) for _ in range(8)]
    for client in clients:
        client.writer.write(HEAD + b"Content-Length: 60000000\r\n\r\n" + b"x" * 1000)

    body = ExportTraceServiceRequest().SerializeToString()
    assert 200 == (await served.send(body)).status
    assert served.receiver._admission.bytes_in_flight <= 8000


async def test_half_sent_message(serve: Serve) -> None:
    """A gRPC request whose message never comes ends with DEADLINE_EXCEEDED."""
    served = await serve(grpc={"read_timeout": "200ms"})
    channel: Any
    async with grpc.aio.insecure_channel(served.grpc_address) as channel:
        call = channel.stream_unary(TRACES)()
        code = await call.code()

    assert grpc.StatusCode.DEADLINE_EXCEEDED == code
    assert 0 == served.receiver._admission._requests


async def test_half_sent_messages_go_when_memory_is_short(serve: Serve) -> None:
    """Messages that are arriving when room runs out are given up, with a delay to come back."""
    served = await serve()
    channel: Any
    async with grpc.aio.insecure_channel(served.grpc_address) as channel:
        call = channel.stream_unary(TRACES)()
        while not served.receiver._admission._requests:
            await asyncio.sleep(0.01)
        served.engine.no_room = Busy("short of memory", 3)
        code = await call.code()

    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "short of memory") == (code, await call.details())
    assert 0 == served.receiver._admission._requests


async def test_too_many_grpc_connections(serve: Serve, make_request: Make) -> None:
    """Connections over the cap are closed, and those within it go on."""
    served = await serve(grpc={"max_connections": 2})
    body = make_request("a").SerializeToString()
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels: list[Any] = [
        grpc.aio.insecure_channel(served.grpc_address, options) for _ in range(3)
    ]
    codes = []
    for channel in (*channels, *channels[:2]):
        call = channel.unary_unary(TRACES)(body, timeout=2)
        codes.append(await call.code())
    for channel in channels:
        await channel.close()

    ok, unavailable = grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE
    assert [ok, ok, unavailable, ok, ok] == codes


async def test_no_message(serve: Serve) -> None:
    """A gRPC request without a message is INVALID_ARGUMENT."""
    served = await serve()
    channel: Any
    async with grpc.aio.insecure_channel(served.grpc_address) as channel:
        call = channel.stream_unary(TRACES)()
        await call.done_writing()
        code = await call.code()

    assert grpc.StatusCode.INVALID_ARGUMENT == code


async def test_client_hangs_up(serve: Serve, connect: Any) -> None:
    """A client that hangs up in the middle of a body leaves nothing behind, not even a log."""
    served = await serve()
    client = await connect(served.http_address)
    client.writer.write(HEAD + b"Content-Length: 1000\r\n\r\n" + b"x")
    await client.writer.drain()
    client.writer.transport.abort()

    assert 200 == (await served.send(b"")).status
    await served.receiver.refuse()
    assert [] == served.log.events


@pytest.fixture
def held() -> Iterator[Callable[[], int]]:
    """Return how to ask for the bytes that are held, without help of the garbage collector."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    gc.enable()


async def test_broken_off_bodies_are_not_held(
    serve: Serve, connect: Any, held: Callable[[], int]
) -> None:
    """Bodies of clients that hang up are given back at once."""
    served = await serve()
    clients = [await connect(served.http_address) for _ in range(20)]
    before = held()
    for client in clients:
        client.writer.write(HEAD + b"Content-Length: 2000000\r\n\r\n" + b"x" * 1_000_000)
    while served.receiver._admission.bytes_in_flight < 15_000_000:
        await asyncio.sleep(0)
    for client in clients:
        client.writer.transport.abort()
    await served.receiver.refuse()

    assert held() - before < 5_000_000


@pytest.mark.parametrize("error", [None, Reject("no"), Busy("full"), ZeroDivisionError("bug")])
async def test_refused_bodies_are_not_held(
    serve: Serve, make_request: Make, held: Callable[[], int], error: Exception | None
) -> None:
    """Requests that are refused, before or after they were read, are given back at once."""
    served = await serve()
    served.log.error = lambda *_, **__: None  # what is logged may be kept
    served.engine.error = error
    body = b"\xff" * 1_000_000 if error is None else make_request("a", size=1_000_000)
    data = body if isinstance(body, bytes) else body.SerializeToString()
    before = held()
    for _ in range(20):
        assert 200 != (await served.send(data)).status
        assert grpc.StatusCode.OK != (await served.call(data)).code

    assert held() - before < 8_000_000


async def test_silent_connections_make_room(serve: Serve, connect: Any) -> None:
    """Of too many connections the one silent for longest goes, used before or not."""
    served = await serve(http={"max_connections": 2})
    never_used = await connect(served.http_address)
    used = await connect(served.http_address)
    used.writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
    await used.reader.readuntil(b"\r\n\r\n")

    for expected_to_go in (never_used, used):
        newcomer = await connect(served.http_address)
        newcomer.writer.write(HEAD + b"Content-Length: 0\r\n\r\n")
        assert (await newcomer.reader.readline()).startswith(b"HTTP/1.1 200")
        assert b"" == await expected_to_go.answer()


async def test_too_many_busy_connections(serve: Serve, connect: Any, make_request: Make) -> None:
    """Connections with a request under way stay, and further ones are closed at once."""
    served = await serve(http={"max_connections": 2})
    body = make_request("a").SerializeToString()
    served.engine.go_on.clear()
    clients = [await connect(served.http_address) for _ in range(2)]
    for client in clients:
        client.writer.write(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await served.engine.entered.acquire()
    third = await connect(served.http_address)

    assert b"" == await third.answer()
    served.engine.go_on.set()
    for client in clients:
        assert (await client.reader.readline()).startswith(b"HTTP/1.1 200")


async def test_too_many_requests(serve: Serve, make_request: Make) -> None:
    """Requests over the cap are told to come back, over both protocols."""
    served = await serve(max_concurrent_requests=1)
    body = make_request("a").SerializeToString()
    served.engine.go_on.clear()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(served.send(body))
        await served.engine.entered.acquire()
        second = await served.send(body)
        by_grpc = await served.call(body)
        served.engine.go_on.set()

    assert (200, 429, "1") == (first.result().status, second.status, second.headers["Retry-After"])
    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, 1.0) == (by_grpc.code, by_grpc.delay_s)


async def test_too_many_bytes(serve: Serve, make_request: Make) -> None:
    """Bytes over the budget, received or decompressed, are told to come back."""
    served = await serve(
        grpc={"max_recv_msg_size_mib": 1},
        http={"max_request_body_size_mib": 1},
        max_in_flight_mib=2,
    )
    body = make_request("a", size=900_000).SerializeToString()
    packed = gzip.compress(body)
    served.engine.go_on.clear()
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(served.send(body)) for _ in range(2)]
        for _ in waiting:
            await served.engine.entered.acquire()
        refused = [
            await served.send(body),
            await served.send(packed, {"Content-Encoding": "gzip"}),
        ]
        by_grpc = await served.call(body)
        served.engine.go_on.set()

    assert [200, 200] == [task.result().status for task in waiting]
    assert [429, 429] == [answer.status for answer in refused]
    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, 1.0) == (by_grpc.code, by_grpc.delay_s)
    assert 200 == (await served.send(body)).status
    assert 0 == served.receiver._admission.bytes_in_flight


@pytest.mark.parametrize(
    "nonsense",
    [
        b"nonsense\r\n\r\n",
        b"POST /v1/traces HTTP/9.9\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_no_http(serve: Serve, connect: Any, nonsense: bytes) -> None:
    """What is no HTTP is answered 400 with a Status in JSON, and closed."""
    served = await serve()
    client = await connect(served.http_address)
    client.writer.write(nonsense)

    head, _, body = (await client.answer()).partition(b"\r\n\r\n")

    assert head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert 3 == json.loads(body)["code"]
    assert [] == served.log.events


async def test_broken_chunks(serve: Serve, connect: Any) -> None:
    """A body whose chunks are broken is 400."""
    served = await serve()
    client = await connect(served.http_address)
    client.writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n")

    assert (await client.answer()).startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))


async def test_expect_continue(serve: Serve, connect: Any, make_request: Make) -> None:
    """A client that asks first is told to go on, or refused before it sends."""
    served = await serve(http={"max_request_body_size_mib": 0.01})
    body = make_request("a").SerializeToString()
    client = await connect(served.http_address)
    client.writer.write(
        HEAD + f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode()
    )
    assert b"HTTP/1.1 100 Continue\r\n\r\n" == await client.reader.readuntil(b"\r\n\r\n")
    client.writer.write(body)
    assert (await client.reader.readline()).startswith(b"HTTP/1.1 200 ")

    other = await connect(served.http_address)
    other.writer.write(HEAD + b"Content-Length: 99999\r\nExpect: 100-continue\r\n\r\n")
    assert (await other.reader.readline()).startswith(b"HTTP/1.1 413 ")


async def test_fault_of_ours(serve: Serve, make_request: Make) -> None:
    """An unforeseen failure is told as 503, without what it says, and logged."""
    served = await serve()
    served.engine.error = ZeroDivisionError("a detail")
    body = make_request("a").SerializeToString()

    answer = await served.send(body)
    by_grpc = await served.call(body)

    assert (503, "1") == (answer.status, answer.headers["Retry-After"])
    assert b"a detail" not in answer.body
    assert (grpc.StatusCode.UNAVAILABLE, 1.0) == (by_grpc.code, by_grpc.delay_s)
    assert "a detail" not in by_grpc.message
    errors = [event for level, event, _ in served.log.events if level == "error"]
    assert ["request failed"] * 2 == errors


async def test_stop_does_not_wait_for_ever(serve: Serve, make_request: Make) -> None:
    """Stopping ends requests that hang, over both protocols."""
    served = await serve()
    body = make_request("a").SerializeToString()
    served.engine.go_on.clear()
    async with asyncio.TaskGroup() as tasks:
        hanging = tasks.create_task(served.call(body))
        broken = tasks.create_task(failure(served.send(body)))
        for _ in range(2):
            await served.engine.entered.acquire()
        async with asyncio.timeout(UNTIL_CLOSED_S):
            await served.receiver.stop()

    assert grpc.StatusCode.UNAVAILABLE == hanging.result().code
    assert isinstance(broken.result(), aiohttp.ClientError)


async def failure(sending: Awaitable[object]) -> Exception | None:
    """Return how sending failed."""
    try:
        await sending
    except aiohttp.ClientError as error:
        return error
    return None


async def test_pipelined_requests(serve: Serve, connect: Any, make_request: Make) -> None:
    """Requests sent without waiting for answers are answered in order."""
    served = await serve()
    body = make_request("a").SerializeToString()
    one = HEAD + f"Content-Length: {len(body)}\r\n".encode()
    client = await connect(served.http_address)
    client.writer.write((one + b"\r\n" + body) * 3 + one + b"Connection: close\r\n\r\n" + body)

    answer = await client.answer()

    assert 4 == answer.count(b"HTTP/1.1 200 OK\r\n")
    assert ["a"] * 4 == served.engine.names


async def test_in_flight_is_finished(serve: Serve, make_request: Make) -> None:
    """Refusing waits for requests under way, which are answered as ever."""
    served = await serve()
    body = make_request("a").SerializeToString()
    served.engine.go_on.clear()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(served.send(body))
        await served.engine.entered.acquire()
        refusing = tasks.create_task(served.receiver.refuse())
        await asyncio.sleep(0)
        assert not refusing.done()
        served.engine.go_on.set()

    assert (200, ["a"]) == (first.result().status, served.engine.names)


async def test_targets_with_scheme_and_host(serve: Serve, connect: Any, make_request: Make) -> None:
    """A request target as clients of a proxy write it leads to the same path."""
    served = await serve()
    body = make_request("a").SerializeToString()
    client = await connect(served.http_address)
    head = HEAD.replace(b"/v1/traces", b"HTTP://test/v1/traces?x=1")
    client.writer.write(
        head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
    )

    assert (await client.answer()).startswith(b"HTTP/1.1 200 OK\r\n")
