"""Append traces to a file of OTLP JSON lines, and rotate it."""

import asyncio
import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from gateway.otlp.json import encode_request
from gateway.plugin import Batch, Context, Exporter, ExporterConfig, Retry

if sys.platform != "win32":
    import fcntl

_MIB = 1024 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)
_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)


class FileConfig(ExporterConfig):
    """Settings of ``file``."""

    path: str = "traces.jsonl"
    """File to append to, relative to the working directory; its folder must exist."""

    max_size_mib: float = 100
    """Size at which the file becomes ``PATH.1`` and a new one begins; a request is never split."""

    max_backups: int = 5
    """How many old files are kept; ``PATH.1`` is the newest of them."""

    def validate(self) -> None:
        """Refuse limits that would lose what was just written."""
        if not self.path:
            raise ValueError('path: name a file, for example "traces.jsonl"')
        if self.max_size_mib <= 0:
            raise ValueError(f"max_size_mib must be above 0, found {self.max_size_mib}")
        if self.max_backups < 1:
            raise ValueError(f"max_backups must be at least 1, found {self.max_backups}")


class File(Exporter[FileConfig]):
    """
    Write each batch as one line, the format of the Collector's ``file`` exporter.

    Several workers may share the file, and other programs may move it away.
    """

    stability = "beta"

    def __init__(self, config: FileConfig) -> None:
        super().__init__(config)
        self._path = Path(config.path).absolute()
        self._max_bytes = int(config.max_size_mib * _MIB)
        self._turn = asyncio.Lock()

    async def start(self, context: Context) -> None:
        """
        Make the file where it is missing.

        Raises:
            ValueError: it cannot be written.

        """
        del context
        try:
            await asyncio.to_thread(lambda: os.close(os.open(self._path, _APPEND, 0o600)))
        except OSError as error:
            raise ValueError(
                f"path: cannot write {self._path}: {error.strerror}; create its folder, or "
                "choose a path that the gateway's user may write"
            ) from error

    async def export(self, batch: Batch) -> None:
        """
        Return once the line is handed to the operating system.

        Raises:
            Retry: the file cannot be written now; nothing of the batch stays in it.

        """
        line = await asyncio.to_thread(_encode, batch)
        async with self._turn:
            try:
                await asyncio.to_thread(self._append, line)
            except OSError as error:
                advice = f"make {self._path} writable for the gateway's user"
                if error.errno in _FULL:
                    advice = f"free space on the disk that holds {self._path.parent}"
                raise Retry(
                    f"cannot append to {self._path}: {error.strerror}",
                    advice=advice,
                    scope="exporter",
                ) from error

    def _append(self, line: bytes) -> None:
        while not self._try_append(line):
            pass

    def _try_append(self, line: bytes) -> bool:
        """Append, or make room for it in a new file; return whether the line is written."""
        fd = os.open(self._path, _APPEND, 0o600)
        try:
            _lock(fd)
            state = os.fstat(fd)
            if not self._is_current(state):
                return False
            if not state.st_size or state.st_size + len(line) <= self._max_bytes:
                _write(fd, line, state.st_size)
                return True
            if os.name != "nt":
                self._rotate()
                return False
        finally:
            os.close(fd)  # which also unlocks
        self._rotate()  # Windows renames no open file; it has one worker, so no lock is missing
        return False

    def _is_current(self, state: os.stat_result) -> bool:
        """Return whether the open file is still the one at the path."""
        try:
            return os.path.samestat(state, self._path.stat())
        except FileNotFoundError:
            return False

    def _rotate(self) -> None:
        for number in range(self.config.max_backups - 1, 0, -1):
            with suppress(FileNotFoundError):
                self._backup(number).replace(self._backup(number + 1))
        self._path.replace(self._backup(1))

    def _backup(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _encode(batch: Batch) -> bytes:
    return msgspec.json.encode(encode_request(batch.peek)) + b"\n"


def _lock(fd: int) -> None:
    """Wait until no other process writes to the file."""
    if sys.platform != "win32":
        fcntl.flock(fd, fcntl.LOCK_EX)


def _write(fd: int, line: bytes, size: int) -> None:
    """
    Append with one write, or not at all.

    Raises:
        OSError: the disk is full or failing.

    """
    if size and not _ends_line(fd):
        line = b"\n" + line  # another writer died in the middle of its own
    written = 0
    try:
        written = os.write(fd, line)
    finally:
        if written != len(line):
            os.ftruncate(fd, size)
    if written != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _ends_line(fd: int) -> bool:
    os.lseek(fd, -1, os.SEEK_END)
    return os.read(fd, 1) == b"\n"
