"""
Refusals: what a sender is told, by gRPC code, HTTP status and ``google.rpc.Status`` body.

Source: OTLP specification, "Failures" and "OTLP/gRPC Throttling"; google/rpc/status.proto.
"""

import math
from typing import Any, NamedTuple

import msgspec
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped] # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped] # no stubs

from gateway.errors import Busy, Flow, Forbidden, Retry, TooLarge

DEFAULT_DELAY_S = 1.0
MAX_REASON = 1000  # gRPC carries it in a header
RETRY_INFO_URL = "type.googleapis.com/google.rpc.RetryInfo"


class Kind(NamedTuple):
    """A kind of refusal: one row of the table of answers."""

    code: int
    """gRPC status code."""
    http: int
    """HTTP status."""
    label: str
    """Value of the ``reason`` label of the metrics."""


MALFORMED = Kind(3, 400, "malformed")
REJECTED = Kind(3, 400, "rejected")
INVALID_SPAN = Kind(3, 400, "invalid_span")
UNAUTHENTICATED = Kind(16, 401, "unauthenticated")
FORBIDDEN = Kind(7, 403, "forbidden")
UNKNOWN_PATH = Kind(12, 404, "unknown_path")
UNKNOWN_METHOD = Kind(12, 405, "unknown_method")
TIMED_OUT = Kind(4, 408, "timed_out")
TOO_LARGE = Kind(8, 413, "too_large")
UNSUPPORTED = Kind(3, 415, "unsupported")
UNKNOWN_EXPECTATION = Kind(3, 417, "unsupported")
BUSY = Kind(8, 429, "busy")
UNAVAILABLE = Kind(14, 503, "unavailable")

_DELAYED = (BUSY, UNAVAILABLE)
_TOLD = (*_DELAYED, TOO_LARGE)


class Refusal(Exception):  # noqa: N818 - an answer, not a fault of ours
    """
    A request is refused; ``reason`` is a sentence that the sender's operator can act on.

    Args:
        kind: which answer.
        reason: what is wrong and what to do.
        after: seconds after which the sender should come back; kinds that are worth sending
            again always have a delay, the others never.
        spans: how many are refused; what could not be read counts as one.

    """

    def __init__(self, kind: Kind, reason: str, after: float | None = None, spans: int = 1) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason[:MAX_REASON]
        self.spans = spans
        self.by = ""
        """Id of the processor that refuses, if one does."""
        self.is_private = False
        """Whether the reason is in a plugin's words, which may quote a span."""
        self.hold_s = 0.0
        """How long the answer is held back, from senders that do not wait as they are told."""
        self.after: float | None = None
        if kind in _DELAYED:
            self.after = after if after is not None and after > 0 else DEFAULT_DELAY_S

    @classmethod
    def from_flow(cls, flow: Flow, spans: int = 1) -> "Refusal":
        """Translate what the engine or a processor says of a request with so many spans."""
        refusal = cls._translated(flow, spans)
        refusal.by, refusal.is_private = flow.by, flow.is_private
        return refusal

    @classmethod
    def _translated(cls, flow: Flow, spans: int) -> "Refusal":
        if isinstance(flow, Busy):
            return cls(BUSY, flow.reason, flow.after, spans)
        if isinstance(flow, Retry):
            return cls(UNAVAILABLE, flow.reason, flow.after, spans)
        if isinstance(flow, TooLarge):
            return cls(TOO_LARGE, flow.reason, spans=spans)
        if isinstance(flow, Forbidden):
            return cls(FORBIDDEN, flow.reason, spans=spans)
        return cls(REJECTED, flow.reason, spans=spans)

    @property
    def told(self) -> str:
        """What the log may say of it: nothing that a sender or a plugin has written."""
        return self.reason if self.kind in _TOLD and not self.is_private else ""

    @property
    def retry_after(self) -> str | None:
        """The ``Retry-After`` header: whole seconds, rounded up, never 0."""
        return None if self.after is None else str(max(1, math.ceil(self.after)))

    def to_protobuf(self) -> bytes:
        """Return the encoded ``google.rpc.Status``, with RetryInfo where there is a delay."""
        status = Status(code=self.kind.code, message=self.reason)
        if self.after is not None:
            info = RetryInfo()
            info.retry_delay.FromNanoseconds(round(self.after * 1e9))
            status.details.add().Pack(info)
        encoded: bytes = status.SerializeToString()
        return encoded

    def to_json(self) -> bytes:
        """Return the status as protobuf's JSON mapping writes it."""
        status: dict[str, Any] = {"code": self.kind.code, "message": self.reason}
        if self.after is not None:
            delay = f"{self.after:.9f}".rstrip("0").rstrip(".") + "s"
            status["details"] = [{"@type": RETRY_INFO_URL, "retryDelay": delay}]
        return msgspec.json.encode(status)
