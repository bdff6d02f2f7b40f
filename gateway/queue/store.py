"""
The queues of a gateway: a request is committed to all of them or to none.

Queues with ``storage: disk`` share one log, so that a request costs one write and one sync whatever
the number of its exporters; queues in memory stand beside them.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from gateway.clock import SystemClock
from gateway.config.exporting import MIB, QueueConfig
from gateway.errors import Flow, Retry
from gateway.plugin import Clock, Logger
from gateway.queue import frame
from gateway.queue.base import Record
from gateway.queue.damage import Damaged
from gateway.queue.decisions import Decisions
from gateway.queue.disk import Disk
from gateway.queue.disk_log import DiskLog
from gateway.queue.folder import QueueFolder
from gateway.queue.homes import Homes
from gateway.queue.lane import QueueLane, memories
from gateway.queue.queue import PIPELINE_QUEUE, MemoryShelf, Queue, Shelf
from gateway.queue.segment import Segment, log_of
from gateway.queue.shelf import DiskShelf
from gateway.telemetry import logs

RETRY_AFTER_S = 5.0
_LARGEST_SEGMENT = 32 * MIB
_SMALLEST_SEGMENT = 1 * MIB
_SEGMENTS_A_QUEUE = 32
_ORPHAN_LANES = 64

_Memories: TypeAlias = tuple[Homes | None, Decisions | None]


class Store:
    """
    The queues of a gateway: opened, then started, then committed to.

    Args:
        folder: where queues with ``storage: disk`` lie; None where all are in memory.
        segment_bytes: size of the log's files; derived from the sizes of the queues where None.
        several_tenants: whether there are several, so that each gets a share of a queue only.
        worker: number of the worker whose log this one writes.
        shares: into how many parts ``max_size_mib`` is cut, one for each worker.

    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        clock: Clock | None = None,
        logger: Logger | None = None,
        disk: Disk | None = None,
        segment_bytes: int | None = None,
        several_tenants: Callable[[], bool] = lambda: False,
        worker: int = 0,
        shares: int = 1,
    ) -> None:
        self._clock = clock or SystemClock()
        self._disk = disk or Disk()
        self._logger = logger or logs.get("queue")
        self._folder = QueueFolder(folder, self._disk, worker) if folder else None
        self._segment_bytes = segment_bytes
        self._several_tenants = several_tenants
        self._queues: dict[str, Queue] = {}
        self._orphans: dict[str, Queue] = {}
        self._memory = MemoryShelf()
        self._shares = shares
        self._fresh: dict[str, Callable[[], _Memories]] = {}
        self._log: DiskLog | None = None
        self._emptying: dict[int, DiskLog] = {}
        self._closed = False

    @property
    def trouble(self) -> str | None:
        """Why nothing can be accepted now, or None where all is well."""
        return self._log.trouble if self._log else None

    def open(
        self,
        name: str,
        settings: QueueConfig,
        *,
        follow: bool = False,
        decisions: tuple[int, int] | None = None,
    ) -> Queue:
        """
        Return the queue of an exporter or of a pipeline, made on first use; before the start.

        Args:
            name: id of the exporter, or name of the pipeline's queue.
            settings: its ``sending_queue``.
            follow: whether a trace's later spans go where its first ones went.
            decisions: how many kept and dropped traces its reader remembers, over all lanes.

        """
        if name not in self._queues:
            fresh = self._fresh[name] = partial(self._memories, settings, follow, decisions)
            lanes = [QueueLane(name, number, *fresh()) for number in range(settings.num_lanes)]
            shelf = self._memory if settings.storage == "memory" else self._shelf()
            self._queues[name] = Queue(
                name, settings, shelf, lanes, self._several_tenants, shares=self._shares
            )
        return self._queues[name]

    def _memories(
        self, settings: QueueConfig, follow: bool, decisions: tuple[int, int] | None
    ) -> _Memories:
        monotonic = self._clock.monotonic
        homes = Homes(monotonic) if follow else None
        if decisions is None:
            return homes, None
        kept, dropped = (max(1, -(-size // settings.num_lanes)) for size in decisions)
        return homes, Decisions(kept, dropped, monotonic)

    def _shelf(self) -> DiskShelf:
        if self._folder is None:
            raise ValueError("a store without a folder has queues in memory only")
        if self._log is None:
            damaged = Damaged(self._folder.damaged, self._disk, self._logger)
            shelf = DiskShelf(damaged, self._done)
            self._log = DiskLog(self._folder, self._disk, self._logger, shelf, queues=self._all)
        return self._log.shelf

    @property
    def queues(self) -> list[Queue]:
        """The queues of configured exporters and pipelines."""
        return list(self._queues.values())

    def _done(self, segment: Segment) -> None:
        """Note an acknowledgement in the log that it belongs to."""
        log = self._emptying.get(log_of(segment.number), self._log)
        assert log is not None, "a segment belongs to a log"
        log.done(segment)

    def _all(self) -> list[Queue]:
        return [*self._queues.values(), *self._orphans.values()]

    async def start(self, lanes: Collection[int] | None = None) -> None:
        """
        Take up what waits on disk from before.

        Args:
            lanes: those that are served here, and settled where their traces go; None for all.

        Raises:
            QueueFolderError: this version or these settings cannot read it.
            OSError: the folder cannot be used.

        """
        if lanes is not None:
            for _, lane in self._lanes(set(range(_ORPHAN_LANES)) - set(lanes)):
                lane.gain(None, None)
        if self._log is None and self._folder is not None and self._folder.exists:
            self._shelf()  # nothing may be left behind unseen
        if self._log is not None:
            await self._log.start(self._queues, self._queue_of, self._segment_size())
        self._tell_of_orphans()
        for queue in self._queues.values():
            queue.open()

    def _tell_of_orphans(self) -> None:
        for name, orphan in self._orphans.items():
            self._logger.warning(
                "undecided traces wait on disk for a processor that is not configured; they stay"
                if name.startswith(PIPELINE_QUEUE)
                else "spans wait on disk for an exporter that is not configured; they stay",
                exporter=name,
                spans=orphan.spans,
                advice=f"configure it again, or save them: spangate queue export --exporter {name}",
            )

    async def gain(self, lanes: Collection[int]) -> None:
        """Settle from now on where traces of these lanes go; no other worker does."""
        for queue, lane in self._lanes(lanes):
            fresh = self._fresh[queue.name]()
            if queue.durable and self._log is not None:
                for kind, homes in memories(*fresh).items():
                    file = self._log.homes_file(queue.name, lane.number, kind)
                    homes.load(await asyncio.to_thread(file.read))
            lane.gain(*fresh)
        if self._log is not None:
            self._log.keep_homes(queue for queue in self._queues.values() if queue.durable)

    async def lose(self, lanes: Collection[int]) -> None:
        """Write down where traces of these lanes go, and leave it to another worker."""
        if self._log is not None:
            await self._log.flush()
        for queue, lane in self._lanes(lanes):
            lane.gain(None, None)
            queue.evict(lanes=[lane])
        if self._log is not None:
            self._log.keep_homes(queue for queue in self._queues.values() if queue.durable)

    def _lanes(self, numbers: Collection[int]) -> list[tuple[Queue, QueueLane]]:
        return [
            (queue, lane)
            for queue in self._queues.values()
            for lane in queue.lanes
            if lane.number in numbers
        ]

    async def empty(self, worker: int, on_empty: Callable[[], None]) -> None:
        """
        Take up, beside what comes, the log of a worker that is gone.

        Args:
            worker: its number.
            on_empty: called once nothing is left of it.

        Raises:
            QueueFolderError: these settings leave no place for some of it.
            OSError: it cannot be read.

        """
        if self._folder is None or not self._folder.log_of(worker).exists():
            on_empty()
            return
        shelf = self._shelf()
        folder = self._folder.of(worker)
        log = DiskLog(folder, self._disk, self._logger, shelf, queues=self._all, on_empty=on_empty)
        self._emptying[worker] = log
        await log.empty(self._queues, self._queue_of, self._segment_size())
        for queue in self._queues.values():
            for lane in queue.lanes:
                lane.ring_all()
        self._tell_of_orphans()

    async def forget(self, worker: int) -> None:
        """Remove the log of a worker that is gone; nothing is left of it."""
        log = self._emptying.pop(worker, None)
        if log is None or self._folder is None:
            return
        await log.close()
        with contextlib.suppress(OSError):  # what could not be read stays
            await asyncio.to_thread(self._folder.log_of(worker).rmdir)

    def _queue_of(self, name: str, lane: int, lanes: dict[str, int]) -> Queue | None:
        """Return the queue of records that were found, or None where it cannot take them."""
        queue = self._queues.get(name)
        if queue is None:
            if name not in self._orphans:
                settings = QueueConfig(num_lanes=_ORPHAN_LANES)
                lanes_of = [QueueLane(name, at, None) for at in range(_ORPHAN_LANES)]
                self._orphans[name] = Queue(name, settings, self._shelf(), lanes_of)
            return self._orphans[name]
        now = queue.settings.num_lanes
        fits = queue.durable and lane < now and lanes.get(name, now) == now
        return queue if fits else None

    def _segment_size(self) -> int:
        if self._segment_bytes is not None:
            return self._segment_bytes
        sizes = [queue.max_bytes for queue in self._queues.values() if queue.durable]
        share = min(sizes, default=0) // _SEGMENTS_A_QUEUE
        return min(max(share, _SMALLEST_SEGMENT), _LARGEST_SEGMENT)

    async def commit(self, records: Sequence[Record]) -> None:
        """
        Put records into their queues, all or none, durably as the storage promises.

        Raises:
            Busy: a queue is full; come back after the given delay.
            TooLarge: the records are larger than a whole queue.
            Retry: the disk is failing, or the gateway is stopping.

        """
        if self._closed:
            raise Retry("the gateway is stopping", after=RETRY_AFTER_S)
        on_disk = [record for record in records if self._queues[record.queue].durable]
        metas: list[bytes] = []
        for record in on_disk:
            meta = frame.meta_of(record)
            metas.append(meta)
            record.size = frame.frame_bytes(meta, record.payload)
        needed = _needed(records)
        self._reserve(needed)
        if self._log is None or not on_disk:
            self._enter(records)
            return
        queues = [self._queues[name] for name in needed]
        modes = {queue.settings.fsync for queue in queues if queue.durable}
        await self._log.commit(on_disk, metas, modes, partial(self._settle, records))

    def _reserve(self, needed: Mapping[str, Mapping[str, int]]) -> None:
        """Keep room for so many bytes by queue and tenant, in all queues or in none."""
        reserved: list[str] = []
        try:
            for name, sizes in needed.items():
                self._queues[name].reserve(sizes)
                reserved.append(name)
        except Flow:
            for name in reserved:
                for tenant, size in needed[name].items():
                    self._queues[name].release(tenant, size)
            raise

    def _settle(self, records: Sequence[Record], stored: bool) -> None:
        if stored:
            self._enter(records)
        else:
            for record in records:
                self._queues[record.queue].release(record.tenant, record.size)

    def _enter(self, records: Sequence[Record]) -> None:
        """Let the readers have records that are stored."""
        since = self._clock.monotonic()
        for record in records:
            self._queues[record.queue].enter(record, since)

    def has(self, queue: str, lane: int) -> bool:
        """Tell whether there is such a lane."""
        return queue in self._queues and lane < len(self._queues[queue].lanes)

    def lane(self, queue: str, number: int) -> QueueLane:
        """Return a lane; there is such a one."""
        return self._queues[queue].lanes[number]

    def visit(self, record: Record, behind_unix_ns: int = 0) -> None:
        """
        Let a reader have a record that another worker keeps.

        Args:
            record: its ``shelf`` is the other worker's.
            behind_unix_ns: receive time of what comes next for the same destination, 0 for nothing.

        """
        self._queues[record.queue].visit(record, self._clock.monotonic(), behind_unix_ns)

    def leave(self, shelf: Shelf) -> None:
        """Forget what waits of another worker's records; it keeps them."""
        for queue in self._queues.values():
            queue.evict(shelf)

    async def close(self) -> None:
        """Refuse what comes; what was not acknowledged stays where the storage is durable."""
        self._closed = True
        for log in self._emptying.values():
            await log.close()
        if self._log is not None:
            await self._log.close()


def _needed(records: Sequence[Record]) -> dict[str, dict[str, int]]:
    """Return the bytes of records by queue and tenant."""
    needed: dict[str, dict[str, int]] = {}
    for record in records:
        sizes = needed.get(record.queue)
        if sizes is None:
            sizes = needed[record.queue] = {}
        sizes[record.tenant] = sizes.get(record.tenant, 0) + record.size
    return needed
