"""
Hand spans to the worker that serves their lane, over a local socket.

The worker that received them keeps them until the other says that they are delivered. When the
connection breaks, or the lane goes to another worker, they are offered again: a span may be sent
twice, but it is never lost.
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec

from gateway.batch import BatchContext
from gateway.delivery.parts import Part
from gateway.errors import Flow
from gateway.otlp import wire
from gateway.queue.base import Record
from gateway.queue.lane import QueueLane
from gateway.queue.queue import PIPELINE_QUEUE, MemoryShelf, Queue
from gateway.queue.store import Store
from gateway.workers.channel import Channel
from gateway.workers.window import Stream, Window

WINDOW_BYTES = 16 * 1024 * 1024
"""What may be under way to a worker from all others, so that an outage costs little memory."""
TAKEN_SPANS = 2_000
TAKEN_BYTES = 1024 * 1024
AGAIN_S = 0.1
_MOST_PATH_BYTES = 100  # of a socket's path; the system's limit is 104 or 108


class Hand(msgspec.Struct, tag="hand", array_like=True):
    """A record for the worker that serves its lane."""

    id: int
    queue: str
    lane: int
    destination: str
    payload: bytes
    spans: int
    trace_ids: bytes
    tenant: str
    received_unix_ns: int
    context: BatchContext | None
    behind_unix_ns: int
    """Receive time of what waits behind it for the same destination; 0 where nothing does."""


class Behind(msgspec.Struct, tag="behind", array_like=True):
    """To the worker that serves a lane: older spans wait for room on their way to it."""

    queue: str
    lane: int
    destination: str
    oldest_unix_ns: int


class Done(msgspec.Struct, tag="done", array_like=True):
    """The answer to ``Hand``: every span was delivered, or given up and counted."""

    id: int


class Refused(msgspec.Struct, tag="refused", array_like=True):
    """The answer to ``Hand`` of a worker that cannot take it now, or does not serve the lane."""

    id: int


def socket_path(folder: Path, worker: int, suffix: str = "sock") -> str:
    """Return where a worker listens, in as few bytes as sockets allow."""
    path = str(folder / f"{worker}.{suffix}")
    if len(os.fsencode(path)) > _MOST_PATH_BYTES:
        path = os.path.relpath(path)
    if len(os.fsencode(path)) > _MOST_PATH_BYTES and sys.platform == "linux":
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)  # open for as long as we run
        path = f"/proc/self/fd/{descriptor}/{worker}.{suffix}"
    return path


class _Sent(NamedTuple):
    """A record that another worker has now."""

    record: Record
    queue: Queue
    stream: Stream
    size: int


class Peer:
    """
    The connection to another worker, made again whenever it breaks; runs until cancelled.

    Args:
        folder: where workers have their sockets.
        worker: number of the other.
        max_bytes: what may be under way to it.

    """

    def __init__(self, folder: Path, worker: int, max_bytes: int = WINDOW_BYTES) -> None:
        self._path = socket_path(folder, worker)
        self.acknowledged = 0
        """Records that the other worker has brought to their end."""
        self.window = Window(max_bytes)
        self._under_way: dict[int, _Sent] = {}
        self._loop = asyncio.get_running_loop()
        self._resume_at = 0.0
        self._last = 0
        self._channel: Channel[Done | Refused] | None = None
        self._held_up: dict[Stream, QueueLane] = {}
        """What waits for room."""

    async def run(self) -> None:
        """Keep the connection and take the other worker's answers."""
        while True:
            with contextlib.suppress(OSError):  # it does not listen yet, or no longer
                await self._serve()
            await asyncio.sleep(AGAIN_S)

    def room(self, stream: Stream) -> int:
        """Return how many bytes may be handed over now; 0 for none."""
        if self._channel is None or self._loop.time() < self._resume_at:
            return 0
        return self.window.room(stream)

    def hold_up(self, stream: Stream, lane: QueueLane, oldest_unix_ns: int) -> None:
        """Ring the lane's bell once there is room; the other worker knows that more waits."""
        if stream not in self._held_up:
            self._held_up[stream] = lane
            if self._channel is not None:
                self._channel.send(Behind(*stream, oldest_unix_ns))

    def hand(self, record: Record, queue: Queue, behind_unix_ns: int = 0) -> None:
        """
        Hand a taken record over; it is acknowledged or put back in its queue later.

        Args:
            record: with its payload.
            queue: it was taken from.
            behind_unix_ns: receive time of what waits behind it; 0 where nothing does.

        """
        if self._channel is None:
            queue.put_back(queue.lanes[record.lane].line(record.destination), [record])
            return
        self._last += 1
        hand = _hand(self._last, record, behind_unix_ns)
        stream = Stream(record.queue, record.lane, record.destination)
        self._under_way[self._last] = _Sent(record, queue, stream, len(hand.payload))
        self.window.add(stream, len(hand.payload))
        self._channel.send(hand)
        record.payload = b""  # the other worker has it, and the disk

    def forget(self, queue: Queue, lane: int) -> None:
        """Expect no answers any more for records of a lane; they are offered to another."""
        for number, sent in list(self._under_way.items()):
            if sent.queue is queue and sent.record.lane == lane:
                self._settled(number)
        self._held_up = {s: at for s, at in self._held_up.items() if at is not queue.lanes[lane]}

    async def _serve(self) -> None:
        reader, writer = await asyncio.open_unix_connection(self._path)
        self._channel = Channel(reader, writer, Done | Refused)
        self._go_on()
        try:
            while (answer := await self._channel.receive()) is not None:
                self._take(answer)
        finally:
            self._channel.close()
            self._channel = None
            for number in sorted(self._under_way, reverse=True):  # the oldest comes to the front
                self._put_back(number)

    def _take(self, answer: Done | Refused) -> None:
        if isinstance(answer, Refused):
            self._put_back(answer.id)
            self._resume_at = self._loop.time() + AGAIN_S
            self._loop.call_at(self._resume_at, self._go_on)
        elif (sent := self._settled(answer.id)) is not None:
            self.acknowledged += 1
            sent.queue.ack(sent.record)

    def _put_back(self, number: int) -> None:
        sent = self._settled(number)
        if sent is not None:
            lane = sent.queue.lanes[sent.record.lane]
            sent.queue.put_back(lane.line(sent.record.destination), [sent.record])
            lane.ring(sent.record.destination)

    def _settled(self, number: int) -> _Sent | None:
        sent = self._under_way.pop(number, None)
        if sent is not None:
            self.window.add(sent.stream, -sent.size)
            lane = self._held_up.pop(sent.stream, None)
            if lane is not None:
                lane.ring(sent.stream.destination)
        return sent

    def _go_on(self) -> None:
        """Bring all that was held up."""
        held_up, self._held_up = self._held_up, {}
        for stream, lane in held_up.items():
            lane.ring(stream.destination)


