"""Real servers for exporters to talk to, and the context that they are started with."""

import asyncio
import contextlib
import gzip
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.testing import FakeClock

NOW_UNIX_NS = 1_700_000_000_000_000_000


class Notes:
    """A logger and a meter that remember."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, Mapping[str, object]]] = []
        self.counts: dict[str, float] = {}

    def debug(self, event: str, **fields: object) -> None:
        """Remember a line."""
        self.lines.append(("debug", event, fields))

    def info(self, event: str, **fields: object) -> None:
        """Remember a line."""
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        """Remember a line."""
        self.lines.append(("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        """Remember a line."""
        self.lines.append(("error", event, fields))

    def count(self, name: str, amount: float = 1, **_labels: str) -> None:
        """Add to a count."""
        self.counts[name] = self.counts.get(name, 0) + amount

    def gauge(self, name: str, value: float, **_labels: str) -> None:
        """Set a count."""
        self.counts[name] = value


class FakeContext:
    """What an exporter is started with, in a test."""

    def __init__(self) -> None:
        self.component_id = "under_test"
        self.logger = self.meter = Notes()
        self.clock = FakeClock(NOW_UNIX_NS)
        self.data_dir = Path(os.devnull) / "exporters keep nothing"


class Received(NamedTuple):
    """A request as it came in."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def message(self) -> ExportTraceServiceRequest:
        """The traces in it."""
        packed = self.headers.get("Content-Encoding") == "gzip"
        return ExportTraceServiceRequest.FromString(
            gzip.decompress(self.body) if packed else self.body
        )


class HttpSink:
    """An HTTP server that keeps what it gets and answers as told, 200 by default."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[web.Response] = []
        self.url = ""

    def next_answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer so once; underscores in names of headers stand for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append(web.Response(status=status, body=body, headers=named))

    async def _answer(self, request: web.Request) -> web.Response:
        self.received.append(
            Received(request.path_qs, dict(request.headers), await _raw_body(request))
        )
        return self.answers.pop(0) if self.answers else web.Response()


async def _raw_body(request: web.Request) -> bytes:
    """Return the body as sent: aiohttp's server is told below not to decompress."""
    return await request.content.read()


@asynccontextmanager
async def http_sink() -> AsyncIterator[HttpSink]:
    """Run an HTTP server on a free port."""
    sink = HttpSink()
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", sink._answer)
    runner = web.AppRunner(app, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sink.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield sink
    finally:
        await runner.cleanup()


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(talk: Talk) -> AsyncIterator[str]:
    """Run a TCP server that answers as ``talk`` does; yield its http address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read one HTTP request with a Content-Length, and return its head."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            await reader.readexactly(int(line.split(b":")[1]))
    return head


class GrpcSink(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # not generic at run time
    """A gRPC server that keeps what it gets and answers as told, OK by default."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.answers: list[tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]]] = []
        self.response = b""
        self.port = 0
        self.came = asyncio.Event()
        """Set once something came."""
        self.gate = asyncio.Event()
        """Cleared, it holds every answer back."""
        self.gate.set()

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """Serve one method."""
        if not handler_call_details.method.endswith("TraceService/Export"):
            return None
        return grpc.unary_unary_rpc_method_handler(self._export)

    async def _export(
        self, request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]"
    ) -> bytes:
        self.received.append(request)
        self.metadata.append(dict(context.invocation_metadata() or ()))
        self.came.set()
        await self.gate.wait()
        if self.answers:
            code, details, trailers = self.answers.pop(0)
            await context.abort(code, details, trailers)
        return self.response


@asynccontextmanager
async def grpc_sink(
    credentials: grpc.ServerCredentials | None = None, port: int = 0
) -> AsyncIterator[GrpcSink]:
    """Run a gRPC server on a free port."""
    sink = GrpcSink()
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    server.add_generic_rpc_handlers((sink,))
    address = f"127.0.0.1:{port}"
    if credentials is None:
        sink.port = server.add_insecure_port(address)
    else:
        sink.port = server.add_secure_port(address, credentials)
    await server.start()
    try:
        yield sink
    finally:
        await server.stop(grace=0)


class Relay:
    """A TCP relay that counts what it passes on."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self.port = 0
        self.bytes_in = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join a connection with one to the target until either ends."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        back = asyncio.create_task(_copy(far_reader, writer))
        self.bytes_in += await _copy(reader, far_writer)
        await back


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    copied = 0
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            copied += len(data)
            writer.write(data)
    writer.close()
    return copied


@asynccontextmanager
async def counting_relay(target_port: int) -> AsyncIterator[Relay]:
    """Run a relay on a free port."""
    relay = Relay(target_port)
    tasks: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(relay.serve(reader, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
        await asyncio.gather(*tasks)
    finally:
        server.close()
