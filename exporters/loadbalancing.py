"""Spread traces over several gateways, all spans of a trace to the same one."""

import asyncio
from collections.abc import Sequence
from functools import partial
from hashlib import blake2b
from typing import Literal
from urllib.parse import parse_qsl, urlencode

import grpc
import grpc.aio
import msgspec

from exporters.otlp_grpc import Metadata, OtlpGrpc, OtlpGrpcConfig
from exporters.resolving import ResolverConfig, resolve
from gateway.errors import Flow
from gateway.otlp import wire
from gateway.plugin import (
    Batch,
    BatchConfig,
    BatchContext,
    ClientTlsConfig,
    Config,
    Context,
    Duration,
    Exporter,
    ExporterConfig,
    Reject,
    Resource,
    Retry,
    Secret,
)
from gateway.upkeep import keep_going

_REMEMBERED = 1024
_TENANT = "tenant"


class OtlpProtocolConfig(Config):
    """Settings of ``protocol.otlp``: how each backend is spoken to, as of ``otlp_grpc``."""

    headers: dict[str, Secret] = msgspec.field(default_factory=dict)
    """Metadata added to every request; the values never print."""

    tls: ClientTlsConfig = msgspec.field(default_factory=lambda: ClientTlsConfig(insecure=True))
    """How certificates are checked; no TLS at all unless told otherwise."""

    timeout: Duration = Duration(60)
    """For one request, from connecting to the end of the answer."""

    compression: Literal["gzip", "none"] = "none"
    """Compression of requests; between pods of one cluster it costs more than it saves."""


class ProtocolConfig(Config):
    """Settings of ``protocol``."""

    otlp: OtlpProtocolConfig = msgspec.field(default_factory=OtlpProtocolConfig)
    """OTLP/gRPC."""


class LoadBalancingConfig(ExporterConfig):
    """Settings of ``loadbalancing``, named as in the Collector."""

    resolver: ResolverConfig = msgspec.field(default_factory=ResolverConfig)
    """Where the backends are: ``static`` or ``dns``."""

    protocol: ProtocolConfig = msgspec.field(default_factory=ProtocolConfig)
    """How they are spoken to."""

    routing_key: Literal["traceID"] = "traceID"
    """What stays together: whole traces."""

    batch: BatchConfig = msgspec.field(default_factory=lambda: BatchConfig(max_size_mib=3.5))
    """What is joined before it is spread. Most gRPC servers take no more than 4 MiB."""

    def validate(self) -> None:
        """Require backends, and settings that gRPC can carry."""
        self.resolver.validate()
        self.settings_of("127.0.0.1:4317").validate()

    def settings_of(self, address: str) -> OtlpGrpcConfig:
        """Return the settings of the exporter to one backend."""
        otlp = self.protocol.otlp
        return OtlpGrpcConfig(
            endpoint=address,
            headers=otlp.headers,
            tls=otlp.tls,
            timeout=otlp.timeout,
            compression=otlp.compression,
        )


class _Backend(OtlpGrpc):
    """A gateway: what it says of a tenant's spans does not concern the spans of others."""

    def _failure(self, error: grpc.aio.AioRpcError) -> Flow:
        failure = super()._failure(error)
        # Wrong credentials would be UNAUTHENTICATED: this is an experiment that is not allowed.
        if error.code() is grpc.StatusCode.PERMISSION_DENIED:
            return Reject(failure.reason, isolate=True)
        return failure


