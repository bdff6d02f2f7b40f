"""OTLP/HTTP: ``POST /v1/traces`` in protobuf or JSON."""

import asyncio
import time
from typing import NamedTuple

from aiohttp import web

from gateway import endpoint, guard
from gateway.component_context import Reserve
from gateway.courtesy import COURTESY
from gateway.errors import Flow
from gateway.otlp.answer import accepted
from gateway.otlp.decompress import check_encoding
from gateway.otlp.status import (
    TIMED_OUT,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNKNOWN_METHOD,
    UNKNOWN_PATH,
    UNSUPPORTED,
    Refusal,
)
from gateway.receivers import short_answer
from gateway.receivers.addresses import listen_error
from gateway.receivers.admission import Account
from gateway.receivers.config import HttpConfig
from gateway.receivers.cors import Cors
from gateway.receivers.front import Front
from gateway.receivers.http_body import read_body
from gateway.receivers.http_protocol import (
    SERVER_NAME,
    Connection,
    HttpServer,
    refusal_headers,
)
from gateway.receivers.requests import Body
from gateway.receivers.routing_headers import routing_headers
from gateway.receivers.tls import Certificates

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
OTHER_SIGNALS = {"/v1/metrics": "metrics", "/v1/logs": "logs"}

HAND_OVER_S = 5.0
"""How long idle connections may stay open while another process goes on."""
_POLL_S = 0.02
BACKLOG = 4096
"""Connections that may wait to be accepted, so that many at once are not reset; the operating
system has its own limit."""

CLOSE_S = 0.05
"""How long stopping waits for connections that are closing."""

_UNCOUNTED = (UNKNOWN_PATH, UNKNOWN_METHOD)
_CLOSING = (TIMED_OUT, UNAVAILABLE)
_SERVER = {"Server": SERVER_NAME}


class _Reply(NamedTuple):
    status: int
    body: bytes
    content_type: str


