"""
HTTP connections with what aiohttp's server lacks: time-outs for headers, a cap on connections,
and errors with ``google.rpc.Status`` bodies.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from gateway.courtesy import COURTESY, Expected
from gateway.otlp.status import MALFORMED, UNAVAILABLE, Refusal
from gateway.plugin import Logger
from gateway.receivers.config import HttpConfig

LINGER_S = 10.0
"""How long what a refused client still sends is read, so that it sees the answer."""
READ_BUFFER = 128 * 1024
SERVER_NAME = "spangate"

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_SILENT = logging.getLogger(__name__)  # what aiohttp has to say is said by Connection instead
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class HttpServer(web.Server):
    """Make a :class:`Connection` of each client."""

    def __init__(self, handler: Handler, config: HttpConfig, log: Logger) -> None:
        super().__init__(self._handle)
        self.config = config
        self.log = log
        self.silent: dict[Connection, None] = {}
        """Connections without a request under way, the longest silent first."""
        self._answer = handler

    def __call__(self) -> "Connection":
        """Return the protocol of a new connection."""
        return Connection(self)

    def make_room(self, newcomer: "Connection") -> bool:
        """
        Return whether a new connection may stay.

        Where there are too many, the one that has been silent for longest goes, so that those
        who hold connections for the sake of it keep nobody out.
        """
        if len(self._connections) <= self.config.max_connections:
            return True
        for connection in self.silent:
            if connection is not newcomer and connection.waits:
                del self.silent[connection]
                connection.force_close()
                return True
        return False

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        try:
            return await self._answer(request)
        finally:
            connection.answered()
            if connection.transport is not None:
                self.silent[connection] = None


class Connection(RequestHandler):
    """One client's connection."""

    __slots__ = (
        "_broken", "_expected", "_header_timeout", "_header_timer", "_log", "_server",
        "_stall_timeout", "_stall_timer", "tenant",
    )  # fmt: skip

    def __init__(self, server: HttpServer) -> None:
        config = server.config
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=config.idle_timeout,
            lingering_time=min(LINGER_S, config.read_timeout),
            read_bufsize=READ_BUFFER,
            auto_decompress=False,
            access_log=None,  # type: ignore[arg-type] # None turns it off, as aiohttp documents
            logger=_SILENT,
        )
        self._server = server
        self._log = server.log
        self._header_timeout = float(config.read_header_timeout)
        self._header_timer: asyncio.TimerHandle | None = None
        self._stall_timeout = float(config.read_timeout)
        self._stall_timer: asyncio.TimerHandle | None = None
        self._broken = False
        """Whether what came is no HTTP; whatever follows is not looked at."""
        self._expected: Expected | None = None
        self.tenant: str | None = None
        """Who sent the last request; None before the first."""

    @property
    def waits(self) -> bool:
        """Whether no request is under way."""
        return self._waiter is not None and not self._waiter.done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for headers, or close where there are too many connections."""
        super().connection_made(transport)
        if self._server.make_room(self):
            self._server.silent[self] = None
            self._expect_headers()
        else:
            self.force_close()

    def data_received(self, data: bytes) -> None:
        """Take data in; headers that have begun must end in time."""
        if self._broken:
            return
        if self.tenant is not None and self._expected is None and self.waits:
            # Until the request is read and known, the loop turns three times.
            self._expected = COURTESY.expect(self.tenant)
        super().data_received(data)
        self._let_go()
        if not self.waits:
            self._server.silent.pop(self, None)
            self._stop_timer()
        elif self._header_timer is None:
            self._expect_headers()

    def pause_writing(self) -> None:
        """Stop writing to a client that does not read; it must go on in time."""
        super().pause_writing()
        self._stall_timer = asyncio.get_running_loop().call_later(
            self._stall_timeout, self._stalled
        )

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        self._stop_stall_timer()

    def _let_go(self) -> None:
        """
        Let what is no HTTP go with the error about it.

        aiohttp keeps the error beside its own traceback, which keeps the data: up to 12 MB a
        connection stayed until the garbage collector came by, which here is rarely.
        """
        for message, _ in self._messages:
            if not isinstance(message, RawRequestMessage):
                message.exc.with_traceback(None)
                self._broken = True

    def answered(self) -> None:
        """Note that a request has its answer, or none."""
        if self._expected is not None:
            self._expected.end()
            self._expected = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the timer."""
        self.answered()
        self._server.silent.pop(self, None)
        self._stop_timer()
        self._stop_stall_timer()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """
        Answer a request that is no HTTP with 400, and whatever went wrong here with 503.

        A sender keeps what is answered with 503 and sends it again.
        """
        if isinstance(exc, ConnectionError) or request.writer.output_size > 0:
            raise ConnectionError("the client is gone")
        if isinstance(exc, HttpProcessingError):
            first_line = (message or "").partition("\n")[0] or exc.__class__.__name__
            refusal = Refusal(MALFORMED, f"not a valid HTTP request: {first_line}")
        else:
            self._log.error("request failed", status=status, exc_info=exc)
            refusal = Refusal(UNAVAILABLE, "the gateway failed on this request; its log says why")
        response = json_refusal(refusal)
        response.force_close()
        return response

    def _expect_headers(self) -> None:
        self._header_timer = asyncio.get_running_loop().call_later(
            self._header_timeout, self._headers_overdue
        )

    def _headers_overdue(self) -> None:
        self._header_timer = None
        if self.waits:
            self.force_close()

    def _stalled(self) -> None:
        """End a connection with answers that nobody takes; closing would wait for that."""
        if self.transport is not None:
            self.transport.abort()

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


def refusal_headers(refusal: Refusal) -> dict[str, str]:
    """Return the headers that every refusal has."""
    headers = {"Server": SERVER_NAME}
    if refusal.retry_after is not None:
        headers["Retry-After"] = refusal.retry_after
    return headers


def json_refusal(refusal: Refusal, headers: dict[str, Any] | None = None) -> web.Response:
    """Return a refusal with a JSON body."""
    return web.Response(
        status=refusal.kind.http,
        body=refusal.to_json(),
        content_type="application/json",
        headers=refusal_headers(refusal) | (headers or {}),
    )
