"""What a configuration says, checked and typed: what the engine is built from."""

from typing import Annotated, Any, Literal

import msgspec

from gateway import endpoint
from gateway.config.types import Config, Duration, FilePath, Secret
from gateway.plugin import Component, OnError
from gateway.tenants import BasicConfig

ComponentClass = type[Component[Any]]


class PipelineConfig(Config):
    """Settings of a pipeline: what spans go through, in order."""

    receivers: list[str] = msgspec.field(default_factory=list)
    """Ids of the receivers that feed it; at least one."""

    processors: list[str] = msgspec.field(default_factory=list)
    """Ids of the processors, in the order they run; empty passes everything through."""

    exporters: list[str] = msgspec.field(default_factory=list)
    """Ids of the exporters that each get every span; at least one."""

    redacted_upstream: bool = False
    """Says that who sends here has run ``redaction`` already, as the first of two tiers of gateways
    does. Without either, queues on disk are warned of at the start."""


class EndpointConfig(Config):
    """An address that the gateway serves on."""

    endpoint: str
    """``host:port``; port 0 lets the system choose."""

    def validate(self) -> None:
        """Refuse what is no address."""
        try:
            endpoint.split(self.endpoint)
        except ValueError as error:
            raise ValueError(f"endpoint: {error}") from error


class EndpointAuthConfig(Config):
    """Settings of ``auth``: what opens an endpoint; either of the two is enough."""

    token: Secret | None = None
    """Token, sent as ``Authorization: Bearer TOKEN``."""

    basic: BasicConfig | None = None
    """User name and password, sent as ``Authorization: Basic``, as browsers do."""

    def validate(self) -> None:
        """Require something that opens."""
        if not self.token and self.basic is None:
            raise ValueError("name a token, or basic with username and password")
        if self.basic is not None and not self.basic.password:
            raise ValueError("basic.password is empty; is an environment variable not set?")


class MetricsConfig(EndpointConfig):
    """Settings of ``service.telemetry.metrics``: metrics for Prometheus at ``/metrics``."""

    endpoint: str = "127.0.0.1:8888"
    """``host:port``; port 0 lets the system choose."""

    auth: EndpointAuthConfig | None = None
    """Credentials that a scraper must send; unset, everybody who gets there may read."""


class StatusConfig(EndpointConfig):
    """Settings of ``service.telemetry.status``: ``/live``, ``/ready`` and the status page."""

    endpoint: str = "127.0.0.1:13133"
    """``host:port``; port 0 lets the system choose."""

    auth: EndpointAuthConfig | None = None
    """Credentials for the status page. Unset, it is shown to this machine alone; ``/live`` and
    ``/ready`` answer everybody."""


class LogsConfig(Config):
    """Settings of ``service.telemetry.logs``."""

    level: Literal["debug", "info", "warn", "warning", "error"] = "info"
    """The least important level that is written."""

    format: Literal["auto", "console", "json"] = "auto"
    """``auto`` is ``console`` on a terminal and ``json``, one object a line, elsewhere."""


class AuditConfig(Config):
    """Settings of ``service.telemetry.audit``: who was refused, and who changed what."""

    path: FilePath | None = None
    """File that gets a JSON object a line, besides the lines with ``audit: true`` in the log; it
    may be rotated at any time."""


class TelemetryConfig(Config):
    """Settings of ``service.telemetry``: what the gateway says of itself."""

    metrics: MetricsConfig = msgspec.field(default_factory=MetricsConfig)
    """Where Prometheus scrapes."""

    status: StatusConfig = msgspec.field(default_factory=StatusConfig)
    """Where probes and people look."""

    logs: LogsConfig = msgspec.field(default_factory=LogsConfig)
    """What is logged, and how."""

    audit: AuditConfig = msgspec.field(default_factory=AuditConfig)
    """Refused credentials, reloads of credentials and the like."""


class DeadLettersConfig(Config):
    """Settings of ``service.dead_letters``: what could not be delivered."""

    max_size_mib: Annotated[int, msgspec.Meta(ge=1)] = 256
    """Bytes kept at the most, in MiB; then the oldest half goes, counted."""


class ServiceConfig(Config):
    """Settings of ``service``: the gateway as a whole."""

    data_dir: str = "./spangate-data"
    """Folder of queues and dead letters, relative to the working directory."""

    workers: Annotated[int, msgspec.Meta(ge=1)] | Literal["auto"] = 1
    """Worker processes; ``auto`` is one a CPU that the gateway may use."""

    shutdown_timeout: Duration = Duration(25)
    """How long stopping may take to deliver what waits."""

    dead_letters: DeadLettersConfig = msgspec.field(default_factory=DeadLettersConfig)
    """How much is kept of what could not be delivered."""

    pipelines: dict[str, PipelineConfig] = msgspec.field(default_factory=dict)
    """The ways of spans, named ``traces`` or ``traces/name``; at least one."""

    telemetry: TelemetryConfig = msgspec.field(default_factory=TelemetryConfig)
    """Metrics, status page and logs."""


class ComponentSettings(msgspec.Struct, kw_only=True):
    """One component as configured."""

    id: str
    """``type`` or ``type/name``."""

    type: str
    component: ComponentClass
    config: Config
    on_error: OnError | None = None
    """What becomes of a batch on which a processor failed; ``None`` leaves it to the class."""

    where: str = ""
    """File and line, for errors."""

    use: str | None = None
    """Where the class was loaded from; ``None`` where its type is announced by a package."""


class Settings(msgspec.Struct, kw_only=True):
    """A whole configuration that can be run."""

    receivers: dict[str, ComponentSettings]
    processors: dict[str, ComponentSettings]
    exporters: dict[str, ComponentSettings]
    service: ServiceConfig
    warnings: list[str] = msgspec.field(default_factory=list)
    """What is legal but hardly meant; logged at start."""
