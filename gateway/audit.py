"""
Say who was refused and who changed what, for those who look into it later.

A line has an event, an actor, and where it came from the address; never a credential nor a
payload. Floods from one network are counted instead of written.
"""

import ipaddress
import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gateway.plugin import Clock, Logger

WINDOW_S = 60.0
LINES_PER_NETWORK = 10
"""Lines in a window about one network: an IPv4 address or an IPv6 /64."""
LINES = 600
"""Lines in a window about all networks together."""
MAX_NETWORKS = 4096


class AuditError(OSError):
    """The audit file cannot be written; says which setting and why."""

    def __str__(self) -> str:
        return str(self.args[0])


class _Window:
    """What was written and held back since some moment."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.written = 0
        self.held_back = 0


class Audit:
    """
    The audit log: lines with ``audit: true`` in the gateway's log, and a file where there is one.

    Args:
        logger: gets every line.
        clock: for time stamps and for holding back floods.
        path: a file that gets every line too, as JSON; opened anew for each, so that it may be
            rotated.

    """

    def __init__(self, logger: Logger, clock: Clock, path: Path | None = None) -> None:
        self._logger = logger
        self._clock = clock
        self._path = path
        self._all = _Window(clock.monotonic())
        self._networks: OrderedDict[str, _Window] = OrderedDict()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="audit") if path else None

    def open(self) -> None:
        """
        Make sure that the file can be written.

        Raises:
            AuditError: it cannot.

        """
        try:
            self._append(b"")
        except OSError as error:
            raise AuditError(
                f"service.telemetry.audit.path: cannot write {self._path}: {error.strerror}"
            ) from error

    def refused(self, event: str, *, actor: str, address: str, **fields: object) -> None:
        """Write that somebody was refused, unless there were many such lines lately."""
        held_back = self._admit(address)
        if held_back is None:
            return
        if held_back:
            fields["held_back"] = held_back
        self._logger.warning(event, audit=True, actor=actor, address=address, **fields)
        self._write(event, actor=actor, address=address, **fields)

    def changed(self, event: str, *, actor: str = "gateway", **fields: object) -> None:
        """Write that something was changed, such as credentials or a configuration."""
        self._logger.info(event, audit=True, actor=actor, **fields)
        self._write(event, actor=actor, **fields)

    def failed(self, event: str, *, actor: str = "gateway", **fields: object) -> None:
        """Write that a change was not made, so that what was before stays in force."""
        self._logger.error(event, audit=True, actor=actor, **fields)
        self._write(event, actor=actor, **fields)

    def close(self) -> None:
        """Say what was held back and finish writing; safe to call twice."""
        held_back = self._all.held_back
        if held_back:
            self._all.held_back = 0
            self.changed("audit lines held back", lines=held_back)
        if self._writer is not None:
            self._writer.shutdown(wait=True)
            self._writer = None

    def _admit(self, address: str) -> int | None:
        """Return how many lines were held back before this one; ``None`` holds it back too."""
        now = self._clock.monotonic()
        if now - self._all.started >= WINDOW_S:
            left, self._all = self._all.held_back, _Window(now)
            self._all.held_back = left
        window = self._window(network_of(address), now)
        if window.written >= LINES_PER_NETWORK or self._all.written >= LINES:
            window.held_back += 1
            self._all.held_back += 1
            return None
        window.written += 1
        self._all.written += 1
        held_back, window.held_back = window.held_back, 0
        self._all.held_back = max(0, self._all.held_back - held_back)
        return held_back

    def _window(self, network: str, now: float) -> _Window:
        window = self._networks.get(network)
        if window is None:
            if len(self._networks) >= MAX_NETWORKS:
                self._networks.popitem(last=False)
            window = self._networks[network] = _Window(now)
        elif now - window.started >= WINDOW_S:
            self._networks.move_to_end(network)
            window.started, window.written = now, 0
        return window

    def _write(self, event: str, **fields: object) -> None:
        if self._writer is None:
            return
        at = datetime.fromtimestamp(self._clock.time_ns() / 1e9, UTC)
        line = {"time": at.isoformat(timespec="milliseconds"), "event": event, **fields}
        self._writer.submit(self._append_safely, msgspec.json.encode(line) + b"\n")

    def _append_safely(self, line: bytes) -> None:
        try:
            self._append(line)
        except OSError as error:
            self._logger.error(
                "audit file cannot be written", path=str(self._path), reason=error.strerror
            )

    def _append(self, line: bytes) -> None:
        if self._path is None:
            return
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def network_of(address: str) -> str:
    """Return what one person holds: an IPv4 address, or the /64 around an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