def _hand(number: int, record: Record, behind_unix_ns: int) -> Hand:
    payload, trace_ids = record.payload, record.trace_ids
    if record.only is not None:
        entries = Part(record).entries()
        payload = wire.assemble(entries)
        trace_ids = frozenset(entry.trace_id for entry in entries)
    return Hand(
        number,
        record.queue,
        record.lane,
        record.destination,
        payload,
        record.spans,
        b"".join(trace_ids),
        record.tenant,
        record.received_unix_ns,
        record.context,
        behind_unix_ns,
    )


class Courier:
    """Bring the records of one lane of a queue to the worker that serves it."""

    def __init__(self, queue: Queue, lane: int, peer: Peer) -> None:
        self._queue = queue
        self._lane = queue.lanes[lane]
        self._peer = peer

    async def run(self) -> None:
        """Bring what comes until cancelled; what is not delivered by then waits again."""
        self._lane.ring_all()
        try:
            while True:
                for destination in await self._lane.news():
                    await self._bring(destination)
        finally:
            self._peer.forget(self._queue, self._lane.number)
            self._queue.recall(self._lane)

    async def _bring(self, destination: str) -> None:
        """Bring what there is room for; the bell rings when there is more."""
        line = self._lane.line(destination)
        stream = Stream(self._queue.name, self._lane.number, destination)
        while line:
            room = self._peer.room(stream)
            if not room:
                self._peer.hold_up(stream, self._lane, line.oldest_unix_ns)
                return
            records = await self._queue.take(line, TAKEN_SPANS, min(room, TAKEN_BYTES))
            behind = [record.received_unix_ns for record in records[1:]]
            behind.append(line.oldest_unix_ns if line else 0)
            for record, next_unix_ns in zip(records, behind, strict=False):
                self._peer.hand(record, self._queue, next_unix_ns)
        self._lane.forget(destination)


