"""Read what an OTLP backend answers: partial success and ``google.rpc.Status``, in any encoding."""

from typing import NamedTuple

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no stubs
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from gateway.plugin import Context

_SHOWN_CHARS = 300


class PartialSuccess(NamedTuple):
    """Spans that a backend refused while it took the others; sending them again is useless."""

    rejected: int
    message: str

    def report(self, context: Context | None) -> None:
        """Log and count it; nothing more can be done, since nobody knows which spans it were."""
        if context is None or not (self.rejected or self.message):
            return
        context.logger.warning(
            "the backend took only a part" if self.rejected else "the backend warns",
            rejected_spans=self.rejected,
            advice="the backend's own log says why; its words may quote spans and are left out",
        )
        if self.rejected:
            context.meter.count("partial_success_rejected_spans", self.rejected)


def partial_success(body: bytes, content_type: str = "") -> PartialSuccess:
    """Return what a success says; one that cannot be read is a success all the same."""
    response = ExportTraceServiceResponse()
    if not _parse(body, content_type, response):
        return PartialSuccess(0, "")
    partial = response.partial_success
    return PartialSuccess(partial.rejected_spans, _shorten(partial.error_message))


def error_text(body: bytes, content_type: str) -> str:
    """Return the message of an error's body as one line, ``""`` where there is none."""
    if "json" in content_type:
        return _shorten(_json_message(body))
    if "html" in content_type:
        return "an HTML page, not an OTLP answer"
    status = Status()
    if "protobuf" in content_type and _parse(body, content_type, status):
        return _shorten(status.message)
    if content_type.startswith("text/"):
        return _shorten(body.decode(errors="replace"))
    return ""


def retry_delay(status: bytes) -> float | None:
    """Return the seconds that an encoded Status asks to wait, ``None`` where it asks nothing."""
    message = Status()
    if not _parse(status, "application/x-protobuf", message):
        return None
    for detail in message.details:
        info = RetryInfo()
        if detail.TypeName() == RetryInfo.DESCRIPTOR.full_name and _parse(detail.value, "", info):
            delay: float = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
            return max(0.0, delay)
    return None


def _parse(body: bytes, content_type: str, into: Message) -> bool:
    try:
        if "json" in content_type:
            json_format.Parse(body, into, ignore_unknown_fields=True)
        else:
            into.ParseFromString(body)
    except (json_format.ParseError, DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _json_message(body: bytes) -> str:
    """Return the message of a Status, or what other servers put where it should be."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return body.decode(errors="replace")
    if isinstance(document, dict):
        for key in ("message", "detail", "error", "error_message"):
            if document.get(key):
                return str(document[key])
    return body.decode(errors="replace")


def _shorten(text: str) -> str:
    line = "".join(char if char.isprintable() else " " for char in " ".join(text.split()))
    return line if len(line) <= _SHOWN_CHARS else line[: _SHOWN_CHARS - 1] + "…"
