"""Read the body of an HTTP request in bounded memory and time."""

import asyncio

from aiohttp import web

from gateway.otlp.status import (
    MALFORMED,
    TIMED_OUT,
    TOO_LARGE,
    UNKNOWN_EXPECTATION,
    Refusal,
)
from gateway.receivers.admission import Lease

STALL_S = 10.0
"""A client that sends nothing for this long in the middle of a body is cut off."""


async def read_body(
    request: web.BaseRequest, max_bytes: int, timeout_s: float, lease: Lease
) -> bytes:
    """
    Return the body; what it holds is claimed from the lease as it arrives.

    Raises:
        Refusal: it is too large, too slow or broken.

    """
    length = request.content_length
    if length is not None and length > max_bytes:
        raise _too_large(max_bytes)
    if "Expect" in request.headers:
        await _expect(request)
    try:
        if request.content.is_eof():
            return _ready(request, max_bytes, lease)
        return await _gather(request, max_bytes, timeout_s, lease)
    except TimeoutError:
        raise Refusal(
            TIMED_OUT, f"the body stalled or took longer than {timeout_s:g}s (read_timeout)"
        ) from None
    except web.RequestPayloadError as error:
        raise Refusal(MALFORMED, f"the body is broken: {error}") from error
    except ConnectionError as error:
        # The stream keeps the error, and its traceback would keep the stream.
        error.with_traceback(None)
        raise ConnectionResetError("the client is gone") from None


def _ready(request: web.BaseRequest, max_bytes: int, lease: Lease) -> bytes:
    """Return a body that is there already."""
    data = request.content.read_nowait()
    if len(data) > max_bytes:
        raise _too_large(max_bytes)
    lease.take(len(data))
    return data


async def _gather(
    request: web.BaseRequest, max_bytes: int, timeout_s: float, lease: Lease
) -> bytes:
    read = request.content.readany
    chunks: list[bytes] = []
    size = 0
    now = asyncio.get_running_loop().time
    end = now() + timeout_s
    try:
        async with asyncio.timeout_at(min(end, now() + STALL_S)) as limit:
            while chunk := await read():
                size += len(chunk)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                lease.take(len(chunk))
                chunks.append(chunk)
                limit.reschedule(min(end, now() + STALL_S))
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)
    finally:
        chunks.clear()  # tracebacks of failures must not hold them


async def _expect(request: web.BaseRequest) -> None:
    """Tell a client that waits for it to go on, now that it may."""
    if request.headers["Expect"].lower() != "100-continue":
        raise Refusal(UNKNOWN_EXPECTATION, "only Expect: 100-continue is supported")
    if request.version >= (1, 1) and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _too_large(max_bytes: int) -> Refusal:
    return Refusal(
        TOO_LARGE,
        f"the body is larger than {max_bytes} bytes (max_request_body_size_mib): send fewer "
        "spans at once",
    )
