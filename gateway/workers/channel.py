"""One end of the connection between the supervisor and a worker: framed MessagePack."""

import asyncio
import contextlib
import os
import socket
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")
_LENGTH_BYTES = 4
_encode = msgspec.msgpack.Encoder().encode


class Channel(Generic[T]):
    """Send messages, receive those of type ``T``."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: Any
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._decode = msgspec.msgpack.Decoder(kind).decode

    @classmethod
    async def open(cls, end: socket.socket, kind: Any) -> "Channel[T]":
        """Take over a connected socket; ``kind`` is ``T``, for decoding."""
        reader, writer = await asyncio.open_unix_connection(sock=end)
        return cls(reader, writer, kind)

    def send(self, message: msgspec.Struct) -> None:
        """Send a message, if there is still somebody to read it."""
        if not self._writer.is_closing():
            body = _encode(message)
            self._writer.write(len(body).to_bytes(_LENGTH_BYTES, "little") + body)

    def send_at_once(self, message: msgspec.Struct) -> None:
        """Send a last message from a thread, while the event loop stands still."""
        body = _encode(message)
        with contextlib.suppress(OSError, ValueError):
            descriptor = self._writer.get_extra_info("socket").fileno()
            os.write(descriptor, len(body).to_bytes(_LENGTH_BYTES, "little") + body)

    async def receive(self) -> T | None:
        """Return the next message; None once the other end is gone."""
        try:
            length = await self._reader.readexactly(_LENGTH_BYTES)
            body = await self._reader.readexactly(int.from_bytes(length, "little"))
            message: T = self._decode(body)
        except (asyncio.IncompleteReadError, OSError, msgspec.DecodeError):
            return None
        return message

    async def flush(self) -> None:
        """Return once what was sent is on its way, or nobody reads it."""
        try:
            await self._writer.drain()
        except OSError:
            return

    def close(self) -> None:
        """End the connection."""
        self._writer.close()
