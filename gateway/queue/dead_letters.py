"""
Keep what could not be delivered, with the reason, for a person to look at or to send again.

One JSON object a line in ``data_dir/dead-letters/letters.jsonl``; ``request`` is the encoded
``ExportTraceServiceRequest`` in base64. At half of the allowed size the file becomes
``letters.old.jsonl``, and the letters that were there are gone, counted and logged.
"""

import asyncio
import base64
import contextlib
import hashlib
import mmap
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import msgspec
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.otlp import wire
from gateway.plugin import Clock, Logger
from gateway.queue.disk import Disk
from gateway.telemetry import logs, metrics
from gateway.telemetry.history import HISTORY, MAX_REASON, Detail, trace_ids

MIB = 1024 * 1024
DEFAULT_MAX_BYTES = 256 * MIB
RETRY_S = 5.0
MAX_READ_BYTES = 64 * MIB
"""Of the letters looked at to show the newest."""


class LetterFacts(msgspec.Struct, kw_only=True):
    """One span that was given up, without the span."""

    time_unix_ns: int
    exporter: str
    destination: str
    reason: str
    attempts: int
    trace_id: str
    span_id: str
    name: str
    key: str = ""
    """The destination as the exporter knows it, for sending again."""

    @property
    def id(self) -> str:
        """Return what tells this letter from all others."""
        parts = (self.time_unix_ns, self.exporter, self.key, self.trace_id, self.span_id)
        return hashlib.blake2s(repr(parts).encode(), digest_size=6).hexdigest()


class DeadLetter(LetterFacts, kw_only=True):
    """One span that was given up."""

    request: str
    """The span with its resource and scope: an encoded request, in base64."""

    @property
    def payload(self) -> bytes:
        """Return the encoded request."""
        return base64.b64decode(self.request)


_decode = msgspec.json.Decoder(DeadLetter).decode
_decode_facts = msgspec.json.Decoder(LetterFacts).decode
_encode = msgspec.json.Encoder().encode


