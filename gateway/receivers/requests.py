"""From the body of a request to a delivered batch, the same for both protocols."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import NamedTuple

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.batch import BatchContext
from gateway.courtesy import COURTESY
from gateway.guard import ENDED
from gateway.otlp import validate
from gateway.otlp.decompress import decompress
from gateway.otlp.json import JsonError, decode_request
from gateway.otlp.status import MALFORMED, REJECTED, Refusal
from gateway.otlp.weigh import weigh_json, weigh_protobuf
from gateway.poison import READING, Poison, key_of_body
from gateway.receivers.admission import Lease
from gateway.receivers.handover import HandOver, Refused
from gateway.telemetry import metrics
from gateway.threads import SMALL, Threads

INLINE_BYTES = 1024 * 1024
"""Protobuf up to this size, decompressed, is read on the event loop: a thread costs more. With
several tenants only what is small, so that none of them holds the loop up for others."""
JSON_WEIGHT = 16  # reading JSON costs this many times as much as protobuf
COMPRESSED_WEIGHT = 8  # what a compressed body is expected to grow to


class Body(NamedTuple):
    """A body as received."""

    data: bytes
    encoding: str
    """How it is compressed; ``""`` is not at all."""
    is_json: bool
    max_bytes: int
    """Largest size decompressed."""


class Accepted(NamedTuple):
    """What to tell the sender of an accepted request."""

    rejected: int = 0
    reason: str = ""


class Requests:
    """Read, check and deliver requests."""

    def __init__(
        self,
        receiver: str,
        transport: str,
        hand_over: HandOver,
        several_tenants: Callable[[], bool] = lambda: False,
        poison: Poison | None = None,
    ) -> None:
        self._hand_over = hand_over
        self._poison = poison or Poison()
        self._several_tenants = several_tenants
        self._threads = Threads(several_tenants)
        self._refused = partial(metrics.receiver_refused_spans.labels, receiver, transport)
        self._invalid = self._refused("invalid_span")

    async def accept(self, body: Body, context: BatchContext, lease: Lease) -> Accepted:
        """
        Return once the spans are queued for every exporter.

        Raises:
            Refusal: they are not, and what to tell the sender.

        """
        async with COURTESY.answering(context.tenant, len(body.data)):
            checked, size = await self._read(body, context.tenant, lease.take)
            await COURTESY.after_others(context.tenant)
            if not checked.entries:
                return self._accepted(checked, Refused())
            refused = await self._hand_over.run(checked, size, context, lease.account)
            return self._accepted(checked, refused)

    def _accepted(self, checked: validate.Checked, refused: Refused) -> Accepted:
        """Return what to tell the sender of what was left out; it is counted."""
        rejected, reason = checked.rejected, checked.reason
        if refused.refusals:
            for refusal in refused.refusals:
                self._refused(refusal.kind.label).inc(refusal.spans)
                rejected += refusal.spans
            reason = "; ".join(filter(None, (reason, refused.reason)))
        if checked.rejected:
            self._invalid.inc(checked.rejected)
        return Accepted(rejected, reason)

    def _read(
        self, body: Body, tenant: str, grow: Callable[[int], None]
    ) -> Coroutine[None, None, tuple[validate.Checked, int]]:
        request = key_of_body(body.data, tenant)
        if self._poison.suspects(request):
            return self._read_alone(body, tenant, grow, request)
        return self._read_somewhere(body, tenant, grow, request)

    async def _read_alone(
        self, body: Body, tenant: str, grow: Callable[[int], None], request: bytes
    ) -> tuple[validate.Checked, int]:
        async with self._poison.alone(request):
            return await self._read_somewhere(body, tenant, grow, request)

    async def _read_somewhere(
        self, body: Body, tenant: str, grow: Callable[[int], None], request: bytes
    ) -> tuple[validate.Checked, int]:
        weight = len(body.data)
        weight *= COMPRESSED_WEIGHT if body.encoding else 1
        weight *= JSON_WEIGHT if body.is_json else 1
        if weight <= (SMALL if self._several_tenants() else INLINE_BYTES):
            return self._read_noted(body, grow, request)
        return await self._threads.run(
            self._paced, body, grow, request, tenant, tenant=tenant, cost=weight
        )

    def _paced(
        self, body: Body, grow: Callable[[int], None], request: bytes, tenant: str
    ) -> tuple[validate.Checked, int]:
        with COURTESY.pace(tenant) as pace, pace.step():
            return self._read_noted(body, grow, request)

    def _read_noted(
        self, body: Body, grow: Callable[[int], None], request: bytes
    ) -> tuple[validate.Checked, int]:
        """Read a body unless that ended the process each time; noted, should it do so now."""
        with self._poison.processing(request) as work:
            if not work.may(READING):
                raise Refusal(REJECTED, ENDED)
            return read(body, grow)

    def close(self) -> None:
        """End the threads."""
        self._threads.close(wait=False)


def read(body: Body, grow: Callable[[int], None]) -> tuple[validate.Checked, int]:
    """
    Return the checked request and its size, decompressed.

    Args:
        body: as received.
        grow: called with the memory that it takes more, before it does: what is decompressed,
            and what decodes to more than its size.

    Raises:
        Refusal: the body is corrupt, malformed or too large.

    """
    data = body.data
    if body.encoding:
        data = decompress(data, body.encoding, body.max_bytes, grow)
    size = len(data)
    try:
        if body.is_json:
            _claim(weigh_json(data), size, grow)
            request = decode_request(data)
            data = request.SerializeToString()
        else:
            _claim(weigh_protobuf(data), size, grow)
            request = ExportTraceServiceRequest.FromString(data)
    except JsonError as error:
        raise Refusal(
            MALFORMED, f"the body is not an OTLP trace request in JSON: {error}"
        ) from error
    except DecodeError as error:
        raise Refusal(
            MALFORMED, f"the body is not an OTLP trace request in protobuf: {error}"
        ) from error
    return validate.check(data, request), size


def _claim(weight: int, size: int, grow: Callable[[int], None]) -> None:
    """Claim what a request decodes to, where that is more than its own size."""
    if weight > size:
        grow(weight - size)
