"""Queues in memory: bounded in bytes, gone with the process."""

import asyncio
from collections import deque
from collections.abc import Sequence

from gateway.config.exporting import QueueConfig
from gateway.errors import Busy, Retry, TooLarge
from gateway.queue.base import Queue, QueueStats, Record, Store
from gateway.telemetry import metrics

FULL_RETRY_AFTER_S = 5.0


class _Lane:
    """Records its reader has not seen, and the bell that wakes it."""

    __slots__ = ("bell", "unread")

    def __init__(self) -> None:
        self.unread: deque[Record] = deque()
        self.bell = asyncio.Event()


class MemoryQueue(Queue):
    """One exporter's records in memory; used from the event loop only."""

    def __init__(self, name: str, settings: QueueConfig) -> None:
        super().__init__(name, settings)
        self._lanes = [_Lane() for _ in range(settings.num_lanes)]
        self._open: dict[Record, None] = {}  # insertion order is age
        self._size_bytes = 0
        self._spans = 0

    @property
    def free_bytes(self) -> int:
        """Bytes that fit before the queue is full."""
        return self.max_bytes - self._size_bytes

    async def read(self, lane: int) -> list[Record]:
        """Wait for records that this lane's reader has not seen; return them oldest first."""
        mine = self._lanes[lane]
        while not mine.unread:
            mine.bell.clear()
            await mine.bell.wait()
        fresh = [record for record in mine.unread if not record.dropped]
        mine.unread.clear()
        return fresh

    def append(self, record: Record) -> None:
        """Take a record; the store has made sure that it fits."""
        self._open[record] = None
        self._size_bytes += record.size
        self._spans += record.spans
        lane = self._lanes[record.lane]
        lane.unread.append(record)
        lane.bell.set()

    def ack(self, record: Record) -> None:
        """Forget a record."""
        if record in self._open:
            del self._open[record]
            self._size_bytes -= record.size
            self._spans -= record.spans

    def make_room(self, needed: int) -> None:
        """Give up the oldest records that are not under way, until ``needed`` bytes fit."""
        for record in list(self._open):
            if self.free_bytes >= needed:
                return
            if not record.in_flight:
                record.dropped = True
                self.ack(record)
                metrics.exporter_send_failed_spans.labels(self.name, "queue_full").inc(record.spans)

    def stats(self) -> QueueStats:
        """Return what waits now."""
        oldest = next(iter(self._open), None)
        return QueueStats(
            size_bytes=self._size_bytes,
            spans=self._spans,
            oldest_unix_ns=oldest.received_unix_ns if oldest else 0,
            max_bytes=self.max_bytes,
        )


class MemoryStore(Store):
    """The queues of a gateway that keeps nothing on disk."""

    def __init__(self) -> None:
        self._queues: dict[str, MemoryQueue] = {}
        self._closed = False

    def open(self, name: str, settings: QueueConfig) -> MemoryQueue:
        """Return the queue of an exporter, made on first use."""
        if name not in self._queues:
            self._queues[name] = MemoryQueue(name, settings)
        return self._queues[name]

    async def commit(self, records: Sequence[Record]) -> None:
        """Put records into their queues, all or none."""
        if self._closed:
            raise Retry("the gateway is stopping", after=FULL_RETRY_AFTER_S)
        needed: dict[str, int] = {}
        for record in records:
            needed[record.queue] = needed.get(record.queue, 0) + record.size
        for name, size in needed.items():
            self._check(self._queues[name], size)
        for name, size in needed.items():
            self._queues[name].make_room(size)
            if self._queues[name].free_bytes < size:
                raise self._full(self._queues[name])
        for record in records:
            self._queues[record.queue].append(record)

    def _check(self, queue: MemoryQueue, size: int) -> None:
        if size > queue.max_bytes:
            raise TooLarge(
                f"the request needs {size} bytes in the queue of {queue.name}, which holds "
                f"{queue.max_bytes} at most (sending_queue.max_size_mib)"
            )
        if size > queue.free_bytes and queue.settings.on_full == "reject":
            raise self._full(queue)

    @staticmethod
    def _full(queue: MemoryQueue) -> Busy:
        return Busy(f"the queue of {queue.name} is full", after=FULL_RETRY_AFTER_S)

    async def close(self) -> None:
        """Refuse further commits."""
        self._closed = True
