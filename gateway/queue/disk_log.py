"""A log behind the queues on disk: taken up at start, written to, and kept small."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from gateway.errors import Retry
from gateway.plugin import Logger
from gateway.queue.base import Record
from gateway.queue.compaction import Compaction
from gateway.queue.disk import Disk
from gateway.queue.folder import QueueFolder, QueueFolderError
from gateway.queue.homes import HomesFile
from gateway.queue.log import Log
from gateway.queue.notes import Notes
from gateway.queue.queue import Queue
from gateway.queue.recovery import Recovery, conflicts
from gateway.queue.segment import LOG_SHIFT, Segment, last_number, log_of
from gateway.queue.shelf import DiskShelf
from gateway.queue.writer import Commit, Writer

RETRY_AFTER_S = 5.0

QueueOf = Callable[[str, int, dict[str, int]], Queue | None]
"""From the name of a queue, a lane and the lanes of each queue as written to its records' place."""


class DiskLog:
    """
    Keeps records on disk; used from the event loop only.

    Args:
        folder: where it lies; its ``worker`` says which log it is.
        shelf: for the payloads of all logs.
        queues: returns all queues whose records may lie in the log.
        on_empty: called once nothing is left of a log that is not written to.

    """

    def __init__(
        self,
        folder: QueueFolder,
        disk: Disk,
        logger: Logger,
        shelf: DiskShelf,
        *,
        queues: Callable[[], list[Queue]],
        on_empty: Callable[[], None] | None = None,
    ) -> None:
        self._folder = folder
        self._disk = disk
        self._logger = logger
        self._queues = queues
        self._damaged = shelf.damaged
        self._on_empty = on_empty
        self.shelf = shelf
        self.trouble: str | None = None
        """Why nothing can be written now."""
        self._writer: Writer | None = None
        self._notes: Notes | None = None
        self._compaction: Compaction | None = None
        self._compacting: asyncio.Task[None] | None = None
        self._number = 0
        self._emptying = False

    async def start(
        self, queues: Mapping[str, Queue], queue_of: QueueOf, segment_bytes: int
    ) -> None:
        """
        Take up what is there, and begin to write behind it.

        Raises:
            QueueFolderError: this version or these settings cannot read it.
            OSError: the folder cannot be used.

        """
        durable = {name: queue for name, queue in queues.items() if queue.durable}
        self._folder.check()
        recovery = self._recovery(queue_of)
        await asyncio.to_thread(self._recover, durable, recovery)
        self._check(queues, recovery)
        await asyncio.to_thread(self._prepare, durable)
        self.shelf.segments |= recovery.segments
        self._number = recovery.last_commit
        self._begin(segment_bytes)
        self.keep_homes(durable.values())

    async def empty(
        self, queues: Mapping[str, Queue], queue_of: QueueOf, segment_bytes: int
    ) -> None:
        """
        Take up, while the queues are in use, what a worker that is gone has left.

        Raises:
            QueueFolderError: these settings leave no place for some of it.
            OSError: the folder cannot be used.

        """
        recovery = self._recovery(queue_of)
        self._begin(segment_bytes)
        self._emptying = True
        try:
            await recovery.run_beside(self._on_begun, self._on_ended)
        finally:
            self._emptying = False
        self._check(queues, recovery)
        if not self._in_use:
            self._give_up()

    def _check(self, queues: Mapping[str, Queue], recovery: Recovery) -> None:
        problems = conflicts(queues, self._folder.lanes(), recovery.refused)
        if problems:
            raise QueueFolderError("; ".join(problems))

    def _begin(self, segment_bytes: int) -> None:
        """Begin to write behind what is there."""
        worker = self._folder.worker
        last = last_number(self._folder.log)
        log = Log(
            self._folder.log,
            self._disk,
            first=(worker << LOG_SHIFT) + last + 1,
            segment_bytes=segment_bytes,
            synced=any(q.durable and q.settings.fsync != "none" for q in self._queues()),
        )
        log.remove_spare()
        self._writer = Writer(log, self._on_written, self._on_ended)
        self._notes = Notes(self._writer, self._disk, self._logger, self._compact)
        self._compaction = Compaction(self.shelf, self._writer, self._queues, segment_bytes, worker)

    def homes_file(self, queue: str, lane: int, kind: str) -> HomesFile:
        """Return where what a lane remembers is kept."""
        return HomesFile(self._folder.homes, queue, lane, self._disk, kind)

    def keep_homes(self, queues: Iterable[Queue]) -> None:
        """Write down from now on where the traces of these queues' lanes go."""
        assert self._notes is not None, "started"
        self._notes.homes = [
            (homes, self.homes_file(queue.name, number, kind))
            for queue in queues
            for number, lane in enumerate(queue.lanes)
            for kind, homes in lane.memories().items()
        ]

    async def flush(self) -> None:
        """Return once all that was acknowledged and settled until now is written down."""
        assert self._notes is not None, "started"
        assert self._writer is not None, "started"
        self._notes.flush()
        await self._writer.call(lambda: None, lambda _: None)

    def _recover(self, queues: Mapping[str, Queue], recovery: Recovery) -> None:
        for name, queue in queues.items():
            for number, lane in enumerate(queue.lanes):
                for kind, homes in lane.memories().items():
                    homes.load(self.homes_file(name, number, kind).read())
        recovery.run()

    def _recovery(self, queue_of: QueueOf) -> Recovery:
        lanes = self._folder.lanes()
        return Recovery(
            self._folder,
            self._disk,
            self._damaged,
            self._logger,
            lambda name, lane: queue_of(name, lane, lanes),
        )

    @property
    def _in_use(self) -> bool:
        return any(log_of(number) == self._folder.worker for number in self.shelf.segments)

    def _prepare(self, queues: Mapping[str, Queue]) -> None:
        self._folder.prepare()
        now = {name: queue.settings.num_lanes for name, queue in queues.items()}
        self._folder.note_lanes(self._folder.lanes() | now)

    async def commit(
        self,
        records: Sequence[Record],
        metas: Sequence[bytes],
        fsync: Collection[str],
        settle: Callable[[bool], None],
    ) -> None:
        """
        Return once the records are as durable as ``fsync`` says.

        ``settle`` is called with whether they are stored, whatever becomes of the caller.

        Raises:
            Retry: the disk is failing.

        """
        assert self._writer is not None, "started"
        self._number += 1
        commit = Commit(
            records,
            metas,
            settle,
            asyncio.get_running_loop().create_future(),
            number=self._number,
            sync=set(fsync) != {"none"},
            alone="always" in fsync,
        )
        self._writer.submit(commit)
        await commit.answer

    def _on_written(self, commits: list[Commit], error: OSError | None) -> None:
        self._note_trouble(error)
        for commit in commits:
            if error is None and commit.segment is not None:
                self.shelf.stored(commit.segment, len(commit.records), commit.size)
            commit.settle(error is None)
            if commit.answer.done():
                continue  # the sender has gone
            if error is None:
                commit.answer.set_result(None)
            else:
                reason = f"the queue cannot be written: {error.strerror or error}"
                commit.answer.set_exception(Retry(reason, after=RETRY_AFTER_S))

    def _note_trouble(self, error: OSError | None) -> None:
        """Log when writing begins to fail, and when it works again."""
        if error is None:
            if self.trouble is not None:
                self.trouble = None
                self._logger.info("the queue can be written again")
            return
        if self.trouble is None:
            self._logger.error(
                "the queue cannot be written; senders are told to come back",
                path=str(self._folder.path),
                reason=error.strerror or str(error),
                advice="make room on the disk, or mend it; the gateway goes on by itself",
            )
        self.trouble = f"the queue cannot be written: {error.strerror or error}"

    def done(self, segment: Segment) -> None:
        """Note that a record in a segment of this log was acknowledged."""
        if self._notes is None:
            return
        if segment.sealed and segment.live == 0:
            self._give_back(segment)
        else:
            self._notes.add(segment)

    def _on_begun(self, segment: Segment) -> None:
        self.shelf.segments[segment.number] = segment

    def _on_ended(self, segment: Segment) -> None:
        segment.sealed = True
        if segment.live == 0:
            self._give_back(segment)

    def _give_back(self, segment: Segment) -> None:
        assert self._notes is not None, "started"
        self.shelf.segments.pop(segment.number, None)
        self._notes.remove(segment)
        if not self._in_use:
            self._give_up()

    def _give_up(self) -> None:
        if self._on_empty is not None and not self._emptying:
            on_empty, self._on_empty = self._on_empty, None
            on_empty()

    def _compact(self) -> None:
        """Move what waits out of a segment that is mostly done, if there is one."""
        if self._compaction is None or self._compacting is not None:
            return
        segment = self._compaction.candidate()
        if segment is not None:
            self._compacting = asyncio.create_task(self._compaction.move(segment))
            self._compacting.add_done_callback(self._on_compacted)

    def _on_compacted(self, task: "asyncio.Task[None]") -> None:
        self._compacting = None
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, OSError):
            self._logger.warning(
                "disk space could not be given back yet", reason=error.strerror or str(error)
            )
        elif error is not None:
            raise error
        else:
            self._compact()

    async def close(self) -> None:
        """Finish what was begun and write down what was acknowledged; safe to call twice."""
        self._compaction = None  # what is being moved now is the last
        if self._compacting is not None:
            await asyncio.wait([self._compacting])
        if self._notes is not None:
            self._notes.flush()
        if self._writer is not None:
            await self._writer.close()
            await asyncio.sleep(0)  # lets what the writer has reported at last be noted
