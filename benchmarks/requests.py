"""Requests to measure with: made ones, and those recorded of real instrumentations."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.batch import Batch
from gateway.bench.payload import templates
from gateway.otlp.json import decode_request

SPANS = 100
"""Spans of a request; recorded ones are repeated until they have nearly as many."""

KINDS = ("llm", "plain", "recorded")
CAPTURES = Path(__file__).parents[1] / "tests" / "data" / "captures"


def bodies(kind: str) -> Sequence[bytes]:
    """Return several requests of a kind."""
    if kind == "llm":
        return [template.fresh() for template in templates("llm", SPANS)]
    if kind == "plain":
        return [template.fresh() for template in templates("plain", SPANS)]
    captures = json.loads((CAPTURES / "index.json").read_text())
    return [_repeated(_recorded(capture)) for capture in captures]


def _recorded(capture: Mapping[str, str]) -> bytes:
    body = (CAPTURES / capture["file"]).read_bytes()
    if capture["content_encoding"] == "gzip":
        body = gzip.decompress(body)
    if capture["content_type"] == "application/json":
        return decode_request(body).SerializeToString()
    return body


def _repeated(body: bytes) -> bytes:
    whole = ExportTraceServiceRequest()
    for copy in range(max(1, SPANS // len(Batch(body)))):
        batch = Batch(body)
        for span in batch:
            span.proto.trace_id = copy.to_bytes(8) + span.trace_id[8:]
        whole.MergeFromString(batch.encode())
    return whole.SerializeToString()
