"""Set damaged records aside: counted, logged, and kept for whoever wants to look."""

from pathlib import Path

from gateway.plugin import Logger
from gateway.queue.disk import Disk
from gateway.queue.frame import Meta
from gateway.telemetry import metrics

MOST_BYTES = 64 * 1024 * 1024
"""Bytes kept at the most; what comes later is counted and logged alone."""


class Damaged:
    """The damaged records of a log."""

    def __init__(self, folder: Path, disk: Disk, logger: Logger) -> None:
        self._folder = folder
        self._disk = disk
        self._logger = logger

    def report(self, segment: Path, offset: int, size: int, meta: Meta | None) -> None:
        """Count and log a damaged record, and keep its bytes where there is room."""
        metrics.queue_damaged_records.inc()
        if meta is not None:
            failed = metrics.exporter_send_failed_spans
            failed.labels(meta.queue, "damaged").inc(meta.spans)
        self._logger.error(
            "a record of the queue is damaged; its spans are lost, all others go on",
            segment=segment.name,
            offset=offset,
            bytes=size,
            exporter=meta.queue if meta else None,
            destination=meta.destination if meta else None,
            spans=meta.spans if meta else None,
            kept=self._keep(segment, offset, size),
        )

    def _keep(self, segment: Path, offset: int, size: int) -> str | None:
        """Copy the bytes; return where they are, or None where that was not possible."""
        path = self._folder / f"{segment.stem}-{offset:08x}.bin"
        try:
            if path.exists() or self._kept_bytes() + size > MOST_BYTES:
                return str(path) if path.exists() else None
            self._disk.make_folder(self._folder)
            with segment.open("rb") as file:
                file.seek(offset)
                self._disk.append(path, file.read(size))
        except OSError:
            return None
        return str(path)

    def _kept_bytes(self) -> int:
        if not self._folder.exists():
            return 0
        return sum(path.stat().st_size for path in self._folder.iterdir())
