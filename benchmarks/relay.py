"""
A gateway of the libraries alone, to compare with: ``python -m benchmarks.relay SINK``.

It does what any gateway must: receive a request over HTTP or gRPC, read it, write it, pack it, send
it on, and answer; nothing that changes here changes it. It runs where the gateway runs and gets
what the gateway gets, so that whatever slows this machine down for a while slows both. Writes its
endpoints as JSON to stdout and serves until stdin ends.
"""

import asyncio
import gzip
import sys
from typing import Any

import grpc
import grpc.aio
import msgspec
from aiohttp import ClientSession, web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from gateway.bench.loops import run

LEVEL = 1
MOST_BYTES = 64 * 1024 * 1024
_HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}


def handled(request: ExportTraceServiceRequest) -> bytes:
    """Read all attributes and return the request packed."""
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                {attribute.key: attribute.value for attribute in span.attributes}
    return gzip.compress(request.SerializeToString(), LEVEL)


class Relay(TraceServiceServicer):
    """Sends each request on before it answers."""

    def __init__(self, session: ClientSession, sink: str) -> None:
        self._session = session
        self._sink = sink

    async def post(self, request: web.Request) -> web.Response:
        """Answer over HTTP."""
        await self._send_on(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response(content_type="application/x-protobuf")

    async def Export(  # noqa: N802 - the service's name for it
        self, request: ExportTraceServiceRequest, context: Any
    ) -> ExportTraceServiceResponse:
        """Answer over gRPC."""
        del context
        await self._send_on(request)
        return ExportTraceServiceResponse()

    async def _send_on(self, request: ExportTraceServiceRequest) -> None:
        url = f"http://127.0.0.1:{self._sink}/v1/traces"
        async with self._session.post(url, data=handled(request), headers=_HEADERS) as answer:
            await answer.read()


async def main() -> None:
    """Serve until stdin ends."""
    async with ClientSession() as session:
        relay = Relay(session, sys.argv[1])
        app = web.Application(client_max_size=MOST_BYTES)
        app.router.add_post("/v1/traces", relay.post)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server = grpc.aio.server(options=[("grpc.max_receive_message_length", MOST_BYTES)])
        add_TraceServiceServicer_to_server(relay, server)  # type: ignore[no-untyped-call]  # generated
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        endpoints = {"http": f"127.0.0.1:{runner.addresses[0][1]}", "grpc": f"127.0.0.1:{port}"}
        sys.stdout.write(msgspec.json.encode(endpoints).decode() + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
        await server.stop(None)
        await runner.cleanup()


if __name__ == "__main__":
    run(main())
