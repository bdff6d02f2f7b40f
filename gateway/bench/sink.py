"""
A destination that counts spans: OTLP/HTTP, and as much of MLflow as an exporter asks for.

Runs in a process of its own (``python -m gateway.bench.sink``): writes its port to stdout, and
on each line of stdin the spans that it has got so far. After ``hold`` it gives no answers, until
it is told to ``go`` on.
"""

import asyncio
import sys

import msgspec
from isal import igzip

from gateway.bench.loops import run
from gateway.otlp import wire

_MLFLOW = msgspec.json.encode(
    {"experiment": {"experiment_id": "1", "name": "bench", "lifecycle_stage": "active"}}
)


class Sink:
    """Counts what it gets."""

    def __init__(self) -> None:
        self.spans = 0
        self._going = asyncio.Event()
        self._going.set()

    def obey(self, command: str) -> None:
        """Give no more answers, or go on; anything else is no command."""
        if command == "hold":
            self._going.clear()
        elif command == "go":
            self._going.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                body = await reader.readexactly(_content_length(head))
                await self._going.wait()
                writer.write(self.answer(head, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def answer(self, head: bytes, body: bytes) -> bytes:
        """Count the spans of a request and return what to answer."""
        if not head.startswith(b"post /v1/traces"):
            return _response(b"application/json", _MLFLOW)
        if b"content-encoding: gzip" in head:
            body = igzip.decompress(body)  # type: ignore[no-untyped-call]  # isal has no types there
        self.spans += len(wire.index(body))
        return _response(b"application/x-protobuf", b"")


def _content_length(head: bytes) -> int:
    _, found, rest = head.partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


def _response(content_type: bytes, body: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
        % (content_type, len(body))
        + body
    )


async def main() -> None:
    """Serve until stdin ends."""
    sink = Sink()
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - the protocol
    while line := await asyncio.to_thread(sys.stdin.readline):
        sink.obey(line.strip())
        print(sink.spans, flush=True)  # noqa: T201 - the protocol


if __name__ == "__main__":
    run(main())
