"""A real receiver on ports of the system's choice, with a fake engine behind it."""

import asyncio
import copy
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped] # no stubs
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.batch import Batch
from gateway.clock import SystemClock
from gateway.component_context import Reserve
from gateway.errors import Flow, Forbidden, ShareFull
from gateway.receivers.otlp import OtlpReceiver
from gateway.testing import FakeLogger, component

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PROTOBUF = "application/x-protobuf"
JSON = "application/json"


class Engine:
    """Stands for the engine: keeps what is delivered, or raises what it is told to."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.error: Exception | None = None
        self.entered = asyncio.Semaphore(0)
        """Released once for each batch that comes in."""
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.forbidden: set[str] = set()
        """Tenants that may not write where they want to."""
        self.filled: set[str] = set()
        """Tenants that hold their share of a queue."""
        self.no_room: Flow | None = None
        """Why nothing may be read now."""

    def admit(self) -> None:
        """Let everything in unless told otherwise."""
        if self.no_room is not None:
            raise copy.copy(self.no_room)

    async def __call__(self, *batches: Batch) -> None:
        """Take batches once allowed to go on."""
        self.entered.release()
        await self.go_on.wait()
        if self.error is not None:
            raise copy.copy(self.error)  # one that is raised again keeps its old tracebacks
        for batch in batches:
            if batch.context.tenant in self.forbidden:
                raise Forbidden(f"{batch.context.tenant} may not write there")
            if batch.context.tenant in self.filled:
                raise ShareFull("the queue is full for this tenant", after=5)
        self.batches += batches

    @property
    def request(self) -> ExportTraceServiceRequest:
        """The only request that was delivered."""
        assert len(self.batches) == 1
        return ExportTraceServiceRequest.FromString(self.batches[0].encode())

    @property
    def names(self) -> list[str]:
        """The names of all delivered spans."""
        return [span.name for batch in self.batches for span in batch]


class NoMeter:
    """Measures nothing."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Do nothing."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Do nothing."""


class FakeContext:
    """What the engine gives a receiver."""

    def __init__(self, data_dir: Path, reserve: Reserve | None = None) -> None:
        self.component_id = "otlp"
        self.reserve = reserve
        self.logger = FakeLogger()
        self.meter = NoMeter()
        self.clock = SystemClock()
        self.data_dir = data_dir


class Answer(NamedTuple):
    """What an HTTP client sees."""

    status: int
    headers: dict[str, str]
    body: bytes


class GrpcAnswer(NamedTuple):
    """What a gRPC client sees."""

    code: grpc.StatusCode
    message: str
    body: bytes
    delay_s: float | None
    """From RetryInfo; ``None`` without it."""


def retry_delay(status: Any) -> float | None:
    """Return the delay of a status message's RetryInfo."""
    for detail in status.details:
        info = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            return float(info.retry_delay.ToNanoseconds()) / 1e9
    return None


def grpc_answer(error: grpc.aio.AioRpcError) -> GrpcAnswer:
    """Return what a failed call says."""
    delay = None
    trailing: Any = error.trailing_metadata()  # the stubs' items cannot be unpacked
    for key, value in trailing or ():
        if key == "grpc-status-details-bin":
            delay = retry_delay(status_pb2.Status.FromString(value))
    return GrpcAnswer(error.code(), error.details() or "", b"", delay)


