"""
The thread that writes the log.

Requests that come while it writes and syncs share the next write and the next sync: the more there
are, the less each costs.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

from gateway import guard, scheduling
from gateway.queue import frame
from gateway.queue.base import Record
from gateway.queue.line import position_of
from gateway.queue.log import Log
from gateway.queue.segment import Segment

T = TypeVar("T")
_SHARED_BYTES = 32 * 1024 * 1024  # of one write; what is more waits for the next one


class Commit:
    """The records of one request on their way to the disk."""

    __slots__ = (
        "alone", "answer", "metas", "number", "records", "segment", "settle", "size", "sync",
    )  # fmt: skip

    def __init__(
        self,
        records: Sequence[Record],
        metas: Sequence[bytes],
        settle: Callable[[bool], None],
        answer: "asyncio.Future[None]",
        *,
        number: int,
        sync: bool,
        alone: bool,
    ) -> None:
        self.records = records
        self.metas = metas
        self.settle = settle
        self.answer = answer
        self.number = number
        self.size = sum(record.size for record in records)
        self.sync = sync
        self.alone = alone
        """Whether to share its write and its sync with no other."""
        self.segment: Segment | None = None
        """Where it was written."""

    def encode(self, segment: Segment, offset: int, synced: int) -> list[bytes]:
        """Return the frames as they lie from ``offset`` on, and note where each record is."""
        self.segment = segment
        buffers: list[bytes] = []
        parts = len(self.records)
        for part, (record, meta) in enumerate(zip(self.records, self.metas, strict=True)):
            record.position = position_of(segment.number, offset)
            record.commit = self.number
            buffers += frame.encode(
                meta,
                record.payload,
                record.position,
                part=part,
                parts=parts,
                synced=synced,
                commit=self.number,
            )
            offset += record.size
        return buffers


class Job:
    """Something else to be done on the thread."""

    __slots__ = ("run",)

    def __init__(self, run: Callable[[], None]) -> None:
        self.run = run


class Writer:
    """
    Owns the log from ``start`` to ``close``.

    Args:
        on_written: called on the event loop, in the order of writing, with the requests that
            were written together and what went wrong, if anything did.
        on_ended: called on the event loop with each segment that is complete, after the requests
            in it.

    """

    def __init__(
        self,
        log: Log,
        on_written: Callable[[list[Commit], OSError | None], None],
        on_ended: Callable[[Segment], None],
    ) -> None:
        self.log = log
        self._on_written = on_written
        self._on_ended = on_ended
        self._jobs: SimpleQueue[Commit | Job | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(
            target=guard.vital, args=(self._run, "queue-writer"), name="queue-writer", daemon=True
        )
        self._thread.start()

    def submit(self, job: Commit | Job) -> None:
        """Have something done, after all that was submitted before."""
        self._jobs.put(job)

    async def call(self, function: Callable[[], T], then: Callable[[T], None]) -> None:
        """
        Run a function on the thread, and ``then`` with its result on the event loop.

        ``then`` sees its turn before whatever is submitted later is reported.

        Raises:
            OSError: as the function does.

        """
        done: asyncio.Future[None] = self._loop.create_future()

        def run() -> None:
            try:
                result = function()
            except OSError as error:
                self._tell(_settle, done, error)
            else:
                self._tell(then, result)
                self._tell(_settle, done, None)

        self.submit(Job(run))
        await done

    async def close(self) -> None:
        """Finish what was submitted, end the segment and the thread; safe to call twice."""
        if self._thread.is_alive():
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        scheduling.stand_back()
        while True:
            jobs: list[Commit | Job | None] = [self._jobs.get()]
            while True:
                try:
                    jobs.append(self._jobs.get_nowait())
                except Empty:
                    break
            if not self._do(jobs):
                self.log.seal()
                self.log.remove_spare()
                self._tell_ended()
                return

    def _do(self, jobs: list[Commit | Job | None]) -> bool:
        """Do jobs in order, neighbouring requests together; return whether to go on."""
        together: list[Commit] = []
        size = 0
        for job in jobs:
            more = isinstance(job, Commit) and together and self._fits(together, size, job)
            if together and not more:
                self._write(together)
                together, size = [], 0
            if isinstance(job, Commit):
                together.append(job)
                size += job.size
            elif job is None:
                return False
            else:
                job.run()
                self._tell_ended()
        if together:
            self._write(together)
        return True

    def _fits(self, together: list[Commit], size: int, more: Commit) -> bool:
        return (
            size + more.size <= min(self.log.left(), _SHARED_BYTES)
            and not more.alone
            and not together[-1].alone
        )

    def _write(self, commits: list[Commit]) -> None:
        size = sum(commit.size for commit in commits)
        failure: OSError | None = None
        try:
            segment = self.log.room(size)
            offset = segment.size
            buffers: list[bytes] = []
            for commit in commits:
                buffers += commit.encode(segment, offset, self.log.durable)
                offset += commit.size
            self.log.write(buffers, size, sync=any(commit.sync for commit in commits))
        except OSError as error:
            failure = error
        self._tell(self._on_written, commits, failure)
        self._tell_ended()

    def _tell_ended(self) -> None:
        for segment in self.log.ended():
            self._tell(self._on_ended, segment)

    def _tell(self, function: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            if not self._loop.is_closed():
                raise
            # Nobody is left who could be told.


def _settle(done: "asyncio.Future[None]", error: OSError | None) -> None:
    if done.cancelled():
        return
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(None)
