"""Settings that every exporter has: its queue, its batches, its retries, its connections."""

from typing import Annotated, Literal

import msgspec

from gateway.config.types import Config, Duration, FilePath, Secret

MIB = 1024 * 1024

Count = Annotated[int, msgspec.Meta(ge=1)]
"""A whole number from 1 on."""


class QueueConfig(Config):
    """Settings of ``sending_queue``."""

    enabled: bool = True
    """Whether requests are queued; ``false`` is not supported, since a success means durable."""

    storage: Literal["disk", "memory"] = "disk"
    """Where accepted spans wait: ``disk`` survives a crash, ``memory`` does not."""

    max_size_mib: Count = 1024
    """Bytes that may wait, in MiB; at the limit ``on_full`` decides. Where there are several
    tenants each may hold four times what it leaves free, so that one that floods fills no more
    than four fifths and the others are still accepted."""

    num_lanes: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    """Into how many lanes traces are sharded; each lane has one request in flight a destination."""

    fsync: Literal["group", "always", "none"] = "group"
    """``group`` shares one flush among concurrent requests, ``always`` flushes each, ``none``
    leaves it to the operating system (a power cut may lose what was acknowledged)."""

    on_full: Literal["reject", "drop_oldest"] = "reject"
    """``reject`` tells the sender to come back, ``drop_oldest`` gives up the oldest, counted."""

    def validate(self) -> None:
        """Refuse to work without a queue."""
        if not self.enabled:
            raise ValueError(
                "enabled: false is not supported: an answer to the sender means that the spans "
                "are queued; use storage: memory for a queue without a disk"
            )


class BatchConfig(Config):
    """Settings of ``batch``: what is joined into one request to the destination."""

    max_spans: Count = 500
    """Spans in a request at the most."""

    max_size_mib: Annotated[float, msgspec.Meta(gt=0)] = 8
    """Encoded size of a request at the most, in MiB, before compression; a larger span goes
    alone."""

    flush_timeout: Duration = Duration(0.5)
    """How long the first span may wait for others."""


class RetryConfig(Config):
    """Settings of ``retry_on_failure``."""

    enabled: bool = True
    """``false`` turns a failed request into dead letters at once."""

    initial_interval: Duration = Duration(1)
    """Wait after the first failure; half of each wait is random."""

    multiplier: float = 1.5
    """By how much the wait grows with each failure."""

    max_interval: Duration = Duration(30)
    """Longest wait between two tries."""

    max_elapsed_time: Duration = Duration(0)
    """After this long the spans become dead letters; 0 tries for ever, as long as the queue
    holds."""

    def validate(self) -> None:
        """Refuse intervals that contradict each other."""
        if self.initial_interval <= 0:
            raise ValueError("initial_interval must be above 0s")
        if self.multiplier < 1:
            raise ValueError(f"multiplier must be at least 1, found {self.multiplier}")
        if self.max_interval < self.initial_interval:
            raise ValueError(
                f"max_interval ({self.max_interval}) must be at least "
                f"initial_interval ({self.initial_interval})"
            )


class ClientTlsConfig(Config):
    """Settings of ``tls`` for an outgoing connection."""

    ca_file: FilePath | None = None
    """PEM file of the authorities to trust instead of the system's."""

    cert_file: FilePath | None = None
    """PEM file of our certificate, for mutual TLS."""

    key_file: FilePath | None = None
    """PEM file of our private key."""

    server_name_override: str = ""
    """Name that the server's certificate must have, instead of the host in the address."""

    insecure_skip_verify: bool = False
    """Accept any certificate; for tests only."""

    insecure: bool = False
    """gRPC only: no TLS at all, also where the address names no scheme."""

    def validate(self) -> None:
        """Require certificate and key together."""
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together: set both or none")


class ExporterConfig(Config):
    """Base of an exporter's settings: queue, batches and retries, as the Collector names them."""

    sending_queue: QueueConfig = msgspec.field(default_factory=QueueConfig)
    """Where accepted spans wait for this exporter."""

    batch: BatchConfig = msgspec.field(default_factory=BatchConfig)
    """What is joined into one request."""

    retry_on_failure: RetryConfig = msgspec.field(default_factory=RetryConfig)
    """How failed requests are tried again."""


class HttpExporterConfig(ExporterConfig):
    """Base of the settings of an exporter that speaks HTTP."""

    headers: dict[str, Secret] = msgspec.field(default_factory=dict)
    """Headers added to every request; their values never print."""

    tls: ClientTlsConfig = msgspec.field(default_factory=ClientTlsConfig)
    """How ``https`` addresses are checked."""

    proxy: str | None = None
    """Address of an HTTP proxy; ``HTTPS_PROXY`` and its kin are honoured where this is unset."""

    timeout: Duration = Duration(60)
    """For one request, from connecting to the end of the answer."""

    compression: Literal["gzip", "none"] = "gzip"
    """Compression of request bodies."""
