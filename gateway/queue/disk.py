"""
What the log asks of the operating system; tests put a failing or forgetful one in its place.

Everything is for us alone: files 0600, folders 0700.
"""

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.queue.blocks import Blocks

_WRITE = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_MOST_BUFFERS = 1000  # of one call; the system's limit is 1024


class Disk:
    """Files by descriptor; every call may raise OSError."""

    def __init__(self) -> None:
        self._blocks: dict[int, Blocks] = {}

    def make_folder(self, path: Path) -> None:
        """Make a folder and those above it, and make the last one durable."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.sync_folder(path.parent)

    def create(self, path: Path) -> int:
        """Make a file."""
        return os.open(path, _WRITE | os.O_CREAT | os.O_EXCL, 0o600)

    def open(self, path: Path) -> int:
        """Open a file that is there."""
        return os.open(path, _WRITE)

    def bypass_cache(self, descriptor: int) -> None:
        """Have a file written past the system's cache, where the system can do that."""
        blocks = Blocks.of(descriptor)
        if blocks is not None:
            self._blocks[descriptor] = blocks

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name."""
        old.replace(new)

    def write(self, descriptor: int, buffers: Sequence[bytes], offset: int) -> None:
        """Write all of the buffers one behind the other."""
        blocks = self._blocks.get(descriptor)
        if blocks is not None:
            try:
                blocks.write(buffers, offset)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                del self._blocks[descriptor]  # this file system has said yes, and cannot
                blocks.give_up()
            else:
                return
        for at in range(0, len(buffers), _MOST_BUFFERS):
            some = buffers[at : at + _MOST_BUFFERS]
            size = sum(map(len, some))
            written = self._write(descriptor, some, offset)
            if written < size:
                rest = memoryview(b"".join(some))[written:]
                while rest:
                    written = self._write(descriptor, [rest], offset + size - len(rest))
                    rest = rest[written:]
            offset += size

    def _write(self, descriptor: int, buffers: Sequence[bytes | memoryview], offset: int) -> int:
        if hasattr(os, "pwritev"):
            return os.pwritev(descriptor, buffers, offset)
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.write(descriptor, b"".join(buffers))

    def sync(self, descriptor: int) -> None:
        """Return once all that was written to the file would survive a power cut."""
        if sys.platform == "darwin":
            import fcntl  # noqa: PLC0415 - not there on Windows

            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        elif hasattr(os, "fdatasync"):
            os.fdatasync(descriptor)
        else:
            os.fsync(descriptor)

    def sync_folder(self, path: Path) -> None:
        """Return once the names in the folder would survive a power cut."""
        if sys.platform == "win32":
            return  # folders cannot be opened there
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut a file."""
        os.ftruncate(descriptor, size)

    def close(self, descriptor: int) -> None:
        """Let a file go."""
        self._blocks.pop(descriptor, None)
        os.close(descriptor)

    def append(self, path: Path, data: bytes, *, sync: bool = False) -> None:
        """Add to the end of a file, made on first use."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags, 0o600)
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            if sync:
                self.sync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, path: Path) -> None:
        """Remove a file that may be gone already."""
        path.unlink(missing_ok=True)
