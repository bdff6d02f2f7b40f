"""
What a queue promises, whatever it keeps its records in.

A :class:`Store` holds the queues of all exporters, so that a request is committed to all of them
or to none. A queue has lanes; a lane has one reader, which gets each record once (after a crash
again, if it was not acknowledged) and acknowledges it by itself.
"""

import abc
from collections.abc import Sequence

from gateway.config.exporting import MIB, QueueConfig


class Record:
    """
    Some spans of one request that share lane and destination.

    ``payload`` is an encoded ``ExportTraceServiceRequest``. Readers change nothing but what
    follows ``dropped``.
    """

    __slots__ = (
        "destination", "dropped", "in_flight", "lane", "payload", "queue",
        "received_unix_ns", "size", "spans", "tenant", "trace_ids",
    )  # fmt: skip

    def __init__(
        self,
        *,
        queue: str,
        lane: int,
        destination: str,
        payload: bytes,
        spans: int,
        trace_ids: frozenset[bytes],
        tenant: str,
        received_unix_ns: int,
    ) -> None:
        self.queue = queue
        self.lane = lane
        self.destination = destination
        self.payload = payload
        self.size = len(payload)
        self.spans = spans
        self.trace_ids = trace_ids
        self.tenant = tenant
        self.received_unix_ns = received_unix_ns
        self.dropped = False
        """The queue gave it up to make room (``on_full: drop_oldest``): skip it, do not ack."""
        self.in_flight = False
        """Set by the reader while a request with it is under way: the queue must not drop it."""


class QueueStats:
    """What waits in a queue now."""

    __slots__ = ("max_bytes", "oldest_unix_ns", "size_bytes", "spans")

    def __init__(self, size_bytes: int, spans: int, oldest_unix_ns: int, max_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.spans = spans
        self.oldest_unix_ns = oldest_unix_ns
        """Receive time of the oldest record; 0 where there is none."""
        self.max_bytes = max_bytes


class Queue(abc.ABC):
    """One exporter's records, in lanes."""

    def __init__(self, name: str, settings: QueueConfig) -> None:
        self.name = name
        self.settings = settings
        self.max_bytes = settings.max_size_mib * MIB

    @abc.abstractmethod
    async def read(self, lane: int) -> list[Record]:
        """Wait until the lane has records its reader has not seen; return them oldest first."""

    @abc.abstractmethod
    def ack(self, record: Record) -> None:
        """Forget a record: every span of it was delivered or given up, counted."""

    @abc.abstractmethod
    def stats(self) -> QueueStats:
        """Return what waits now."""


class Store(abc.ABC):
    """The queues of a gateway."""

    @abc.abstractmethod
    def open(self, name: str, settings: QueueConfig) -> Queue:
        """Return the queue of an exporter, made on first use; called before the first commit."""

    @abc.abstractmethod
    async def commit(self, records: Sequence[Record]) -> None:
        """
        Put records into their queues, all or none, durably as the storage promises.

        Raises:
            Busy: a queue is full; come back after the given delay.
            TooLarge: the records are larger than a whole queue.
            Retry: the disk is failing.

        """

    @abc.abstractmethod
    async def close(self) -> None:
        """Let readers go; what was not acknowledged stays where the storage is durable."""
