"""
Post batches over HTTP: compression, connection reuse, and failures in plain words.

What every exporter that speaks HTTP shares. An answer of whatever status is an :class:`Answer`;
no answer at all is a :class:`~gateway.errors.Retry` whose reason names address and cause.
"""

import asyncio
import email.utils
import io
import math
import ssl
from collections.abc import Mapping
from types import SimpleNamespace
from typing import NamedTuple

import aiohttp
import msgspec
from isal import igzip
from multidict import CIMultiDict
from yarl import URL

from exporters.certificates import CertificateFiles
from exporters.http_failures import explain, is_reset
from exporters.http_settings import environment_proxy, parse_url, reveal_headers, tls_context
from gateway.errors import Retry
from gateway.plugin import HttpExporterConfig

KIB = 1024
MIB = 1024 * KIB

ANSWER_BYTES = 64 * KIB
"""How much of the answer to a batch is read; OTLP's are some bytes, proxies' pages are not."""

DOCUMENT_BYTES = 8 * MIB
"""How long the answer to a REST call may be."""

_KEEPALIVE_S = 4.0  # below the 5 s after which uvicorn, MLflow's server, closes an idle connection
_CONNECT_S = 10.0
_CONNECTIONS = 100
_INLINE_BYTES = MIB  # about a millisecond of compression; beyond it a thread is worth its hop


class Answer(NamedTuple):
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    """Names compare case-insensitively."""
    body: bytes
    """The beginning of it where it is very long."""


class _Call(NamedTuple):
    """A request to be made."""

    method: str
    url: URL
    headers: CIMultiDict[str]
    body: bytes | None = None
    params: Mapping[str, str] | None = None
    document: bool = False
    """Whether the answer is needed whole."""


class _Tls(NamedTuple):
    """How new connections check certificates."""

    context: ssl.SSLContext | bool
    name: str | None
    """Of the server's certificate, where it is not the host in the address."""


class HttpClient:
    """
    Keep connections to one server and send requests over them.

    Args:
        config: headers, TLS, proxy, timeout and compression.
        base_url: ``http`` or ``https`` address that the paths of requests are added to.

    Raises:
        ValueError: ``base_url`` or a header cannot be used.

    """

    def __init__(self, config: HttpExporterConfig, base_url: str) -> None:
        self._config = config
        self._base = parse_url(base_url)
        self._base_text = base_url.rstrip("/")
        self._headers = reveal_headers(config)
        self._proxy = config.proxy or environment_proxy(self._base)
        self._certificates = CertificateFiles(config.tls, tls_context)
        self._tls = _Tls(True, config.tls.server_name_override or None)
        self._session: aiohttp.ClientSession | None = None

    @property
    def address(self) -> str:
        """Scheme, host and port, for people: nothing of it is secret."""
        return str(self._base.origin())

    async def start(self) -> None:
        """
        Make ready to connect; no connection is made yet.

        Raises:
            ValueError: a certificate file cannot be used.

        """
        if self._base.scheme == "https":
            context = await asyncio.to_thread(self._certificates.load)
            self._tls = self._tls._replace(context=context)
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_reuseconn.append(_note_reuse)
        total = self._config.timeout or None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                keepalive_timeout=_KEEPALIVE_S,
                limit=_CONNECTIONS,
            ),
            timeout=aiohttp.ClientTimeout(
                total=total, sock_connect=min(_CONNECT_S, total or _CONNECT_S)
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=self._proxy,
            trace_configs=[tracing],
        )

    async def stop(self) -> None:
        """Close the connections; safe without :meth:`start`, and safe twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(
        self, path: str, body: bytes, *, headers: Mapping[str, str], encode: bool = True
    ) -> Answer:
        """
        Send a body, compressed as configured unless ``encode`` is false.

        Of the answer's body the first 64 KiB are read; one that breaks off counts as far as it
        came, since its status already says what became of the batch.

        Raises:
            Retry: the server did not answer.

        """
        merged = self._merge(headers)
        if encode and self._config.compression == "gzip":
            body = await _gzip(body)
            merged["Content-Encoding"] = "gzip"
        return await self._send(_Call("POST", self._url(path), merged, body))

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """
        Make a REST call, with ``json`` as its body unless ``None``.

        Raises:
            Retry: the server did not answer, or not to the end.

        """
        merged = self._merge(headers or {})
        body = None
        if json is not None:
            body = msgspec.json.encode(json)
            merged.setdefault("Content-Type", "application/json")
        return await self._send(_Call(method, self._url(path), merged, body, params, document=True))

    def _merge(self, headers: Mapping[str, str]) -> CIMultiDict[str]:
        merged = self._headers.copy()
        for name, value in headers.items():
            merged[name] = value
        return merged

    def _url(self, path: str) -> URL:
        return URL(self._base_text + path) if path else self._base

    async def _send(self, call: _Call) -> Answer:
        """Make a call; where the server has just closed the idle connection, on another one."""
        if self._session is None:
            raise Retry(f"{self.address}: the exporter is stopped")
        used = SimpleNamespace(before=False)
        try:
            try:
                return await _exchange(self._session, call, self._tls, used)
            except (aiohttp.ClientConnectionError, OSError) as error:
                if not used.before or not is_reset(error):
                    raise
                return await _exchange(self._session, call, self._tls, used)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            await self._renew()
            raise explain(error, self.address, self._proxy, self._config.timeout) from error

    async def _renew(self) -> None:
        """
        Let new connections use certificates that were renewed.

        Raises:
            Retry: the renewed ones cannot be used.

        """
        if self._base.scheme != "https":
            return
        try:
            context = await asyncio.to_thread(self._certificates.renewed)
        except ValueError as error:
            raise Retry(f"{self.address}: {error}", scope="exporter") from error
        if context is not None:
            self._tls = self._tls._replace(context=context)


async def _exchange(
    session: aiohttp.ClientSession, call: _Call, tls: _Tls, used: SimpleNamespace
) -> Answer:
    body = call.body
    async with session.request(
        call.method,
        call.url,
        params=call.params,
        # aiohttp writes what is large piece by piece only where it comes as a file.
        data=io.BytesIO(body) if body is not None and len(body) > MIB else body,
        headers=call.headers,
        allow_redirects=False,
        ssl=tls.context,
        server_hostname=tls.name,
        trace_request_ctx=used,
    ) as response:
        content, whole = await _read(response, DOCUMENT_BYTES if call.document else ANSWER_BYTES)
        if not whole:
            response.close()
            if call.document:
                raise aiohttp.ClientPayloadError
        return Answer(response.status, response.headers, content)


async def _note_reuse(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: object
) -> None:
    context.trace_request_ctx.before = True


async def _gzip(body: bytes) -> bytes:
    if len(body) <= _INLINE_BYTES:
        return igzip.compress(body, 0)
    return await asyncio.to_thread(igzip.compress, body, 0)


async def _read(response: aiohttp.ClientResponse, most: int) -> tuple[bytes, bool]:
    """Return the beginning of a body, and whether that is the whole of it."""
    parts: list[bytes] = []
    left = most
    try:
        while left > 0:
            part = await response.content.read(left)
            if not part:
                return b"".join(parts), True
            parts.append(part)
            left -= len(part)
        return b"".join(parts), response.content.at_eof()
    except (aiohttp.ClientError, TimeoutError, OSError):
        return b"".join(parts), False


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """
    Return how many seconds a server asks to wait, or ``None`` where it does not say.

    Args:
        headers: of its answer.
        now: seconds since 1970.

    Source: RFC 9110, section 10.2.3: seconds, or a date.

    """
    text = headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - now
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
