"""Bodies of positive answers."""

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse


def accepted(rejected: int, reason: str, *, as_json: bool) -> bytes:
    """Return the answer to an accepted request: empty, or which part of it was not."""
    if not rejected:
        return b"{}" if as_json else b""
    if as_json:
        partial = {"rejectedSpans": str(rejected), "errorMessage": reason}
        return msgspec.json.encode({"partialSuccess": partial})
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = reason
    return response.SerializeToString()
