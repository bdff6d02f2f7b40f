"""The ``otlp`` receiver: OTLP/gRPC and OTLP/HTTP."""

from gateway import endpoint
from gateway.plugin import Context, Deliver, Receiver
from gateway.receivers.addresses import is_loopback
from gateway.receivers.admission import Admission, Quota
from gateway.receivers.auth import Authenticator
from gateway.receivers.config import OtlpConfig
from gateway.receivers.front import Front
from gateway.receivers.otlp_grpc import GrpcEndpoint
from gateway.receivers.otlp_http import HttpEndpoint
from gateway.receivers.tls import Certificates
from gateway.tenants import TenantConfig

__all__ = ["OtlpConfig", "OtlpReceiver"]


class OtlpReceiver(Receiver[OtlpConfig]):
    """Take traces from OpenTelemetry clients over gRPC and HTTP."""

    stability = "beta"

    reuse_port = False
    """Whether several worker processes share the addresses; set before ``listen``."""

    def __init__(self, config: OtlpConfig) -> None:
        super().__init__(config)
        self.tenants: dict[str, TenantConfig] = {t.name: t for t in config.auth.tenants}
        """Settings of those who may send, by name."""
        self._admission = Admission(config.max_concurrent_requests, config.in_flight_bytes)
        self._context: Context | None = None
        self._auth: Authenticator | None = None
        self._certificates: dict[str, Certificates] = {}
        self._grpc: GrpcEndpoint | None = None
        self._http: HttpEndpoint | None = None
        self._endpoints: dict[str, str] = {}

    async def start(self, context: Context) -> None:
        """
        Read credentials and certificates.

        Raises:
            ValueError: a file cannot be used; says which and why.

        """
        self._context = context
        self._auth = Authenticator(self.config.auth.tenants, context.clock, context.logger)
        where = f"receivers.{context.component_id}"
        try:
            self._auth.load()
        except ValueError as error:
            raise ValueError(f"{where}.auth.tenants: {error}") from error
        for protocol, config in (("grpc", self.config.grpc), ("http", self.config.http)):
            if config is not None and config.tls is not None:
                self._certificates[protocol] = Certificates(
                    config.tls, f"{where}.protocols.{protocol}", context.clock, context.logger
                )

    async def listen(self, deliver: Deliver) -> None:
        """
        Open the endpoints.

        Raises:
            OSError: an address cannot be used; says which and what to do.

        """
        context, auth = self._context, self._auth
        if context is None or auth is None:
            raise RuntimeError("start the receiver before it listens")
        quotas = {
            tenant.name: Quota(tenant.quota, context.clock) for tenant in self.tenants.values()
        }

        def front(transport: str) -> Front:
            return Front(
                context.component_id,
                transport,
                deliver=deliver,
                admission=self._admission,
                auth=auth,
                quotas=quotas,
                discard=self.config.other_signals == "discard",
                clock=context.clock,
                logger=context.logger,
            )

        where = f"receivers.{context.component_id}.protocols"
        certificates = self._certificates.get
        grpc, http = self.config.grpc, self.config.http
        if grpc is not None:
            self._grpc = GrpcEndpoint(grpc, front("grpc"), certificates("grpc"), f"{where}.grpc")
            self._endpoints["grpc"] = await self._grpc.start(reuse_port=self.reuse_port)
        if http is not None:
            self._http = HttpEndpoint(http, front("http"), certificates("http"), f"{where}.http")
            self._endpoints["http"] = await self._http.start(reuse_port=self.reuse_port)
        self._warn_where_open(context)

    async def refuse(self) -> None:
        """Answer what still comes with UNAVAILABLE / 503, and finish what is under way."""
        if self._http is not None:
            self._http.refuse()
        await self._admission.refuse()

    async def stop(self) -> None:
        """End all connections."""
        grpc, self._grpc = self._grpc, None
        http, self._http = self._http, None
        if http is not None:
            await http.stop()
        if grpc is not None:
            await grpc.stop()
        self._endpoints.clear()

    def endpoints(self) -> dict[str, str]:
        """Return the addresses that were opened, by protocol."""
        return dict(self._endpoints)

    def _warn_where_open(self, context: Context) -> None:
        """Warn once where anybody on the network may send."""
        reachable = [
            address
            for protocol, address in self._endpoints.items()
            if not is_loopback(endpoint.split(address)[0]) and not self._asks_who(protocol)
        ]
        if reachable:
            context.logger.warning(
                "anybody who reaches these endpoints may send: set auth.tenants, or "
                "tls.client_ca_file, or bind to 127.0.0.1",
                endpoints=reachable,
            )

    def _asks_who(self, protocol: str) -> bool:
        config = self.config.grpc if protocol == "grpc" else self.config.http
        by_certificate = (
            config is not None and config.tls is not None and config.tls.client_ca_file is not None
        )
        return by_certificate or bool(self.tenants)