class Reception:
    """Take records of other workers for the lanes that are served here."""

    def __init__(self, store: Store, folder: Path, worker: int) -> None:
        self.lanes: set[int] = set()
        """Those served here."""
        self._store = store
        self._folder = folder
        self._worker = worker
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """
        Listen; safe to call twice.

        Raises:
            OSError: the folder takes no sockets.

        """
        if self._server is None:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            path = socket_path(self._folder, self._worker)
            self._server = await asyncio.start_unix_server(self._welcome, path)

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            (self._folder / f"{self._worker}.sock").unlink(missing_ok=True)

    def serves(self, hand: Hand | Behind) -> bool:
        """Tell whether a record's lane is served here."""
        return hand.lane in self.lanes and self._store.has(hand.queue, hand.lane)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Host(self, self._store, Channel(reader, writer, Hand | Behind)).run()


class Host(MemoryShelf):
    """One connection of another worker: the shelf of what it handed over."""

    def __init__(self, reception: Reception, store: Store, channel: Channel[Hand | Behind]) -> None:
        self._reception = reception
        self._store = store
        self._channel = channel
        self._ids: dict[tuple[str, int], int] = {}

    async def run(self) -> None:
        """Take records until the connection ends."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while (hand := await self._channel.receive()) is not None:
                    if isinstance(hand, Behind):
                        self._expect(hand)
                    elif not self._reception.serves(hand):
                        self._channel.send(Refused(hand.id))
                    elif hand.queue.startswith(PIPELINE_QUEUE):
                        tasks.create_task(self._keep(hand))
                    else:
                        self._visit(hand)
        finally:
            self._channel.close()
            self._store.leave(self)

    def _visit(self, hand: Hand) -> None:
        record = _record(hand)
        record.shelf = self
        self._store.visit(record, hand.behind_unix_ns)
        self._ids[record.queue, record.position] = hand.id

    def _expect(self, behind: Behind) -> None:
        if self._reception.serves(behind) and not behind.queue.startswith(PIPELINE_QUEUE):
            lane = self._store.lane(behind.queue, behind.lane)
            lane.expect(behind.destination, self, behind.oldest_unix_ns)

    async def _keep(self, hand: Hand) -> None:
        """Take a record over for good: undecided traces are held for longer than a moment."""
        try:
            await self._store.commit([_record(hand)])
        except Flow:
            self._channel.send(Refused(hand.id))
        else:
            self._channel.send(Done(hand.id))

    def done(self, record: Record) -> None:
        """Say that every span of a record was delivered or given up."""
        number = self._ids.pop((record.queue, record.position), None)
        if number is not None:
            self._channel.send(Done(number))


def _record(hand: Hand) -> Record:
    ids = hand.trace_ids
    return Record(
        queue=hand.queue,
        lane=hand.lane,
        destination=hand.destination,
        payload=hand.payload,
        spans=hand.spans,
        trace_ids=frozenset(ids[at : at + 16] for at in range(0, len(ids), 16)),
        tenant=hand.tenant,
        received_unix_ns=hand.received_unix_ns,
        context=hand.context,
    )
