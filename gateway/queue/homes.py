"""Remember where a trace went, so that its later spans follow, also after a restart."""

import contextlib
import os
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

import msgspec

from gateway.queue.disk import Disk
from gateway.queue.frame import checksum

LIFETIME_S = 24 * 3600.0
MAX_TRACES = 25_000
_ID_BYTES = 16
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, bytes]).decode


def trace_key(trace_id: bytes, tenant: str) -> bytes:
    """Return what a trace is remembered by: as long as its id, and different for each tenant."""
    if not tenant:
        return trace_id
    return blake2b(trace_id + tenant.encode(), digest_size=_ID_BYTES).digest()


class Homes:
    """
    Destinations by tenant and trace id, for one lane.

    A tenant that guesses or takes another's trace id settles nothing for the other.

    Two generations keep it bounded: what was not asked for while ``MAX_TRACES`` others came, or
    for one to two lifetimes, is forgotten. MLflow's own answer (``Moved``) is the last word.

    Args:
        max_traces: size of a generation; ``MAX_TRACES`` where None.

    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, max_traces: int | None = None
    ) -> None:
        self._monotonic = monotonic
        self._max_traces = MAX_TRACES if max_traces is None else max_traces
        self._young: dict[bytes, str] = {}
        self._old: dict[bytes, str] = {}
        self._rotate_at = monotonic() + LIFETIME_S
        self._unsaved: dict[bytes, str] = {}
        self._rotated = False

    def settle(self, trace_id: bytes, candidate: str, tenant: str = "") -> str:
        """Return the trace's destination; the candidate, remembered, where there is none yet."""
        key = trace_key(trace_id, tenant)
        home = self._young.get(key)
        if home is None:
            home = self._old.get(key, candidate)
            self._remember(key, home)
        return home

    def settle_all(self, wanted: dict[bytes, str]) -> bool:
        """
        Settle many traces at once, unless one belongs elsewhere, or there is no room for them.

        Args:
            wanted: candidates by ``trace_key``.

        """
        young = self._young
        if len(young) + len(wanted) > self._max_traces:
            return False
        for known in (young, self._old):
            if any(known[key] != wanted[key] for key in known.keys() & wanted.keys()):
                return False
        fresh = {key: home for key, home in wanted.items() if key not in young}
        young |= fresh
        self._unsaved |= fresh
        return True

    def find(self, trace_id: bytes, tenant: str = "") -> str | None:
        """Return the trace's destination, or None where none is remembered."""
        key = trace_key(trace_id, tenant)
        home = self._young.get(key)
        if home is None:
            home = self._old.get(key)
            if home is not None:
                self._remember(key, home)
        return home

    def set(self, trace_id: bytes, destination: str, tenant: str = "") -> None:
        """Remember a trace's destination over any earlier one."""
        self._remember(trace_key(trace_id, tenant), destination)

    def _remember(self, key: bytes, destination: str) -> None:
        if len(self._young) >= self._max_traces:
            self._rotate()
        self._young[key] = destination
        self._unsaved[key] = destination

    def _rotate(self) -> None:
        self._old, self._young = self._young, {}
        self._rotate_at = self._monotonic() + LIFETIME_S
        self._unsaved = {}
        self._rotated = True

    def load(self, generations: list[dict[bytes, str]]) -> None:
        """Take over what a file remembers: the older generation and the younger one."""
        self._old, self._young = generations
        self._unsaved = {}

    def news(self) -> tuple[bool, dict[bytes, str], dict[bytes, str]]:
        """Return what to save: whether to begin anew, with what generation, and what to add."""
        if self._monotonic() > self._rotate_at:
            self._rotate()
        rotated, self._rotated = self._rotated, False
        unsaved, self._unsaved = self._unsaved, {}
        return rotated, self._old if rotated else {}, unsaved


class HomesFile:
    """
    The homes of a lane on disk: two generations, appended to and never synced.

    What a power cut takes is settled anew from the records that wait, or by MLflow.

    Args:
        kind: of what is remembered; it ends the files' names.

    """

    def __init__(
        self, folder: Path, queue: str, lane: int, disk: Disk, kind: str = "homes"
    ) -> None:
        name = f"{quote(queue, safe='')}-{lane}"
        self._young = folder / f"{name}.{kind}"
        self._old = folder / f"{name}.old-{kind}"
        self._disk = disk

    def read(self) -> list[dict[bytes, str]]:
        """Return what is remembered: the older generation and the younger one."""
        return [_read(self._old), _read(self._young)]

    def save(self, news: tuple[bool, dict[bytes, str], dict[bytes, str]]) -> None:
        """
        Add what ``Homes.news`` says.

        Raises:
            OSError: it could not be written.

        """
        rotated, old, unsaved = news
        if rotated:
            self._disk.remove(self._young)
            self._disk.remove(self._old)
            self._disk.append(self._old, _chunk(old))
        if unsaved:
            self._disk.append(self._young, _chunk(unsaved))


def _chunk(homes: dict[bytes, str]) -> bytes:
    by_destination: dict[str, list[bytes]] = {}
    for trace_id, destination in homes.items():
        if len(trace_id) == _ID_BYTES:
            by_destination.setdefault(destination, []).append(trace_id)
    body = _encode({home: b"".join(ids) for home, ids in by_destination.items()})
    return len(body).to_bytes(4, "little") + checksum(body).to_bytes(4, "little") + body


def _read(path: Path) -> dict[bytes, str]:
    """Return the homes in a file, up to where it was torn."""
    homes: dict[bytes, str] = {}
    try:
        data = path.read_bytes()
    except OSError:
        return homes
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        body = data[at + 8 : at + 8 + size]
        if len(body) < size or checksum(body) != int.from_bytes(data[at + 4 : at + 8], "little"):
            break
        for destination, ids in _decode(body).items():
            for start in range(0, len(ids), _ID_BYTES):
                homes[ids[start : start + _ID_BYTES]] = destination
        at += 8 + size
    if at < len(data):
        with contextlib.suppress(OSError):
            os.truncate(path, at)  # else what is added later could not be read
    return homes
