"""Look at the queue on disk without touching it, whether the gateway runs or not."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from gateway.queue.folder import QueueFolder
from gateway.queue.frame import Meta
from gateway.queue.line import position_of
from gateway.queue.reading import Damage, Found, fetch, read
from gateway.queue.segment import numbers


class Waiting(msgspec.Struct, kw_only=True):
    """What waits in one lane for one destination."""

    exporter: str
    lane: int
    destination: str
    records: int = 0
    spans: int = 0
    bytes: int = 0
    oldest_unix_ns: int = 0


class Overview(msgspec.Struct, kw_only=True):
    """What a queue folder holds."""

    waiting: list[Waiting]
    damaged_records: int
    """Found now; those found at an earlier start are in the folder ``damaged``."""


class Scanner:
    """
    Reads the log of a queue folder.

    Beside a running gateway it shows a moment ago: what it acknowledged last may still be listed.

    Raises:
        QueueFolderError: a newer version wrote the folder.

    """

    def __init__(self, path: Path) -> None:
        self._folder = QueueFolder(path)
        self._folder.check()

    def overview(self, trace_id: bytes | None = None) -> Overview:
        """Return what waits, by exporter, lane and destination; of one trace where it is named."""
        waiting: dict[tuple[str, int, str], Waiting] = {}
        damaged = 0
        for item, _ in self._items():
            if isinstance(item, Damage):
                damaged += 1
                continue
            meta = item.meta
            if trace_id is not None and not meta.holds(trace_id):
                continue
            key = meta.queue, meta.lane, meta.destination
            one = waiting.get(key)
            if one is None:
                one = waiting[key] = Waiting(
                    exporter=meta.queue, lane=meta.lane, destination=meta.destination
                )
            one.records += 1
            one.spans += meta.spans
            one.bytes += item.size
            received = meta.received_unix_ns
            one.oldest_unix_ns = min(one.oldest_unix_ns or received, received)
        return Overview(
            waiting=[one for _, one in sorted(waiting.items())], damaged_records=damaged
        )

    def records(
        self, exporter: str | None, destination: str | None
    ) -> Iterator[tuple[Meta, bytes]]:
        """Yield what waits with its encoded request, as the log holds it."""
        for item, (path, number) in self._items():
            if not isinstance(item, Found):
                continue
            if exporter not in (None, item.meta.queue):
                continue
            if destination not in (None, item.meta.destination):
                continue
            found = fetch(path, position_of(number, item.offset), item.size)
            if found is not None:
                yield found

    def _items(self) -> Iterator[tuple[Found | Damage, tuple[Path, int]]]:
        for path, number in self._segments():
            try:
                found = list(_items_of(path, number))
            except FileNotFoundError:
                continue  # the gateway was done with it
            if path.exists():  # else it may have been written over meanwhile
                for item in found:
                    yield item, (path, number)

    def _segments(self) -> Iterator[tuple[Path, int]]:
        for worker in self._folder.logs():
            log = self._folder.log_of(worker)
            for number in numbers(log):
                yield log / f"seg-{number:08x}.log", number


def _items_of(path: Path, number: int) -> Iterator[Found | Damage]:
    for some in read(path, number):
        if isinstance(some, list):
            yield from some
        elif isinstance(some, Damage):
            yield some
