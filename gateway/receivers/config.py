"""Settings of the ``otlp`` receiver, named as in the Collector where it has them."""

from collections import Counter
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from gateway import endpoint
from gateway.config.types import Config, Duration, FilePath
from gateway.tenants import TenantConfig

MIB = 1024 * 1024


class ServerTlsConfig(Config):
    """Settings of ``tls``: encryption, and with ``client_ca_file`` client certificates."""

    cert_file: FilePath
    """PEM file of the certificate and its chain."""

    key_file: FilePath
    """PEM file of the private key."""

    client_ca_file: FilePath | None = None
    """PEM file of the authorities of client certificates; set, every client must have one."""

    reload_interval: Duration = Duration(60)
    """How often the files are looked at for changes; 0 never. Changed files that do not fit
    together leave the old ones in force."""

    min_version: Literal["1.2", "1.3"] = "1.2"
    """Oldest TLS version; gRPC supports only ``1.2``."""


class CorsConfig(Config):
    """Settings of ``cors``: which web pages may send."""

    allowed_origins: list[str] = msgspec.field(default_factory=list)
    """Origins such as ``https://app.example.com``, globs allowed; empty turns CORS off."""

    allowed_headers: list[str] = msgspec.field(default_factory=list)
    """Request headers beyond those that OTLP and our authentication need; ``*`` allows all."""

    max_age: Duration = Duration(7200)
    """How long a browser may remember the answer."""


class ServerParametersConfig(Config):
    """Settings of ``keepalive.server_parameters``."""

    max_connection_idle: Duration = Duration(0)
    """Connections without a request for this long are closed; 0 keeps them."""

    max_connection_age_grace: Duration = Duration(30)
    """Time for requests under way once a connection has reached ``max_connection_age``."""

    time: Duration = Duration(7200)
    """A client that is silent for this long is pinged."""

    timeout: Duration = Duration(20)
    """A ping that is not answered in this time closes the connection."""


class EnforcementPolicyConfig(Config):
    """Settings of ``keepalive.enforcement_policy``."""

    min_time: Duration = Duration(10)
    """Clients that ping more often are disconnected."""

    permit_without_stream: bool = True
    """Whether clients may ping while they send nothing."""


class KeepaliveConfig(Config):
    """Settings of ``keepalive``."""

    server_parameters: ServerParametersConfig = msgspec.field(
        default_factory=ServerParametersConfig
    )
    """How long connections live, and how they are probed."""

    enforcement_policy: EnforcementPolicyConfig = msgspec.field(
        default_factory=EnforcementPolicyConfig
    )
    """What clients may do."""


class GrpcConfig(Config):
    """Settings of ``protocols.grpc``."""

    endpoint: str = "127.0.0.1:4317"
    """``host:port``; port 0 lets the system choose."""

    max_recv_msg_size_mib: float = 64
    """Largest message in MiB, compressed and decompressed."""

    max_concurrent_streams: int = 100
    """Requests under way on one connection; clients queue the rest."""

    max_connections: int = 2048
    """Connections at the same time; further ones are closed at once."""

    max_connection_age: Duration = Duration(300)
    """Connections are closed gently after this time, so that clients spread over replicas; 0
    keeps them."""

    read_timeout: Duration = Duration(60)
    """Time for a message to arrive once its request has begun."""

    keepalive: KeepaliveConfig = msgspec.field(default_factory=KeepaliveConfig)
    """Pings and idle connections."""

    tls: ServerTlsConfig | None = None
    """Encryption; unset is plain text."""

    def validate(self) -> None:
        """Refuse addresses and limits that cannot work."""
        _check(self.endpoint, "max_recv_msg_size_mib", self.max_recv_msg_size_mib)
        if self.max_concurrent_streams < 1:
            raise ValueError("max_concurrent_streams must be at least 1")
        if self.max_connections < 1:
            raise ValueError("max_connections must be at least 1")
        if self.read_timeout <= 0:
            raise ValueError("read_timeout must be above 0s")
        if self.tls is not None and self.tls.min_version != "1.2":
            raise ValueError("tls.min_version: gRPC supports only 1.2 as the oldest version")

    @property
    def max_bytes(self) -> int:
        """Largest message in bytes."""
        return int(self.max_recv_msg_size_mib * MIB)