class Served:
    """A receiver that listens, and clients for it."""

    def __init__(
        self,
        receiver: OtlpReceiver,
        engine: Engine,
        log: FakeLogger,
        session: aiohttp.ClientSession,
    ) -> None:
        self.receiver = receiver
        self.engine = engine
        self.log = log
        self._session = session
        self._endpoints = receiver.endpoints()

    @property
    def http_address(self) -> str:
        """``host:port`` of HTTP."""
        return self._endpoints["http"]

    @property
    def grpc_address(self) -> str:
        """``host:port`` of gRPC."""
        return self._endpoints["grpc"]

    async def send(
        self,
        body: bytes,
        headers: dict[str, str] | None = None,
        *,
        path: str = "/v1/traces",
        method: str = "POST",
        media: str | None = PROTOBUF,
    ) -> Answer:
        """Send over HTTP, the body as it is."""
        all_headers = ({"Content-Type": media} if media is not None else {}) | (headers or {})
        async with self._session.request(
            method,
            f"http://{self.http_address}{path}",
            data=body,
            headers=all_headers,
            skip_auto_headers=("Content-Type",),
            timeout=aiohttp.ClientTimeout(20),
        ) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def call(
        self,
        body: bytes,
        metadata: tuple[tuple[str, str], ...] = (),
        *,
        method: str = TRACES,
        compression: grpc.Compression = grpc.Compression.NoCompression,
    ) -> GrpcAnswer:
        """Send over gRPC."""
        channel: Any  # the stubs want serializers
        async with grpc.aio.insecure_channel(self.grpc_address) as channel:
            try:
                answer = await channel.unary_unary(method)(
                    body, metadata=metadata, compression=compression, timeout=20
                )
            except grpc.aio.AioRpcError as error:
                return grpc_answer(error)
        return GrpcAnswer(grpc.StatusCode.OK, "", answer, None)


Serve = Callable[..., Awaitable[Served]]


def span_request(*names: str, size: int = 0) -> ExportTraceServiceRequest:
    """Return a request with a span for each name, each with an attribute of some size."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number, name in enumerate(names, 1):
        span = spans.add(trace_id=b"\1" * 16, span_id=number.to_bytes(8), name=name)
        span.attributes.add(key="text").value.string_value = "x" * size
    return request


@pytest.fixture
def make_request() -> Callable[..., ExportTraceServiceRequest]:
    """Return how to make a request."""
    return span_request


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Return how to start a receiver; both protocols on free ports unless told otherwise."""
    started: list[tuple[OtlpReceiver, aiohttp.ClientSession]] = []

    async def start(
        grpc: dict[str, Any] | None = None,
        http: dict[str, Any] | None = None,
        reserve: Reserve | None = None,
        **settings: Any,
    ) -> Served:
        protocols = {
            "grpc": {"endpoint": "127.0.0.1:0"} | (grpc or {}),
            "http": {"endpoint": "127.0.0.1:0"} | (http or {}),
        }
        receiver = component(OtlpReceiver, protocols=protocols, **settings)
        context = FakeContext(tmp_path, reserve)
        engine = Engine()
        session = aiohttp.ClientSession(auto_decompress=False)
        started.append((receiver, session))
        await receiver.start(context)
        await receiver.listen(engine)
        return Served(receiver, engine, context.logger, session)

    yield start
    for receiver, session in started:
        await session.close()
        await receiver.stop()


class Background(NamedTuple):
    """A receiver that runs on a thread of its own, for tests that are not async."""

    endpoints: dict[str, str]
    log: FakeLogger
    receiver: OtlpReceiver
    errors: deque[Flow]
    """Raised for the next batches."""
    batches: deque[Batch]
    """The last batches that were taken."""


@pytest.fixture(scope="module")
def background(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    """Run a receiver with caps of 1 MiB and an engine that takes everything."""
    receiver = component(
        OtlpReceiver,
        protocols={
            "grpc": {"endpoint": "127.0.0.1:0", "max_recv_msg_size_mib": 1},
            "http": {"endpoint": "127.0.0.1:0", "max_request_body_size_mib": 1},
        },
    )
    context = FakeContext(tmp_path_factory.mktemp("data"))
    running = threading.Event()
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()

    errors: deque[Flow] = deque()
    batches: deque[Batch] = deque(maxlen=10)

    class Taking:
        """Stands for the engine: raises what is prepared, else takes everything."""

        def admit(self) -> None:
            """Let everything in."""

        async def __call__(self, *given: Batch) -> None:
            """Take batches."""
            if errors:
                raise errors.popleft()
            batches.extend(given)

    async def run() -> None:
        await receiver.start(context)
        await receiver.listen(Taking())
        running.set()
        await stop.wait()
        await receiver.stop()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert running.wait(10)
    yield Background(receiver.endpoints(), context.logger, receiver, errors, batches)
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()
