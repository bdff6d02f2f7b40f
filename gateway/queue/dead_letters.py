"""
Keep what could not be delivered, with the reason, for a person to look at.

One JSON object a line in ``data_dir/dead-letters/letters.jsonl``; ``request`` is the encoded
``ExportTraceServiceRequest`` in base64.
"""

import asyncio
import base64
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.otlp import wire
from gateway.plugin import Clock, Logger
from gateway.telemetry import metrics


class DeadLetter(msgspec.Struct, kw_only=True):
    """One span that was given up."""

    time_unix_ns: int
    exporter: str
    destination: str
    reason: str
    attempts: int
    trace_id: str
    span_id: str
    name: str
    request: str
    """The span with its resource and scope: an encoded request, in base64."""


class DeadLetters:
    """
    The dead letters of a gateway.

    A letter that cannot be written is counted and logged all the same.
    """

    def __init__(self, folder: Path, clock: Clock, logger: Logger) -> None:
        self._path = folder / "letters.jsonl"
        self._clock = clock
        self._logger = logger
        self.total = 0
        """Spans given up since the start."""

    async def add(
        self,
        entries: Sequence[wire.Entry],
        *,
        exporter: str,
        destination: str,
        kind: str,
        reason: str,
        attempts: int,
    ) -> None:
        """Keep spans; ``kind`` is the reason in one word, for the metrics."""
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
            )
            for entry in entries
        ]
        self.total += len(letters)
        metrics.dead_letters.labels(exporter, kind).inc(len(letters))
        metrics.exporter_send_failed_spans.labels(exporter, kind).inc(len(letters))
        self._logger.error(
            "spans became dead letters",
            exporter=exporter,
            destination=destination,
            spans=len(letters),
            reason=reason,
            first_trace_id=letters[0].trace_id,
            first_span_id=letters[0].span_id,
        )
        try:
            await asyncio.to_thread(self._append, letters)
        except OSError as error:
            self._logger.error(
                "dead letters could not be written", path=str(self._path), reason=str(error)
            )

    def _append(self, letters: list[DeadLetter]) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        encode = msgspec.json.encode
        lines = b"".join(encode(letter) + b"\n" for letter in letters)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(lines)