class LetterFile:
    """
    The letters on disk, shared by the gateway and the commands that read or remove some.

    Every method may raise OSError.
    """

    def __init__(self, folder: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._folder = folder
        self._path = folder / "letters.jsonl"
        self._old = folder / "letters.old.jsonl"
        self._max_bytes = max_bytes
        self._disk = Disk()

    def add(self, letters: Sequence[DeadLetter]) -> int:
        """Keep letters, durably; return how many older ones had to go."""
        data = b"".join(_encode(letter) + b"\n" for letter in letters)
        if not self._folder.exists():
            self._disk.make_folder(self._folder)
        with self._locked():
            dropped = self._make_room(len(data))
            self._disk.append(self._path, data, sync=True)
        return dropped

    def _make_room(self, size: int) -> int:
        now = self._path.stat().st_size if self._path.exists() else 0
        if now == 0 or now + size <= self._max_bytes // 2:
            return 0
        dropped = sum(1 for _ in _lines(self._old))
        self._path.replace(self._old)
        return dropped

    def read(self) -> Iterator[DeadLetter]:
        """Yield the letters, oldest first; lines that are damaged are skipped."""
        for path in (self._old, self._path):
            for line in _lines(path):
                with contextlib.suppress(msgspec.DecodeError):
                    yield _decode(line)

    def newest(self, count: int) -> list[LetterFacts]:
        """Return the last letters, the newest first, without reading the others."""
        found: list[LetterFacts] = []
        for path in (self._path, self._old):
            for line in _lines_backwards(path):
                with contextlib.suppress(msgspec.DecodeError):
                    found.append(_decode_facts(line))
                if len(found) >= count:
                    return found
        return found

    def find(self, trace_id: str) -> list[LetterFacts]:
        """Return the letters of a trace, oldest first; only its own are decoded."""
        mark = f'"trace_id":"{trace_id}"'.encode()
        found: list[LetterFacts] = []
        for path in (self._old, self._path):
            for line in _lines(path):
                if mark in line:
                    with contextlib.suppress(msgspec.DecodeError):
                        found.append(_decode_facts(line))
        return [letter for letter in found if letter.trace_id == trace_id]

    def remove(self, ids: Collection[str]) -> int:
        """Remove letters by id; return how many there were."""
        if not ids or not self._folder.exists():
            return 0
        with self._locked():
            return sum(self._remove_from(path, ids) for path in (self._old, self._path))

    def _remove_from(self, path: Path, ids: Collection[str]) -> int:
        removed = 0
        kept: list[bytes] = []
        for line in _lines(path):
            with contextlib.suppress(msgspec.DecodeError):
                if _decode(line).id in ids:
                    removed += 1
                    continue
            kept.append(line)
        if removed:
            fresh = path.with_suffix(".new")
            self._disk.remove(fresh)
            self._disk.append(fresh, b"".join(kept), sync=True)
            fresh.replace(path)
            self._disk.sync_folder(self._folder)
        return removed

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from writing meanwhile."""
        flags = os.O_RDWR | os.O_CREAT
        descriptor = os.open(self._folder / "lock", flags, 0o600)
        try:
            if sys.platform != "win32":
                import fcntl  # noqa: PLC0415 - not there on Windows

                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except FileNotFoundError:
        return


def _lines_backwards(path: Path) -> Iterator[bytes]:
    """Yield the lines from the last to the first, at most 64 MiB of them."""
    try:
        with path.open("rb") as file:
            if not file.seek(0, os.SEEK_END):
                return  # an empty file cannot be mapped
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
                yield from _backwards(text)
    except FileNotFoundError:
        return


def _backwards(text: mmap.mmap) -> Iterator[bytes]:
    end = len(text)
    last = max(0, end - MAX_READ_BYTES)
    while end > last:
        start = text.rfind(b"\n", 0, end - 1) + 1
        yield text[start:end]
        end = start


class DeadLetters:
    """
    The dead letters of a gateway.

    Spans leave the queue only once their letter is on disk.
    """

    def __init__(
        self, folder: Path, clock: Clock, logger: Logger, max_bytes: int = DEFAULT_MAX_BYTES
    ) -> None:
        self._folder = folder
        self._file = LetterFile(folder, max_bytes)
        self._turn = asyncio.Lock()
        self._clock = clock
        self._logger = logger
        self.newest = self._file.newest
        self.total = 0
        """Spans given up since the start."""

    async def add(
        self,
        entries: Sequence[wire.Entry],
        *,
        exporter: str,
        destination: str,
        key: str,
        kind: str,
        reason: str,
        attempts: int,
    ) -> None:
        """
        Keep spans; return once they are on disk.

        Args:
            entries: the spans.
            exporter: who gave them up.
            destination: as people know it.
            key: the same, as the exporter knows it.
            kind: the reason in one word, for the metrics.
            reason: the reason in a sentence.
            attempts: how often they were tried.

        """
        letters = [
            DeadLetter(
                time_unix_ns=self._clock.time_ns(),
                exporter=exporter,
                destination=destination,
                reason=reason,
                attempts=attempts,
                trace_id=entry.trace_id.hex(),
                span_id=entry.span_id.hex(),
                name=Span.FromString(entry.span).name,
                request=base64.b64encode(wire.assemble([entry])).decode(),
                key=key,
            )
            for entry in entries
        ]
        await self._keep(letters)
        self.total += len(letters)
        HISTORY.note(
            Detail(
                kind="dead_letter", exporter=exporter, destination=key, reason=reason[:MAX_REASON]
            ),
            trace_ids(entries),
        )
        metrics.dead_letters.labels(exporter, kind).inc(len(letters))
        metrics.exporter_send_failed_spans.labels(exporter, kind).inc(len(letters))
        self._logger.error(
            "spans became dead letters",
            exporter=exporter,
            destination=destination,
            spans=len(letters),
            reason=kind,  # the sentence may hold what the destination quotes of a span
            trace_ids=list(dict.fromkeys(letter.trace_id for letter in letters))[
                : logs.MOST_TRACES
            ],
            first_span_id=letters[0].span_id,
            advice="see the whole reason by `spangate dead-letters list`, or on the status page",
        )

    async def _keep(self, letters: list[DeadLetter]) -> None:
        told = False
        while True:
            try:
                async with self._turn:
                    dropped = await asyncio.to_thread(self._file.add, letters)
            except OSError as error:
                if not told:
                    self._logger.error(
                        "dead letters cannot be written; their spans stay in the queue until then",
                        path=str(self._folder),
                        reason=error.strerror or str(error),
                    )
                told = True
                await self._clock.sleep(RETRY_S)
                continue
            if dropped:
                metrics.dead_letters_dropped.inc(dropped)
                self._logger.warning(
                    "the oldest dead letters were dropped to make room",
                    letters=dropped,
                    advice="raise service.dead_letters.max_size_mib, or replay or export in time",
                )
            return
