"""
Write the end of a file past the system's page cache, in whole blocks.

What is to be durable before it is answered gains nothing from the cache, and pays for a copy into
it and for its pages: nine tenths of what it costs to write to a new file, half of that to an old
one. A file written so is read as any other.
"""

import mmap
import os
from collections.abc import Sequence
from typing import Self

_O_DIRECT: int = getattr(os, "O_DIRECT", 0)  # Linux has it
BLOCK = 4096
"""Offsets, sizes and addresses are multiples of this; no file system in use wants more."""
_MEMORY = 1024 * 1024


class Blocks:
    """
    Takes bytes for any place of a file; best for what follows each other.

    The block that they begin in is written again with what stood before them, the last one is
    filled with zeros.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._memory = memoryview(mmap.mmap(-1, _MEMORY))  # begins at a block's boundary
        self._end = 0
        """Of what was written; the bytes before it in its block begin the memory."""

    @classmethod
    def of(cls, descriptor: int) -> "Self | None":
        """Return a new one for an open file; None where the system cannot do it."""
        if not _O_DIRECT:
            return None
        try:
            _change_flag(descriptor, on=True)
        except OSError:
            return None
        return cls(descriptor)

    def give_up(self) -> None:
        """Have the file written as others are."""
        _change_flag(self._descriptor, on=False)

    def write(self, buffers: Sequence[bytes], offset: int) -> None:
        """
        Write all of the buffers one behind the other.

        Raises:
            OSError: they are not there, or not all of them.

        """
        memory = self._memory
        held = offset % BLOCK
        place = offset - held
        if held and offset != self._end:
            os.preadv(self._descriptor, [memory[:BLOCK]], place)
        self._end = -1
        for buffer in buffers:
            left = memoryview(buffer)
            while left:
                some = left[: _MEMORY - held]
                memory[held : held + len(some)] = some
                held += len(some)
                left = left[len(some) :]
                if held == _MEMORY:
                    self._put(held, place)
                    place, held = place + held, 0
        if held:
            self._put_last(held, place)
        self._end = place + held

    def _put_last(self, held: int, place: int) -> None:
        """Write blocks of which the last one is not full, and keep that one."""
        size = held + -held % BLOCK
        self._memory[held:size] = bytes(size - held)
        self._put(size, place)
        begin = held - held % BLOCK
        if begin:
            last = bytes(self._memory[begin:held])
            self._memory[: len(last)] = last

    def _put(self, size: int, place: int) -> None:
        done = 0
        while done < size:
            done += os.pwrite(self._descriptor, self._memory[done:size], place + done)


def _change_flag(descriptor: int, *, on: bool) -> None:
    import fcntl  # noqa: PLC0415 - not there on Windows

    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | _O_DIRECT if on else flags & ~_O_DIRECT)
