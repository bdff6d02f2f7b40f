"""Remember, over the ends of processes, which traces were being sent in how many crashes."""

from pathlib import Path

import msgspec

from gateway.delivery import crashes

_MOST = 5_000
_decode = msgspec.json.Decoder(dict[str, int]).decode


class Suspects:
    """
    Crashes by trace id.

    Args:
        folder: of the workers.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counts: dict[str, int] = {}

    @property
    def counts(self) -> dict[str, int]:
        """Crashes by trace id in hex."""
        return self._counts

    def load(self) -> None:
        """Take up what is known, and what was being sent when all processes ended."""
        try:
            self._counts = _decode((self._folder / "crashes.json").read_bytes())
        except (OSError, msgspec.DecodeError):
            self._counts = {}
        for path in self._folder.glob("sending-*"):
            self._add(path)

    def crashed(self, worker: int) -> None:
        """Count what a worker was sending when it ended unexpectedly."""
        self._add(sending(self._folder, worker))

    def _add(self, path: Path) -> None:
        found = crashes.read(path)
        path.unlink(missing_ok=True)
        if not found:
            return
        for trace in found:
            key = trace.hex()
            self._counts[key] = self._counts.pop(key, 0) + 1
        for key in list(self._counts)[: max(0, len(self._counts) - _MOST)]:
            del self._counts[key]
        fresh = self._folder / "crashes.new"
        fresh.write_bytes(msgspec.json.encode(self._counts))
        fresh.replace(self._folder / "crashes.json")


def sending(folder: Path, worker: int) -> Path:
    """Return the file in which a worker says what it is sending."""
    return folder / f"sending-{worker}"
