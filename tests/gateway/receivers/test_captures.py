"""Real payloads of real clients, as recorded and in the other encodings."""

import gzip
import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.otlp.json import decode_request, encode_request

Serve = Any  # the fixture's types live in conftest, which cannot be imported
FOLDER = Path(__file__).parents[2] / "data" / "captures"
CAPTURES: list[dict[str, Any]] = json.loads((FOLDER / "index.json").read_text())


def decoded(capture: dict[str, Any], body: bytes) -> ExportTraceServiceRequest:
    """Return what was recorded."""
    if capture["content_encoding"] == "gzip":
        body = gzip.decompress(body)
    if capture["content_type"] == "application/json":
        return decode_request(body)
    return ExportTraceServiceRequest.FromString(body)


@pytest.mark.parametrize("capture", CAPTURES, ids=[capture["file"] for capture in CAPTURES])
async def test_capture(serve: Serve, capture: dict[str, Any]) -> None:
    """A recorded request arrives whole: as recorded, as JSON, and over gRPC with gzip."""
    served = await serve()
    body = (FOLDER / capture["file"]).read_bytes()
    request = decoded(capture, body)
    if capture["transport"] == "http":
        headers = {"Content-Encoding": capture["content_encoding"] or ""}
        answers = [
            await served.send(body, headers, media=capture["content_type"], path=capture["path"])
        ]
    else:
        answers = [await served.send(request.SerializeToString())]
    in_json = json.dumps(encode_request(request)).encode()
    answers.append(await served.send(in_json, media="application/json"))
    called = await served.call(request.SerializeToString(), compression=grpc.Compression.Gzip)

    assert [(200, b"")] == [(answer.status, answer.body.strip(b"{}")) for answer in answers[:1]]
    assert (200, b"{}") == (answers[1].status, answers[1].body)
    assert (grpc.StatusCode.OK, b"") == (called.code, called.body)
    assert [capture["n_spans"]] * 3 == [len(batch) for batch in served.engine.batches]
    for batch in served.engine.batches:
        assert request == ExportTraceServiceRequest.FromString(batch.encode())


async def test_bytes_are_kept(serve: Serve) -> None:
    """What arrives as protobuf is handed on byte for byte."""
    served = await serve()
    body = (FOLDER / "langsmith-01.bin").read_bytes()

    await served.send(body)

    assert body == served.engine.batches[0].encode()
