"""A whole HTTP answer in one piece: nearly every request gets one, and it is always the same."""

import time
from email.utils import formatdate
from functools import lru_cache

from aiohttp import HttpVersion11, web

from gateway.receivers.http_protocol import SERVER_NAME


class ShortAnswer(web.StreamResponse):
    """
    A 200 on a connection that stays open; see :func:`fits`.

    aiohttp's own response puts together anew each time what is the same for a second.
    """

    def __init__(self, content_type: str, body: bytes) -> None:
        super().__init__()
        self._whole = _head(content_type, len(body), int(time.time())) + body

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open."""
        return True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write all of it, and wait for a client that does not read."""
        await request.writer.write(self._whole)
        await request.writer.drain()

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to be written."""


def fits(request: web.BaseRequest) -> bool:
    """Whether a request may have such an answer."""
    return request.version == HttpVersion11 and request.keep_alive


@lru_cache(maxsize=8)
def _head(content_type: str, size: int, now: int) -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\nServer: {SERVER_NAME}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {size}\r\nDate: {formatdate(now, usegmt=True)}\r\n\r\n"
    ).encode()
