"""A whole gateway in the test's process, configured by YAML as users do."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import grpc

from gateway.config.loader import load
from gateway.service import Service

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

BASE = """
service:
  shutdown_timeout: 5s
  telemetry: {metrics: {endpoint: "127.0.0.1:0"}, status: {endpoint: "127.0.0.1:0"}}
receivers:
  otlp:
    protocols: {grpc: {endpoint: "127.0.0.1:0"}, http: {endpoint: "127.0.0.1:0"}}
"""


class Gateway:
    """A running gateway and clients for it."""

    def __init__(self, service: Service, http: aiohttp.ClientSession) -> None:
        self.service = service
        self.http = http
        self.stop = asyncio.Event()

    def url(self, path: str = "/v1/traces", endpoint: str = "http") -> str:
        return f"http://{self.service.endpoints[endpoint]}{path}"

    async def post(
        self, body: bytes, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        """Send a request over HTTP; return status, body and headers."""
        sent = {"Content-Type": "application/x-protobuf"} | (headers or {})
        async with self.http.post(self.url(), data=io.BytesIO(body), headers=sent) as answer:
            return answer.status, await answer.read(), dict(answer.headers)

    async def call(self, body: bytes, metadata: dict[str, str] | None = None) -> bytes:
        """Send a request over gRPC; return the encoded response or raise AioRpcError."""
        address = self.service.endpoints["grpc"]
        async with grpc.aio.insecure_channel(
            address, options=[("grpc.max_send_message_length", -1)]
        ) as channel:
            export = channel.unary_unary(
                EXPORT, request_serializer=None, response_deserializer=None
            )
            answer: bytes = await export(body, metadata=tuple((metadata or {}).items()), timeout=20)
            return answer


@asynccontextmanager
async def gateway(folder: Path, text: str) -> AsyncIterator[Gateway]:
    """Run a gateway with ``text`` merged over a base that listens on free ports."""
    base, config = folder / "base.yaml", folder / "gateway.yaml"
    base.write_text(BASE)
    config.write_text(text)
    settings = load([base, config], [f"service.data_dir={folder / 'data'}"])
    service = Service(settings)
    ready = asyncio.Event()
    async with aiohttp.ClientSession() as http:
        running = Gateway(service, http)
        task = asyncio.create_task(service.run(running.stop, on_ready=ready.set))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        try:
            if task.done():
                await task
            yield running
        finally:
            running.stop.set()
            await task
