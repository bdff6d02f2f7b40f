"""Send traces to any OTLP/gRPC backend."""

import asyncio
from typing import Any, Literal

import grpc
import grpc.aio
import msgspec

from exporters.certificates import CertificateFiles
from exporters.grpc_settings import channel_credentials, parse_target, reveal_metadata
from exporters.otlp_answers import partial_success, retry_delay
from gateway.errors import Flow
from gateway.plugin import (
    Batch,
    BatchConfig,
    ClientTlsConfig,
    Context,
    Duration,
    Exporter,
    ExporterConfig,
    Reject,
    Retry,
    Secret,
)
from gateway.version import __version__

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_STATUS_DETAILS = "grpc-status-details-bin"

# Source: OpenTelemetry protocol specification, "Failures" of OTLP/gRPC.
_LATER = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
_ADVICE = {
    grpc.StatusCode.UNAUTHENTICATED: "set the credentials that the backend asks for in headers",
    grpc.StatusCode.PERMISSION_DENIED: "give the credentials in headers the right to write traces",
    grpc.StatusCode.UNIMPLEMENTED: "correct endpoint: the server there takes no OTLP traces",
}
_GRACE_S = 60.0
Metadata = tuple[tuple[str, str], ...]

_OPTIONS: tuple[tuple[str, str | int], ...] = (
    ("grpc.primary_user_agent", f"Spangate/{__version__}"),
    ("grpc.lb_policy_name", "round_robin"),  # a headless Kubernetes service has many addresses
    # Servers allow one ping in five minutes; asking for it also ends a connection whose data
    # nobody acknowledges after the time-out (TCP_USER_TIMEOUT).
    ("grpc.keepalive_time_ms", 300_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 10_000),
)


class OtlpGrpcConfig(ExporterConfig):
    """Settings of ``otlp_grpc``."""

    endpoint: str = ""
    """``host:port`` or ``http(s)://host:port``. ``https`` means TLS and ``http`` none; without a
    scheme it is TLS, unless ``tls.insecure`` is set or the host is this machine's loopback."""

    headers: dict[str, Secret] = msgspec.field(default_factory=dict)
    """Metadata added to every request; the values never print."""

    tls: ClientTlsConfig = msgspec.field(default_factory=ClientTlsConfig)
    """How the server's certificate is checked, and which one is shown to it."""

    timeout: Duration = Duration(60)
    """For one request, from connecting to the end of the answer."""

    compression: Literal["gzip", "none"] = "gzip"
    """Compression of requests; gRPC's own gzip costs far more CPU time than that over HTTP."""

    batch: BatchConfig = msgspec.field(default_factory=lambda: BatchConfig(max_size_mib=3.5))
    """What is joined into one request. Most gRPC servers take no more than 4 MiB."""

    def validate(self) -> None:
        """Require an address with a port, and metadata that gRPC can carry."""
        if not self.endpoint:
            raise ValueError('set endpoint, for example "backend:4317"')
        parse_target(self.endpoint, self.tls)
        self.tls.validate()
        if self.tls.insecure_skip_verify:
            raise ValueError(
                "tls.insecure_skip_verify: gRPC cannot skip the check; set tls.ca_file to the "
                "server's certificate, or tls.insecure: true for no TLS at all"
            )
        reveal_metadata(self.headers)


