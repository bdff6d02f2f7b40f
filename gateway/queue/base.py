"""What the queues keep: records, and how they are counted."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.batch import BatchContext
    from gateway.queue.line import Line
    from gateway.queue.queue import Shelf

NOWHERE = -1
"""Position of a record that no log holds."""


class Record:
    """
    Some spans of one request that share lane and destination.

    ``payload`` is an encoded ``ExportTraceServiceRequest``; it is empty while the record waits on
    disk alone. Where a record was split, each of its pieces is a ``Record`` at the same position.
    """

    __slots__ = (
        "commit", "context", "destination", "lane", "line", "only", "payload", "position", "queue",
        "received_unix_ns", "shelf", "since", "size", "spans", "tenant", "trace_ids",
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
        context: "BatchContext | None" = None,
    ) -> None:
        self.queue = queue
        self.lane = lane
        self.destination = destination
        self.payload = payload
        self.size = len(payload)
        """Bytes it takes in its queue: with its frame, where it is on disk."""
        self.spans = spans
        self.trace_ids = trace_ids
        self.tenant = tenant
        self.received_unix_ns = received_unix_ns
        self.context = context
        """Where it came from; kept where its spans are still to be routed, else None."""
        self.position = NOWHERE
        """What tells stored records apart: the place in the log."""
        self.commit = 0
        """Number of the request that brought it; grows with time."""
        self.only: tuple[int, ...] | None = None
        """Which of the payload's spans this piece stands for, by their order; None for all."""
        self.since = 0.0
        """Monotonic seconds when it was queued."""
        self.line: Line | None = None
        """Where it waits."""
        self.shelf: Shelf | None = None
        """Where its payload lies, for a guest: a record of another worker's log. It counts in
        that worker's queue, not in ours."""

    def piece(self, destination: str, only: tuple[int, ...]) -> "Record":
        """Return a part of the record, for another destination."""
        part = Record(
            queue=self.queue,
            lane=self.lane,
            destination=destination,
            payload=self.payload,
            spans=len(only),
            trace_ids=self.trace_ids,
            tenant=self.tenant,
            received_unix_ns=self.received_unix_ns,
            context=self.context,
        )
        part.size = self.size
        part.position = self.position
        part.commit = self.commit
        part.since = self.since
        part.only = only
        part.shelf = self.shelf
        return part


class QueueStats:
    """What waits in a queue now, or is under way."""

    __slots__ = ("max_bytes", "oldest_unix_ns", "size_bytes", "spans")

    def __init__(self, size_bytes: int, spans: int, oldest_unix_ns: int, max_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.spans = spans
        self.oldest_unix_ns = oldest_unix_ns
        """Receive time of the oldest record; 0 where there is none."""
        self.max_bytes = max_bytes
