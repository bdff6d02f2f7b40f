"""What one worker does for all queues: serve its lanes, and bring the rest to those who do."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from gateway.plugin import Logger
from gateway.queue.queue import Queue
from gateway.queue.store import Store
from gateway.workers.handing import WINDOW_BYTES, Courier, Peer, Reception
from gateway.workers.lane_locks import LaneLocks
from gateway.workers.messages import Own

LEAVE_S = 5.0
"""How long requests under way may take before another worker gets their lane."""


class Reader(Protocol):
    """Whoever empties a queue, lane by lane: an exporter's sender, a pipeline's gatherer."""

    @property
    def queue(self) -> Queue:
        """What it empties."""
        ...

    @property
    def num_lanes(self) -> int:
        """How many lanes that has."""
        ...

    async def serve(self, lane: int) -> None:
        """Serve one lane until cancelled."""
        ...

    async def leave(self, lane: int, timeout_s: float) -> None:
        """Finish what is under way in a lane; ``serve`` is cancelled next."""
        ...


class Supervision(Protocol):
    """Whom to tell."""

    def released(self, lanes: list[int]) -> None:
        """Say that lanes are no longer served here."""
        ...

    def emptied(self, log: int) -> None:
        """Say that nothing is left in the log of a worker that is gone."""
        ...


class Duties:
    """
    The lanes of one worker, as its supervisor assigns them.

    Args:
        worker: its number.
        folder: where workers have their sockets.
        readers: of all queues.
        supervision: whom to tell.
        locks: those of the own log and of the lanes that the store was started with are taken.

    """

    def __init__(
        self,
        worker: int,
        folder: Path,
        store: Store,
        readers: Sequence[Reader],
        *,
        supervision: Supervision,
        locks: LaneLocks,
        logger: Logger,
    ) -> None:
        self._worker = worker
        self._folder = folder
        self._store = store
        self._readers = readers
        self._supervision = supervision
        self._locks = locks
        self._logger = logger
        self._reception = Reception(store, folder, worker)
        self._wanted: Own | None = None
        self._changed = asyncio.Event()
        self._serving: dict[int, list[asyncio.Task[None]]] = {}
        self._bringing: dict[int, tuple[int, list[asyncio.Task[None]]]] = {}
        self._peers: dict[int, tuple[Peer, asyncio.Task[None]]] = {}
        self._logs: set[int] = set()
        self._tasks = asyncio.TaskGroup()

    @property
    def lanes(self) -> set[int]:
        """Those that are served here."""
        return set(self._serving)

    @property
    def acknowledged(self) -> int:
        """Records that other workers have brought to their end; it grows while they do."""
        return sum(peer.acknowledged for peer, _ in self._peers.values())

    def change(self, own: Own) -> None:
        """Have other lanes and logs from now on."""
        self._wanted = own
        self._changed.set()

    async def run(self, first: Own) -> None:
        """Serve until cancelled, at first what the store was started with."""
        try:
            async with self._tasks:
                for lane in first.lanes:
                    self._serve(lane)
                self.change(first)
                while True:
                    await self._changed.wait()
                    self._changed.clear()
                    if self._wanted is not None:
                        await self._apply(self._wanted)
        finally:
            await self._reception.close()

    async def _apply(self, own: Own) -> None:
        if own.shared:
            await self._open()
        for lane, (owner, tasks) in list(self._bringing.items()):
            if own.owners.get(lane) != owner:
                del self._bringing[lane]
                await _cancel(tasks)
        await self._leave(sorted(self.lanes - set(own.lanes)))
        gained = sorted(set(own.lanes) - self.lanes)
        if gained:
            await self._locks.take(gained)
            await self._store.gain(gained)
            for lane in gained:
                self._serve(lane)
        self._reception.lanes = self.lanes
        for lane, owner in own.owners.items():
            if owner != self._worker and lane not in self._bringing:
                self._bring(lane, owner)
        await self._drop_peers(set(own.owners.values()))
        for log in set(own.logs) - self._logs:
            self._logs.add(log)
            self._tasks.create_task(self._empty(log))

    async def _open(self) -> None:
        try:
            await self._reception.open()
        except OSError as error:
            self._logger.error(
                "workers cannot hand spans to each other; those of lanes that others serve wait",
                folder=str(self._folder),
                reason=error.strerror or str(error),
                advice="put service.data_dir on a file system with Unix sockets, or write "
                "service.workers: 1",
            )

    def _serve(self, lane: int) -> None:
        self._serving[lane] = [
            self._tasks.create_task(reader.serve(lane))
            for reader in self._readers
            if lane < reader.num_lanes
        ]

    async def _leave(self, lanes: list[int]) -> None:
        if not lanes:
            return
        self._reception.lanes = self.lanes - set(lanes)
        leaving = [r.leave(n, LEAVE_S) for r in self._readers for n in lanes if n < r.num_lanes]
        await asyncio.gather(*leaving)
        for lane in lanes:
            await _cancel(self._serving.pop(lane))
        await self._store.lose(lanes)
        self._locks.release(lanes)
        self._supervision.released(lanes)

    def _bring(self, lane: int, owner: int) -> None:
        if owner not in self._peers:
            peer = Peer(self._folder, owner)
            self._peers[owner] = peer, self._tasks.create_task(peer.run())
        peer, _ = self._peers[owner]
        tasks = [
            self._tasks.create_task(Courier(reader.queue, lane, peer).run())
            for reader in self._readers
            if lane < reader.num_lanes
        ]
        self._bringing[lane] = owner, tasks

    async def _drop_peers(self, owners: set[int]) -> None:
        for worker in set(self._peers) - owners:
            _, task = self._peers.pop(worker)
            await _cancel([task])
        for peer, _ in self._peers.values():  # each of them gets as much from all others together
            peer.window.max_bytes = WINDOW_BYTES // len(self._peers)

    async def _empty(self, log: int) -> None:
        await self._locks.take_log(log)
        try:
            await self._store.empty(log, self._on_empty(log))
        except OSError as error:
            self._logger.error(
                "what another worker has left cannot be read now; it stays on disk",
                log=log,
                reason=str(error),
            )

    def _on_empty(self, log: int) -> Callable[[], None]:
        def on_empty() -> None:
            self._tasks.create_task(self._forget(log))

        return on_empty

    async def _forget(self, log: int) -> None:
        await self._store.forget(log)
        self._locks.release_log(log)
        self._logs.discard(log)
        self._supervision.emptied(log)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
