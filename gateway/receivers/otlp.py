"""The ``otlp`` receiver: OTLP/gRPC and OTLP/HTTP."""

import asyncio

from gateway import endpoint
from gateway.audit import Audit
from gateway.component_context import Cells, Reserve
from gateway.plugin import Context, Deliver, Receiver
from gateway.receivers.addresses import is_loopback
from gateway.receivers.admission import Admission
from gateway.receivers.config import OtlpConfig
from gateway.receivers.front import Front
from gateway.receivers.on_behalf import OnBehalf
from gateway.receivers.otlp_grpc import GrpcEndpoint
from gateway.receivers.otlp_http import HttpEndpoint
from gateway.receivers.tenant_directory import TenantDirectory
from gateway.receivers.tls import Certificates
from gateway.tenants import Tenants

__all__ = ["OtlpConfig", "OtlpReceiver"]


class OtlpReceiver(Receiver[OtlpConfig]):
    """Take traces from OpenTelemetry clients over gRPC and HTTP."""

    stability = "beta"

    def __init__(self, config: OtlpConfig) -> None:
        super().__init__(config)
        self._admission = Admission(config.max_concurrent_requests, config.in_flight_bytes)
        self._context: Context | None = None
        self._directory: TenantDirectory | None = None
        self._audit: Audit | None = None
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
        audit: Audit = getattr(context, "audit", None) or Audit(context.logger, context.clock)
        self._audit = audit
        where = f"receivers.{context.component_id}"
        self._directory = TenantDirectory(
            self.config,
            f"{where}.auth",
            admission=self._admission,
            tenants=getattr(context, "tenants", None) or Tenants(),
            receiver=context.component_id,
            clock=context.clock,
            audit=audit,
            cells=_named(getattr(context, "cells", None), context.component_id),
        )
        await self._directory.start()
        for protocol, config in (("grpc", self.config.grpc), ("http", self.config.http)):
            if config is not None and config.tls is not None:
                self._certificates[protocol] = Certificates(
                    config.tls, f"{where}.protocols.{protocol}", context.clock, audit
                )

    async def listen(self, deliver: Deliver) -> None:
        """
        Open the endpoints.

        Raises:
            OSError: an address cannot be used; says which and what to do.

        """
        context, directory, audit = self._context, self._directory, self._audit
        if context is None or directory is None or audit is None:
            raise RuntimeError("start the receiver before it listens")
        attribute = self.config.auth.tenant_attribute

        def front(transport: str) -> Front:
            return Front(
                context.component_id,
                transport,
                deliver=deliver,
                admission=self._admission,
                auth=directory.auth,
                on_behalf=OnBehalf(attribute, lambda: directory.auth.accounts)
                if attribute
                else None,
                audit=audit,
                discard=self.config.other_signals == "discard",
                clock=context.clock,
                logger=context.logger,
                poison=getattr(context, "poison", None),
            )

        where = f"receivers.{context.component_id}.protocols"
        certificates = self._certificates.get
        reserve: Reserve | None = getattr(context, "reserve", None)
        grpc, http = self.config.grpc, self.config.http
        if grpc is not None:
            self._grpc = GrpcEndpoint(grpc, front("grpc"), certificates("grpc"), f"{where}.grpc")
            self._endpoints["grpc"] = await self._grpc.start(reserve)
        if http is not None:
            self._http = HttpEndpoint(http, front("http"), certificates("http"), f"{where}.http")
            self._endpoints["http"] = await self._http.start(reserve)
        self._warn_where_open(context)

    async def refuse(self) -> None:
        """Answer what still comes with UNAVAILABLE / 503, and finish what is under way."""
        if self._http is not None:
            self._http.refuse()
        await self._admission.refuse()

    async def hand_over(self) -> None:
        """Let senders go to another process, each after the answer to its request."""
        leaving = [end.hand_over() for end in (self._http, self._grpc) if end is not None]
        await asyncio.gather(*leaving)
        await self._admission.refuse()

    async def stop(self) -> None:
        """End all connections."""
        if self._directory is not None:
            await self._directory.stop()
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
        return by_certificate or (self._directory is not None and self._directory.auth.required)


def _named(cells: Cells | None, receiver: str) -> Cells | None:
    """Return the cells of one receiver."""
    return None if cells is None else lambda name: cells(f"{receiver} {name}")
