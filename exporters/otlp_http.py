"""Send traces to any OTLP/HTTP backend."""

from exporters.http_client import Answer, HttpClient, retry_after
from exporters.http_settings import parse_url, reveal_headers
from exporters.otlp_answers import error_text, partial_success
from gateway.errors import Flow
from gateway.plugin import Batch, Context, Exporter, HttpExporterConfig, Reject, Retry

_PROTOBUF = "application/x-protobuf"
_LATER = frozenset({429, 502, 503, 504})
_ADVICE = {
    401: "set the credentials that the backend asks for in headers",
    403: "give the credentials in headers the right to write traces",
    404: "correct endpoint: /v1/traces is added to it; traces_endpoint is used as it stands",
    405: "correct endpoint: it is not an OTLP/HTTP address",
    407: "put user and password into the address in proxy",
    415: "correct endpoint: the server does not take OTLP in protobuf",
    501: "let the backend store traces, or send them to another one",
}


class OtlpHttpConfig(HttpExporterConfig):
    """Settings of ``otlp_http``."""

    endpoint: str = ""
    """Base address of the backend, such as ``http://backend:4318``; ``/v1/traces`` is added."""

    traces_endpoint: str = ""
    """Full address for traces, used as it stands, instead of ``endpoint``."""

    def validate(self) -> None:
        """Require an address, and headers that HTTP can carry."""
        if not self.endpoint and not self.traces_endpoint:
            raise ValueError('set endpoint, for example "http://backend:4318"')
        for key in ("endpoint", "traces_endpoint"):
            address = getattr(self, key)
            try:
                if address:
                    parse_url(address)
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from error
        reveal_headers(self)
        self.tls.validate()


class OtlpHttp(Exporter[OtlpHttpConfig]):
    """
    Send each batch as one ``POST`` of protobuf, as received where nothing changed it.

    A backend that is away, busy or wrongly configured keeps its spans waiting; what it calls
    wrong is isolated by the engine, so that one bad span harms no other.
    """

    stability = "beta"

    def __init__(self, config: OtlpHttpConfig) -> None:
        super().__init__(config)
        self._path = "" if config.traces_endpoint else "/v1/traces"
        self._client = HttpClient(config, config.traces_endpoint or config.endpoint)
        self._context: Context | None = None

    async def start(self, context: Context) -> None:
        """Load certificates; no connection is made before the first batch."""
        self._context = context
        await self._client.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._client.stop()

    async def export(self, batch: Batch) -> None:
        """
        Return once the backend has answered with success.

        Spans that it refused by partial success are logged and counted: it does not say which.

        Raises:
            Retry: the backend is away or busy, or its settings need mending.
            Reject: the backend calls the request wrong.

        """
        headers = {"Content-Type": _PROTOBUF}
        answer = await self._client.post(self._path, batch.encode(), headers=headers)
        if not 200 <= answer.status < 300:
            raise self._failure(answer)
        content_type = answer.headers.get("Content-Type", "")
        partial_success(answer.body, content_type).report(self._context)

    def _failure(self, answer: Answer) -> Flow:
        status = answer.status
        text = error_text(answer.body, answer.headers.get("Content-Type", ""))
        reason = f"{self._client.address}: HTTP {status}" + (f": {text}" if text else "")
        if status in _LATER:
            now = self._context.clock.time_ns() / 1e9 if self._context else 0.0
            return Retry(reason, retry_after(answer.headers, now))
        if status in _ADVICE:
            return Retry(reason, advice=_ADVICE[status], scope="exporter")
        if 300 <= status < 400:
            target = answer.headers.get("Location", "")
            return Retry(
                f"{reason}: it redirects to {target}",
                advice="set traces_endpoint to the address that the backend redirects to",
                scope="exporter",
            )
        return Reject(reason, isolate=True)