class HttpConfig(Config):
    """Settings of ``protocols.http``."""

    endpoint: str = "127.0.0.1:4318"
    """``host:port``; port 0 lets the system choose."""

    traces_url_paths: list[str] = msgspec.field(default_factory=lambda: ["/v1/traces"])
    """Paths that take traces."""

    max_request_body_size_mib: float = 64
    """Largest body in MiB, compressed and decompressed."""

    max_connections: int = 2048
    """Connections at the same time. Beyond it the one that has been silent for longest makes
    room; where none is silent the new one is closed."""

    read_header_timeout: Duration = Duration(10)
    """Time for the headers of a request to arrive, and for the TLS handshake."""

    read_timeout: Duration = Duration(60)
    """Time for the body of a request to arrive, and for a client that reads no answers to go on."""

    idle_timeout: Duration = Duration(120)
    """Connections without a request for this long are closed."""

    cors: CorsConfig = msgspec.field(default_factory=CorsConfig)
    """Web pages that may send."""

    tls: ServerTlsConfig | None = None
    """Encryption; unset is plain text."""

    def validate(self) -> None:
        """Refuse addresses, paths and limits that cannot work."""
        _check(self.endpoint, "max_request_body_size_mib", self.max_request_body_size_mib)
        if not self.traces_url_paths:
            raise ValueError("traces_url_paths must name at least one path such as /v1/traces")
        for path in self.traces_url_paths:
            if not path.startswith("/"):
                raise ValueError(f'traces_url_paths: "{path}" must begin with a slash')
        for name in ("read_header_timeout", "read_timeout", "idle_timeout"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0s")
        if self.max_connections < 1:
            raise ValueError("max_connections must be at least 1")

    @property
    def max_bytes(self) -> int:
        """Largest body in bytes."""
        return int(self.max_request_body_size_mib * MIB)


class ProtocolsConfig(Config):
    """Settings of ``protocols``: a protocol is on where its key is present, even if empty."""

    grpc: GrpcConfig | UnsetType | None = UNSET
    """OTLP/gRPC."""

    http: HttpConfig | UnsetType | None = UNSET
    """OTLP/HTTP."""

    def validate(self) -> None:
        """Require a protocol."""
        if self.grpc is UNSET and self.http is UNSET:
            raise ValueError("name at least one protocol: grpc, http or both")


class AuthConfig(Config):
    """Settings of ``auth``: who may send."""

    tenants: list[TenantConfig] = msgspec.field(default_factory=list)
    """Those who may send; empty lets everybody send, unless there is ``tenants_from``."""

    tenants_from: FilePath | None = None
    """Folder of YAML files with a tenant, or a list of tenants, each; it is watched. A file that
    is wrong leaves in force what it said before. Once set, nobody may send without credentials,
    even while the folder is empty."""

    tenant_attribute: str | None = None
    """Resource attribute, such as ``k8s.namespace.name``, by which a tenant that is ``trusted``
    says whose spans it sends. Spans whose tenant is unknown are refused; those without the
    attribute are the sender's own."""

    def validate(self) -> None:
        """Refuse names that stand twice, and trust that cannot be used."""
        counts = Counter(tenant.name for tenant in self.tenants)
        faults = [
            f'tenants: the name "{name}" stands {count} times'
            for name, count in counts.items()
            if count > 1
        ]
        faults += [
            f'tenants: "{tenant.name}" is trusted, but there is no tenant_attribute to say for '
            "whom it sends"
            for tenant in self.tenants
            if tenant.trusted and not self.tenant_attribute
        ]
        if faults:
            raise ValueError("; ".join(faults))


class OtlpConfig(Config):
    """Settings of ``otlp``."""

    protocols: ProtocolsConfig = msgspec.field(
        default_factory=lambda: ProtocolsConfig(grpc=None, http=None)
    )
    """Protocols to serve; where this is left out, both with their defaults."""

    auth: AuthConfig = msgspec.field(default_factory=AuthConfig)
    """Who may send."""

    other_signals: Literal["reject", "discard"] = "reject"
    """What becomes of metrics and logs: ``reject`` tells the sender, ``discard`` takes and
    counts them, for senders that cannot be told to send only traces."""

    max_concurrent_requests: int = 1024
    """Requests under way at the same time; further ones are told to come back. Those that still
    arrive do not count, but four times as many may."""

    max_in_flight_mib: float | None = None
    """Bytes of requests under way, received, decompressed and, where that is more, decoded, in
    MiB; beyond it senders are told to come back. Unset: 256, or four of the largest requests
    where those are larger."""

    def validate(self) -> None:
        """Refuse limits that contradict each other."""
        if self.max_concurrent_requests < 1:
            raise ValueError("max_concurrent_requests must be at least 1")
        largest = self.largest_bytes
        if self.max_in_flight_mib is not None and self.max_in_flight_mib * MIB < 2 * largest:
            raise ValueError(
                f"max_in_flight_mib must be at least {2 * largest / MIB:g}, twice the largest "
                "request (max_recv_msg_size_mib, max_request_body_size_mib), which is held "
                "compressed and decompressed"
            )
        for tenant in self.auth.tenants:
            if tenant.client_cert is not None and not self.asks_for_certificates:
                raise ValueError(
                    f'auth.tenants: client_cert of "{tenant.name}" needs tls.client_ca_file on '
                    "at least one protocol"
                )

    @property
    def grpc(self) -> GrpcConfig | None:
        """Settings of OTLP/gRPC; ``None`` where it is off."""
        grpc = self.protocols.grpc
        return None if grpc is UNSET else grpc or GrpcConfig()

    @property
    def http(self) -> HttpConfig | None:
        """Settings of OTLP/HTTP; ``None`` where it is off."""
        http = self.protocols.http
        return None if http is UNSET else http or HttpConfig()

    @property
    def largest_bytes(self) -> int:
        """Size of the largest request that either protocol takes."""
        sizes = [config.max_bytes for config in (self.grpc, self.http) if config is not None]
        return max(sizes, default=0)

    @property
    def in_flight_bytes(self) -> int:
        """Bytes of requests under way at the most."""
        if self.max_in_flight_mib is not None:
            return int(self.max_in_flight_mib * MIB)
        return max(256 * MIB, 4 * self.largest_bytes)

    @property
    def asks_for_certificates(self) -> bool:
        """Whether clients show a certificate on either protocol."""
        return any(
            config is not None and config.tls is not None and config.tls.client_ca_file is not None
            for config in (self.grpc, self.http)
        )


def _check(address: str, key: str, size_mib: float) -> None:
    try:
        endpoint.split(address)
    except ValueError as error:
        raise ValueError(f"endpoint: {error}") from error
    if size_mib <= 0:
        raise ValueError(f"{key} must be above 0, found {size_mib:g}")
