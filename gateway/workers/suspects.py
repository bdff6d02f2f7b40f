"""Remember, over the ends of processes, what was under way in how many crashes."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway import poison
from gateway.delivery import crashes
from gateway.poison import Note
from gateway.workers.messages import Suspected

_MOST = 5_000
_decode = msgspec.json.Decoder(Suspected).decode


class Suspects:
    """
    Traces and requests that were under way in crashes.

    Args:
        folder: of the workers.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.known = Suspected()

    def load(self) -> None:
        """Take up what is known, and what was under way when all processes ended."""
        try:
            self.known = _decode((self._folder / "crashes.json").read_bytes())
        except (OSError, msgspec.DecodeError):
            self.known = Suspected()
        for path in self._folder.glob("sending-*"):
            self._sent(path)
        for path in self._folder.glob("processing-*"):
            self._processed(path)
        self._save()

    def crashed(self, worker: int) -> Sequence[Note]:
        """Count what a worker was at when it ended unexpectedly; return what it processed."""
        self._sent(sending(self._folder, worker))
        notes = self._processed(processing(self._folder, worker))
        self._save()
        return notes

    def score(self, note: Note) -> int:
        """Return how suspect a request is where a processor has it."""
        return self.known.requests.get(note.name, 0)

    def _sent(self, path: Path) -> None:
        for trace in crashes.read(path):
            _add(self.known.traces, trace.hex(), 1)
        path.unlink(missing_ok=True)

    def _processed(self, path: Path) -> Sequence[Note]:
        notes = poison.read(path)
        for note in notes:
            _add(self.known.requests, note.name, poison.ALONE if len(notes) == 1 else 1)
        path.unlink(missing_ok=True)
        return notes

    def _save(self) -> None:
        if self.known == Suspected():
            return
        fresh = self._folder / "crashes.new"
        with contextlib.suppress(OSError):  # on a full disk it is known as long as we run
            fresh.write_bytes(msgspec.json.encode(self.known))
            fresh.replace(self._folder / "crashes.json")


def _add(counts: dict[str, int], key: str, number: int) -> None:
    """Count a key, and forget those that were counted longest ago."""
    counts[key] = counts.pop(key, 0) + number
    for old in list(counts)[: max(0, len(counts) - _MOST)]:
        del counts[old]


def sending(folder: Path, worker: int) -> Path:
    """Return the file in which a worker says what it is sending."""
    return folder / f"sending-{worker}"


def processing(folder: Path, worker: int) -> Path:
    """Return the file in which a worker says what it is processing."""
    return folder / f"processing-{worker}"
