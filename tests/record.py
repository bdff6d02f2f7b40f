"""
Record what an instrumentation sends: ``python -m tests.record NAME``, then run its program.

Whatever comes over OTLP/HTTP to 127.0.0.1:4318 until Ctrl-C is joined to one request and written to
``tests/data/recorded/NAME.bin.gz``. Look through it before it is committed: it must hold nothing
that anybody could mind, and no path of your machine.
"""

import gzip
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.otlp.json import decode_request

FOLDER = Path(__file__).parent / "data" / "recorded"
ADDRESS = ("127.0.0.1", 4318)


class Recorder(HTTPServer):
    """A backend that keeps everything."""

    def __init__(self, address: tuple[str, int] = ADDRESS) -> None:
        super().__init__(address, _Handler)
        self.request = ExportTraceServiceRequest()

    def save(self, name: str, folder: Path = FOLDER) -> Path:
        """Write what came; the same requests make the same bytes."""
        path = folder / f"{name}.bin.gz"
        path.write_bytes(gzip.compress(self.request.SerializeToString(), mtime=0))
        return path


class _Handler(BaseHTTPRequestHandler):
    server: Recorder

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        is_json = "json" in self.headers.get("Content-Type", "")
        if self.path.endswith("/traces"):
            request = (
                decode_request(body) if is_json else ExportTraceServiceRequest.FromString(body)
            )
            self.server.request.MergeFrom(request)
        self.send_response(200)
        self.send_header(
            "Content-Type", "application/json" if is_json else "application/x-protobuf"
        )
        self.end_headers()
        self.wfile.write(b"{}" if is_json else b"")


def main() -> None:
    """Record until interrupted."""
    recorder = Recorder()
    try:
        recorder.serve_forever()
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{recorder.save(sys.argv[1])}\n")


if __name__ == "__main__":
    main()
