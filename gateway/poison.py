"""
Find the requests on which a processor takes its whole process down, and keep them from it.

What is being read, and what each processor is at, stands in memory that outlives the process. After
a crash those requests are suspects, since nobody answered them and their senders come again: they
are read and processed one at a time. A request that was there too often is not given to that
processor again, or not read.
"""

import asyncio
import mmap
import os
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, Self, TypeAlias

from isal import isal_zlib

from gateway.batch import Batch

LIMIT = 3
ALONE = 2
"""A crash counts so much for a request that was the only one being processed, else one."""
_SLOTS = 256
_SLOT_BYTES = 128
_KEY_BYTES = 16
_LABEL_BYTES = _SLOT_BYTES - _KEY_BYTES
_NOTHING = bytes(_SLOT_BYTES)
_MOST_SIZE = 0xFFFFFFFF
_END_BYTES = 2048
_NOBODY = bytes(_LABEL_BYTES)
_pack = struct.Struct("<II8s").pack

Scores: TypeAlias = Mapping[str, int]
"""By request and processor, as :attr:`Note.name` writes them."""


_HARMLESS: Mapping[bytes, int] = {b"": 0}


class Note(NamedTuple):
    """What was being processed when a process ended."""

    request: bytes
    processor: str
    """Name of the processor; empty where none had it just then."""

    @property
    def name(self) -> str:
        """What stands for both."""
        return f"{self.request.hex()} {self.processor}"


class Poison:
    """
    What one worker processes now, and what it suspects.

    Args:
        path: the file that says what is being processed; None keeps no account.
        scores: what earlier crashes told.

    """

    def __init__(self, path: Path | None = None, scores: Scores | None = None) -> None:
        self._turn = asyncio.Lock()
        self._free = list(range((_SLOTS - 1) * _SLOT_BYTES, -1, -_SLOT_BYTES))
        self._scores: dict[bytes, dict[bytes, int]] = {}
        self.suspect(scores or {})
        self._memory = _map(path) if path is not None else None

    def suspect(self, scores: Scores) -> None:
        """Take the scores after another worker's crash."""
        self._scores = {}
        for name, score in scores.items():
            request, _, processor = name.partition(" ")
            self._scores.setdefault(bytes.fromhex(request), {})[label(processor)] = score

    @property
    def is_idle(self) -> bool:
        """Whether nothing at all is suspect."""
        return not self._scores

    def suspects(self, request: bytes) -> bool:
        """Tell whether a request was there in a crash."""
        return request in self._scores

    @asynccontextmanager
    async def alone(self, request: bytes) -> AsyncIterator[None]:
        """Wait until no other suspect is processed; one that did no harm is none any more."""
        async with self._turn:
            yield
        if max(self._scores.get(request, _HARMLESS).values()) < LIMIT:
            self._scores.pop(request, None)

    def processing(self, *requests: bytes) -> "Work":
        """Note that requests are processed together, in a ``with`` block; from any thread."""
        return Work(self, requests)

    def is_condemned(self, request: bytes, processor: bytes) -> bool:
        """Tell whether a processor had a request in too many crashes."""
        return bool(self._scores) and self._scores.get(request, {}).get(processor, 0) >= LIMIT

    def begin(self, request: bytes) -> int | None:
        """Note a request; return its place, None where there is none left."""
        if self._memory is None:
            return None
        try:
            place = self._free.pop()
        except IndexError:  # asking before would not help: another thread may take the last
            return None
        self._memory[place : place + _SLOT_BYTES] = request + _NOBODY
        return place

    def at(self, place: int, processor: bytes) -> None:
        """Note which processor has it now."""
        if self._memory is not None:
            self._memory[place + _KEY_BYTES : place + _SLOT_BYTES] = processor

    def end(self, place: int) -> None:
        """Note that a request is processed."""
        if self._memory is not None:
            self._memory[place : place + _SLOT_BYTES] = _NOTHING
            self._free.append(place)


class Work:
    """Requests that are processed together."""

    __slots__ = ("_places", "_poison", "_requests")

    def __init__(self, poison: Poison, requests: Sequence[bytes]) -> None:
        self._poison = poison
        self._requests = requests
        self._places: list[int] = []

    def may(self, processor: bytes) -> bool:
        """Tell whether a processor may have them, and note that it has."""
        poison = self._poison
        if not poison.is_idle:
            for request in self._requests:
                if poison.is_condemned(request, processor):
                    return False
        for place in self._places:
            poison.at(place, processor)
        return True

    def __enter__(self) -> Self:
        for request in self._requests:
            place = self._poison.begin(request)
            if place is not None:
                self._places.append(place)
        return self

    def __exit__(self, *_: object) -> None:
        for place in self._places:
            self._poison.end(place)


def key_of(batch: Batch) -> bytes:
    """Return what stands for a request: the same when its sender sends it again."""
    entries = batch.entries()
    return _key(batch.encode(), batch.context.tenant, entries[0].span_id if entries else b"")


def key_of_body(data: bytes, tenant: str) -> bytes:
    """Return what stands for a request that is not read yet, as its sender wrote it."""
    return _key(data, tenant, READING[:8])


def _key(data: bytes, tenant: str, mark: bytes) -> bytes:
    # Its ends will do: what is longer lets other threads run, and waits for them on the event loop.
    checksum = isal_zlib.crc32(data[:_END_BYTES], isal_zlib.crc32(tenant.encode()))
    checksum = isal_zlib.crc32(data[-_END_BYTES:], checksum)
    return _pack(checksum, len(data) & _MOST_SIZE, mark)


def label(processor: str) -> bytes:
    """Return a processor's name as it is noted."""
    return processor.encode()[:_LABEL_BYTES].ljust(_LABEL_BYTES, b"\0")


READING = label("reading")
"""Who has a request before any processor: decompressing and decoding are code in C."""


def read(path: Path) -> list[Note]:
    """Return what was being processed when a process ended."""
    try:
        data = path.read_bytes()
    except OSError:
        return []
    slots = [data[at : at + _SLOT_BYTES] for at in range(0, len(data), _SLOT_BYTES)]
    return [
        Note(slot[:_KEY_BYTES], slot[_KEY_BYTES:].rstrip(b"\0").decode(errors="replace"))
        for slot in slots
        if any(slot[:_KEY_BYTES])
    ]


def _map(path: Path) -> mmap.mmap | None:
    """Return memory that outlives this process; None on a full disk."""
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            # Written, not only made longer: a hole that cannot be filled kills who writes there.
            os.pwrite(file, bytes(_SLOTS * _SLOT_BYTES), 0)
            return mmap.mmap(file, _SLOTS * _SLOT_BYTES)
        finally:
            os.close(file)
    except (OSError, ValueError):  # a short write leaves less than is to be mapped
        return None