class OtlpGrpc(Exporter[OtlpGrpcConfig]):
    """
    Send each batch as one ``Export`` call, with the bytes as received where nothing changed them.

    A backend that is away, busy or wrongly configured keeps its spans waiting; what it calls
    wrong is isolated by the engine, so that one bad span harms no other.
    """

    stability = "beta"

    def __init__(self, config: OtlpGrpcConfig) -> None:
        super().__init__(config)
        self._target = parse_target(config.endpoint, config.tls)
        self._metadata = reveal_metadata(config.headers)
        self._certificates = CertificateFiles(config.tls, channel_credentials)
        self._context: Context | None = None
        self._channel: grpc.aio.Channel | None = None

    async def start(self, context: Context) -> None:
        """
        Load certificates; no connection is made before the first batch.

        Raises:
            ValueError: a certificate file cannot be read.

        """
        self._context = context
        credentials = None
        if self._target.tls:
            credentials = await asyncio.to_thread(self._certificates.load)
        self._connect(credentials)

    async def stop(self) -> None:
        """Close the channel."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close(grace=None)

    async def export(self, batch: Batch) -> None:
        """
        Return once the backend has answered OK.

        Spans that it refused by partial success are logged and counted: it does not say which.

        Raises:
            Retry: the backend is away or busy, or its settings need mending.
            Reject: the backend calls the request wrong.

        """
        await self.send(batch.encode())

    async def send(self, request: bytes, metadata: Metadata = ()) -> None:
        """Send an encoded request with more metadata; otherwise as :meth:`export`."""
        if self._channel is None:
            raise Retry(f"{self._target.address}: the exporter is stopped")
        try:
            answer = await self._call(
                request,
                timeout=self.config.timeout or None,
                metadata=self._metadata + metadata,
            )
        except grpc.aio.AioRpcError as error:
            if self._target.tls and error.code() is grpc.StatusCode.UNAVAILABLE:
                await self._renew()
            raise self._failure(error) from error
        partial_success(answer).report(self._context)

    def _connect(self, credentials: grpc.ChannelCredentials | None) -> None:
        """Open a channel, with TLS where there are credentials."""
        address, options = self._target.address, _OPTIONS
        compression = grpc.Compression.NoCompression
        if self.config.compression == "gzip":
            compression = grpc.Compression.Gzip
        if name := self.config.tls.server_name_override:
            options += (("grpc.ssl_target_name_override", name),)
        if credentials is not None:
            channel = grpc.aio.secure_channel(address, credentials, options, compression)
        else:
            channel = grpc.aio.insecure_channel(address, options, compression)
        self._channel, self._call = channel, channel.unary_unary(_EXPORT, _as_is, _as_is)

    async def _renew(self) -> None:
        """
        Use another channel where certificates were renewed: one reads them only once.

        Raises:
            Retry: the renewed ones cannot be used.

        """
        before = self._channel
        try:
            credentials = await asyncio.to_thread(self._certificates.renewed)
        except ValueError as error:
            raise Retry(f"{self._target.address}: {error}", scope="exporter") from error
        if credentials is not None and before is not None and before is self._channel:
            self._connect(credentials)
            # What is under way there ends by its own time-out.
            await before.close(grace=float(self.config.timeout) or _GRACE_S)

    def _failure(self, error: grpc.aio.AioRpcError) -> Flow:
        code = error.code()
        details = error.details() or ""
        reason = f"{self._target.address}: {code.name}: {details}".rstrip(": ")
        after = _delay(error)
        if code in _ADVICE:
            return Retry(reason, advice=_ADVICE[code], scope="exporter")
        if code in _LATER:
            advice = _tls_advice(details, self._target.tls)
            return Retry(
                reason, after, advice=advice, scope="exporter" if advice else "destination"
            )
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED and after is not None:
            return Retry(reason, after)
        return Reject(reason, isolate=True)


def _as_is(message: bytes) -> bytes:
    return message


def _delay(error: grpc.aio.AioRpcError) -> float | None:
    trailers: Any = error.trailing_metadata() or ()
    for key, value in trailers:
        if key == _STATUS_DETAILS and isinstance(value, bytes):
            return retry_delay(value)
    return None


def _tls_advice(details: str, tls: bool) -> str | None:
    """Return what to do about a connection that fails for TLS, as gRPC's own words betray."""
    if tls and "CERTIFICATE_VERIFY_FAILED" in details:
        return "set tls.ca_file to the authority that signed the server's certificate"
    if tls and "WRONG_VERSION_NUMBER" in details:
        return "the server speaks no TLS there: write http:// in endpoint, or set tls.insecure"
    if tls and "handshake failed" in details:
        return "set tls.ca_file, and tls.cert_file and tls.key_file where the server asks for them"
    return None