class HttpEndpoint:
    """The HTTP server of a receiver."""

    def __init__(
        self, config: HttpConfig, front: Front, certificates: Certificates | None, where: str
    ) -> None:
        self._config = config
        self._front = front
        self._certificates = certificates
        self._where = where
        self._paths = frozenset(config.traces_url_paths)
        self._cors = Cors(config.cors)
        self._allow = "POST, OPTIONS" if self._cors.enabled else "POST"
        self._server: HttpServer | None = None
        self._listener: asyncio.Server | None = None
        self._shared = False
        self._leaving = False

    async def start(self, reserve: Reserve | None) -> str:
        """
        Accept requests and return the address.

        Args:
            reserve: how to share the port with other workers; None where there are none.

        Raises:
            OSError: the address cannot be used; says what to do.

        """
        self._shared = reserve is not None
        host, port = endpoint.split(self._config.endpoint)
        if reserve is not None:
            port = await reserve(self._where, host, port)
        self._server = HttpServer(self._handle, self._config, self._front.logger)
        tls = self._certificates.http() if self._certificates is not None else None
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                self._server,
                host,
                port,
                backlog=BACKLOG,
                ssl=tls,
                ssl_handshake_timeout=float(self._config.read_header_timeout) if tls else None,
                reuse_port=self._shared or None,
            )
        except OSError as error:
            raise listen_error(self._where, host, port, error) from error
        return endpoint.join(host, self._listener.sockets[0].getsockname()[1])

    def refuse(self) -> None:
        """
        Leave new connections to the other processes where the address is shared.

        Otherwise they are taken and told when to come back.
        """
        if self._listener is not None and self._shared:
            self._listener.close()

    async def hand_over(self) -> None:
        """
        Leave new connections to another process; return once the others are gone, or idle.

        A connection ends with the answer to its next request, so that no request is lost on one
        that closes.
        """
        self._leaving = True
        if self._listener is not None:
            self._listener.close()
        until = time.monotonic() + HAND_OVER_S
        while self._server is not None and self._server.connections:
            if time.monotonic() > until:
                return
            await asyncio.sleep(_POLL_S)

    async def stop(self) -> None:
        """End all connections."""
        if self._listener is not None:
            self._listener.close()
        if self._server is not None:
            server, self._server = self._server, None
            await server.shutdown(CLOSE_S)  # aiohttp reads 0 as no limit
        self._front.requests.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        media = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        expected = (Refusal, ConnectionError)  # a client that is gone needs no answer
        try:
            answer = await guard.answer(self._answer(request, media), expected, self._front.logger)
            if self._leaving:
                answer.force_close()
            return answer  # noqa: TRY300 - what is refused is answered below
        except Refusal as refusal:
            await asyncio.sleep(refusal.hold_s)
            return self._refuse(request, media, refusal)
        except Flow as flow:
            return self._refuse(request, media, Refusal.from_flow(flow))

    async def _answer(self, request: web.BaseRequest, media: str) -> web.StreamResponse:
        signal = self._route(_path(request))
        if request.method != "POST":
            headers = self._cors.preflight(request.headers) if request.method == "OPTIONS" else None
            if headers is not None:
                return web.Response(status=204, headers=_SERVER | headers)
            raise Refusal(UNKNOWN_METHOD, f"{request.method} is not supported here, use POST")
        peer = request.remote or ""
        account = self._admit(request, peer)
        tenant = _tenant(account)
        if isinstance(request.protocol, Connection):
            request.protocol.tenant = tenant
        if media not in (PROTOBUF, JSON):
            found = f'"{media}"' if media else "none"
            raise Refusal(UNSUPPORTED, f"expected Content-Type {PROTOBUF} or {JSON}, found {found}")
        encoding = check_encoding(", ".join(request.headers.getall("Content-Encoding", ())))
        config, front = self._config, self._front
        place = COURTESY.place(tenant, request.content_length or config.max_bytes)
        with front.admission.enter(account, arriving=True) as lease:
            async with place:
                data = await read_body(request, config.max_bytes, config.read_timeout, lease)
                lease.arrived()
                place.arrived()
                if signal:
                    front.count_discarded(signal)
                    return self._reply(request, accepted(0, "", as_json=media == JSON), media)
                body = Body(data, encoding, media == JSON, config.max_bytes)
                context = front.context(account, routing_headers(request.headers.items()), peer)
                done = await front.requests.accept(body, context, lease)
        return self._reply(request, accepted(*done, as_json=media == JSON), media)

    def _route(self, path: str) -> str:
        """Return the signal to discard, ``""`` for traces."""
        if path in self._paths:
            return ""
        signal = OTHER_SIGNALS.get(path, "")
        if signal and self._front.discard:
            return signal
        if signal:
            raise Refusal(
                UNKNOWN_PATH,
                f"this gateway takes only traces, not {signal}; turn their export off, or set "
                "other_signals: discard on the receiver",
            )
        known = ", ".join(sorted(self._paths))
        raise Refusal(UNKNOWN_PATH, f"there is nothing at {path[:100]}; traces go to {known}")

    def _admit(self, request: web.BaseRequest, peer: str) -> Account | None:
        front = self._front
        if not front.auth.required:
            return front.admit(None, None, None, peer)
        headers = request.headers
        return front.admit(
            headers.get("Authorization"), headers.get("x-api-key"), _common_name(request), peer
        )

    def _reply(self, request: web.BaseRequest, body: bytes, media: str) -> web.StreamResponse:
        if not (self._cors.enabled or self._leaving) and short_answer.fits(request):
            return short_answer.ShortAnswer(media, body)
        headers = _SERVER
        if self._cors.enabled:
            headers = headers | self._cors.headers(request.headers)
        return web.Response(body=body, content_type=media, headers=headers)

    def _refuse(self, request: web.BaseRequest, media: str, refusal: Refusal) -> web.Response:
        kind = refusal.kind
        if kind not in _UNCOUNTED:
            self._front.count(refusal, request.remote or "")
        headers = refusal_headers(refusal) | self._cors.headers(request.headers)
        if kind is UNKNOWN_METHOD:
            headers["Allow"] = self._allow
        if kind is UNAUTHENTICATED:
            headers["WWW-Authenticate"] = self._front.auth.challenge
        in_protobuf = media == PROTOBUF
        response = web.Response(
            status=kind.http,
            body=refusal.to_protobuf() if in_protobuf else refusal.to_json(),
            content_type=PROTOBUF if in_protobuf else JSON,
            headers=headers,
        )
        if kind in _CLOSING:
            response.force_close()
        return response


def _path(request: web.BaseRequest) -> str:
    """Return the path, also of a target with scheme and host, as clients of a proxy write it."""
    target = request.raw_path
    if target[:4].lower() == "http":
        target = "/" + target.partition("://")[2].partition("/")[2]
    return target.partition("?")[0]


def _tenant(account: Account | None) -> str:
    return account.tenant.name if account is not None else ""


def _common_name(request: web.BaseRequest) -> str | None:
    """Return the common name of the client's certificate."""
    if request.transport is None:
        return None
    certificate = request.transport.get_extra_info("peercert")
    for names in (certificate or {}).get("subject", ()):
        for key, value in names:
            if key == "commonName":
                return str(value)
    return None
