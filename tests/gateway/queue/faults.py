"""Disks that fail: one that runs full or breaks, and one that forgets what was not synced."""

import errno
import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.queue.disk import Disk

SECTOR = 512


class FailingDisk(Disk):
    """Raises what ``failure`` returns for the name of an operation."""

    def __init__(self) -> None:
        super().__init__()
        self.failure: Callable[[str], OSError | None] = lambda _operation: None

    def _check(self, operation: str) -> None:
        failure = self.failure(operation)
        if failure is not None:
            raise failure

    def create(self, path: Path) -> int:
        self._check("create")
        return super().create(path)

    def write(self, descriptor: int, buffers: Sequence[bytes], offset: int) -> None:
        failure = self.failure("write")
        if failure is not None:  # as a full disk does: a part of it arrives
            whole = b"".join(buffers)
            super().write(descriptor, [whole[: len(whole) // 2]], offset)
            raise failure
        super().write(descriptor, buffers, offset)

    def sync(self, descriptor: int) -> None:
        self._check("sync")
        super().sync(descriptor)

    def remove(self, path: Path) -> None:
        self._check("remove")
        super().remove(path)

    def append(self, path: Path, data: bytes, *, sync: bool = False) -> None:
        self._check("append")
        super().append(path, data, sync=sync)


def full(*operations: str) -> Callable[[str], OSError | None]:
    """Return a failure: no space left, for these operations."""
    return lambda operation: (
        OSError(errno.ENOSPC, "No space left on device") if operation in operations else None
    )


class _File:
    """What is on the platter, and what is on the way there."""

    def __init__(self) -> None:
        self.durable = b""
        self.pending: list[tuple[int, bytes] | int] = []  # writes, and sizes to cut to

    def now(self, pending: Sequence[tuple[int, bytes] | int]) -> bytes:
        data = bytearray(self.durable)
        for change in pending:
            if isinstance(change, int):
                data = data[:change].ljust(change, b"\0")
            else:
                offset, piece = change
                data = data.ljust(offset, b"\0")
                data[offset : offset + len(piece)] = piece
        return bytes(data)


class ForgetfulDisk(Disk):
    """
    A disk whose power is cut: ``image`` writes what is left of it into another folder.

    Unsynced writes arrive or not, each sector by itself; names change in order, up to some point.
    After ``dies_at`` operations everything fails.
    """

    def __init__(self, dice: random.Random, dies_at: int) -> None:
        super().__init__()
        self._dice = dice
        self._left = dies_at
        self._lock = threading.Lock()
        self._files: dict[Path, _File] = {}
        self._open: dict[int, Path] = {}
        self._names: dict[Path, _File] = {}  # durable
        self._changes: list[tuple[Path, _File | None]] = []

    def _work(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.EIO, "the power is off")

    def make_folder(self, path: Path) -> None:
        super().make_folder(path)

    def create(self, path: Path) -> int:
        self._work()
        descriptor = super().create(path)
        self._files[path] = file = _File()
        self._changes.append((path, file))
        self._open[descriptor] = path
        return descriptor

    def open(self, path: Path) -> int:
        self._work()
        descriptor = super().open(path)
        self._open[descriptor] = path
        return descriptor

    def rename(self, old: Path, new: Path) -> None:
        self._work()
        super().rename(old, new)
        file = self._files.pop(old)
        self._files[new] = file
        self._changes += [(old, None), (new, file)]

    def write(self, descriptor: int, buffers: Sequence[bytes], offset: int) -> None:
        whole = b"".join(buffers)
        file = self._files[self._open[descriptor]]
        self._left -= 1
        if self._left < 0:  # the power goes while it writes
            whole = whole[: self._dice.randrange(len(whole))]
        file.pending.append((offset, whole))
        super().write(descriptor, [whole], offset)
        if self._left < 0:
            raise OSError(errno.EIO, "the power is off")

    def sync(self, descriptor: int) -> None:
        self._work()
        self._settle(self._files[self._open[descriptor]])

    @staticmethod
    def _settle(file: _File) -> None:
        file.durable = file.now(file.pending)
        file.pending = []

    def sync_folder(self, path: Path) -> None:
        self._work()
        for name, file in self._changes:
            self._rename_for_good(name, file, self._names)
        self._changes = []

    @staticmethod
    def _rename_for_good(name: Path, file: _File | None, names: dict[Path, _File]) -> None:
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file

    def truncate(self, descriptor: int, size: int) -> None:
        self._work()
        self._files[self._open[descriptor]].pending.append(size)
        super().truncate(descriptor, size)

    def close(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        super().close(descriptor)

    def append(self, path: Path, data: bytes, *, sync: bool = False) -> None:
        self._work()
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = _File()
            self._changes.append((path, file))
        end = len(file.now(file.pending))
        file.pending.append((end, data))
        super().append(path, data)
        if sync:
            self._settle(file)

    def remove(self, path: Path) -> None:
        self._work()
        super().remove(path)
        self._files.pop(path, None)
        self._changes.append((path, None))

    def image(self, source: Path, target: Path) -> None:
        """Write what a power cut now would leave of ``source`` to ``target``."""
        names = dict(self._names)
        for name, file in self._changes[: self._dice.randint(0, len(self._changes))]:
            self._rename_for_good(name, file, names)
        for path, file in names.items():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.now(self._survivors(file)))

    def _survivors(self, file: _File) -> list[tuple[int, bytes] | int]:
        kept: list[tuple[int, bytes] | int] = []
        luck = self._dice.random()
        for change in file.pending:
            if isinstance(change, int):
                if self._dice.random() < luck:
                    kept.append(change)
                continue
            offset, data = change
            while data:
                size = SECTOR - offset % SECTOR
                if self._dice.random() < luck:
                    kept.append((offset, data[:size]))
                offset, data = offset + size, data[size:]
        return kept