class LoadBalancing(Exporter[LoadBalancingConfig]):
    """
    Send each trace to one backend, chosen by its id: for tail sampling behind several gateways.

    The backend is the one with the highest hash of trace id and address (rendezvous hashing): when
    one comes or goes, only its own traces change place. A client's routing headers go along.
    Tenants are kept apart, so that none suffers from what a backend says of another.
    """

    stability = "alpha"

    def __init__(self, config: LoadBalancingConfig) -> None:
        super().__init__(config)
        self._backends: dict[str, _Backend] = {}
        self._looking: asyncio.Task[None] | None = None
        self._taken: dict[bytes, None] = {}

    async def start(self, context: Context) -> None:
        """Look up the backends, and again from time to time; none has to be there yet."""
        await self._look_up(context)
        if self.config.resolver.dns is not None:
            looking = partial(self._keep_looking, context)
            self._looking = asyncio.create_task(
                keep_going(looking, "backends", logger=context.logger, clock=context.clock)
            )

    async def stop(self) -> None:
        """Close all connections."""
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
            await asyncio.wait([looking])
        await self._use((), None)

    def route(self, context: BatchContext, resource: Resource) -> str:
        """Keep apart tenants, and different routing headers, so that these can go along."""
        del resource
        tenant = ((_TENANT, context.tenant),) if context.tenant else ()
        return urlencode(context.headers + tenant)

    async def export(self, batch: Batch) -> None:
        """
        Return once every backend has taken its traces.

        What some have taken is remembered, so that only the others get theirs again.

        Raises:
            Retry: there is no backend, or one is away or busy.
            Reject: one calls its part wrong.

        """
        if not self._backends:
            raise Retry("no backend is known", advice="see to it that the resolver finds one")
        parts = self._parts(batch.entries())
        if self._taken:
            parts = {to: part for to, part in parts.items() if _digest(part) not in self._taken}
        said = parse_qsl(batch.context.destination)
        headers = tuple(header for header in said if header[0] != _TENANT)
        answers = await asyncio.gather(
            *(self._send(address, part, headers) for address, part in parts.items())
        )
        failures = [failure for failure in answers if failure is not None]
        if failures:
            for part, failure in zip(parts.values(), answers, strict=True):
                if failure is None:
                    self._remember(part)
            # What is called wrong is isolated first: alone its trace waits for no other backend.
            raise max(failures, key=lambda failure: isinstance(failure, Reject))

    def _parts(self, entries: Sequence[wire.Entry]) -> dict[str, bytes]:
        """Return what each backend gets."""
        addresses = [(address.encode(), address) for address in self._backends]
        homes: dict[bytes, str] = {}
        parts: dict[str, list[wire.Entry]] = {}
        for entry in entries:
            trace_id = entry.trace_id
            if trace_id not in homes:
                homes[trace_id] = max(addresses, key=lambda one: _weight(trace_id + one[0]))[1]
            parts.setdefault(homes[trace_id], []).append(entry)
        return {address: wire.assemble(some) for address, some in parts.items()}

    async def _send(self, address: str, part: bytes, headers: Metadata) -> Flow | None:
        """Send a part; return what went wrong."""
        backend = self._backends.get(address)
        if backend is None:
            return Retry(f"{address} is no backend any more")
        try:
            await backend.send(part, headers)
        except Flow as failure:
            return failure
        except asyncio.CancelledError:
            # gRPC says so too where its channel was closed, since the backend is gone.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return Retry(f"{address} is no backend any more")
        return None

    def _remember(self, part: bytes) -> None:
        """Note what a backend has taken while another has not."""
        while len(self._taken) >= _REMEMBERED:
            del self._taken[next(iter(self._taken))]
        self._taken[_digest(part)] = None

    async def _keep_looking(self, context: Context) -> None:
        assert self.config.resolver.dns is not None
        while True:
            await context.clock.sleep(float(self.config.resolver.dns.interval))
            await self._look_up(context)

    async def _look_up(self, context: Context) -> None:
        """Use the backends of now; those of before where they cannot be looked up."""
        try:
            addresses = await resolve(self.config.resolver)
        except OSError as error:
            context.logger.warning(
                "backends cannot be looked up; those of before stay",
                reason=str(error),
                backends=len(self._backends),
            )
            return
        if addresses != list(self._backends):
            context.logger.info("backends", addresses=addresses)
            await self._use(addresses, context)

    async def _use(self, addresses: Sequence[str], context: Context | None) -> None:
        """Connect to backends that are new, and let go of those that are gone."""
        now: dict[str, _Backend] = {}
        for address in addresses:
            backend = self._backends.get(address)
            if backend is None and context is not None:
                backend = _Backend(self.config.settings_of(address))
                await backend.start(context)
            assert backend is not None
            now[address] = backend
        gone = [backend for address, backend in self._backends.items() if address not in now]
        self._backends = now
        for backend in gone:
            await backend.stop()


def _weight(of: bytes) -> bytes:
    return blake2b(of, digest_size=8).digest()


def _digest(part: bytes) -> bytes:
    return blake2b(part, digest_size=16).digest()
