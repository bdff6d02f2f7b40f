"""A connection between two workers: messages, each with bytes behind it that are copied once."""

import asyncio
import struct
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import msgspec

T = TypeVar("T")
_HEAD = struct.Struct("<II")  # bytes of the message, bytes behind it
_encode = msgspec.msgpack.Encoder().encode


class Link(asyncio.BufferedProtocol, Generic[T]):
    """
    One end: send messages, take those of type ``T``.

    What arrives is read into memory of its own size, so that large bodies are not gathered from
    pieces on the event loop.

    Args:
        kind: ``T``, for decoding.
        take: called with each message and the bytes behind it.
        lost: called once the connection has ended.

    """

    def __init__(
        self, kind: Any, take: Callable[[T, memoryview], None], lost: Callable[[], None]
    ) -> None:
        self._decode = msgspec.msgpack.Decoder(kind).decode
        self._take = take
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._head = memoryview(bytearray(_HEAD.size))
        self._message_bytes = 0
        self._buffer = self._rest = self._head
        self.ended = asyncio.Event()

    def send(self, message: msgspec.Struct, *behind: bytes) -> None:
        """Send a message, if there is still somebody to read it."""
        if self._transport is not None and not self._transport.is_closing():
            body = _encode(message)
            head = _HEAD.pack(len(body), sum(map(len, behind)))
            self._transport.writelines([head + body, *behind])

    def close(self) -> None:
        """End the connection once all that was sent is on its way; safe to call twice."""
        if self._transport is not None:
            self._transport.close()

    # For the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not derived from it

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - we know better
        """Return where to put what comes next."""
        return self._rest

    def buffer_updated(self, nbytes: int) -> None:
        """Go on with so many bytes more."""
        self._rest = self._rest[nbytes:]
        if self._rest:
            return
        if self._buffer is self._head:
            self._message_bytes, behind = _HEAD.unpack(self._head)
            self._expect(memoryview(bytearray(self._message_bytes + behind)))
            return
        whole = self._buffer
        self._expect(self._head)
        try:
            message = self._decode(whole[: self._message_bytes])
        except msgspec.DecodeError:  # what was sent by another version of us
            self.close()
        else:
            self._take(message, whole[self._message_bytes :])

    def _expect(self, buffer: memoryview) -> None:
        self._buffer = self._rest = buffer

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why is the same
        """End."""
        self.ended.set()
        self._lost()
