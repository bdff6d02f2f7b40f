"""What is written past the system's cache is there, at any place and of any size."""

import errno
import os
import random
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway.queue import blocks
from gateway.queue.blocks import BLOCK, Blocks
from gateway.queue.disk import Disk

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can do it")


class Writes:
    """A disk with one file of nines, and what it should hold."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(b"9" * 200_000)
        self.disk = Disk()
        self.descriptor = self.disk.open(path)
        self.disk.bypass_cache(self.descriptor)
        self.wanted = b""

    def add(self, buffers: Sequence[bytes]) -> None:
        """Write at the end."""
        self.disk.write(self.descriptor, buffers, len(self.wanted))
        self.wanted += b"".join(buffers)

    @property
    def found(self) -> bytes:
        """What a reader sees, as far as was written."""
        return self.path.read_bytes()[: len(self.wanted)]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Writes]:
    writes = Writes(tmp_path / "file")
    yield writes
    writes.disk.close(writes.descriptor)


def test_many_writes_of_all_sizes(file: Writes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their sizes, writes follow each other without a gap, also beyond the memory."""
    monkeypatch.setattr(blocks, "_MEMORY", 4 * BLOCK)
    file.disk.bypass_cache(file.descriptor)
    dice = random.Random(7)
    for _ in range(200):
        size = dice.choice((0, 1, 8, 100, BLOCK - 8, BLOCK, BLOCK + 8, 5 * BLOCK, 30_000))
        file.add([dice.randbytes(size) for _ in range(dice.randint(1, 4))])
        assert file.wanted == file.found


def test_a_place_that_is_not_the_last_one(file: Writes) -> None:
    """What stands before it in its block stays, whoever wrote that."""
    file.disk.write(file.descriptor, [b"abc"], 5000)
    file.disk.write(file.descriptor, [b"xyz"], 9000)
    found = file.path.read_bytes()
    assert b"9" * 5000 + b"abc" == found[:5003]
    assert b"9" * (9000 - 2 * BLOCK) + b"xyz" == found[2 * BLOCK : 9003]


def test_readers_beside_the_writes(file: Writes) -> None:
    """Another process that reads as others do finds what was written, whatever follows it."""
    dice = random.Random(5)
    written = [(0, b"")]
    wrong: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            at, piece = written[-1]
            with file.path.open("rb", buffering=0) as reader:
                reader.seek(at)
                if piece != reader.read(len(piece)):
                    wrong.append(at)

    reading = threading.Thread(target=read)
    reading.start()
    for _ in range(200):
        at, piece = len(file.wanted), dice.randbytes(dice.choice((40, 300, 5000, 20_000)))
        file.add([piece])
        written.append((at, piece))
    done.set()
    reading.join()
    assert [] == wrong


def test_a_system_that_writes_less(file: Writes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest follows where a write stops in the middle."""
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:BLOCK], at))
    file.add([bytes(range(256)) * 100])
    assert file.wanted == file.found


def test_a_file_system_that_cannot(file: Writes, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that says yes and then refuses is written to as usual."""
    file.add([b"before"])

    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "pwrite", refuse)
    file.add([b", and after" * 1000])
    assert file.wanted == file.found
    assert b"9" == file.path.read_bytes()[len(file.wanted) :][:1]


def test_an_error_is_told(file: Writes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is no reason to try it another way."""

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(OSError, match="No space left"):
        file.add([b"too much"])


def test_a_system_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where files cannot be written so, none is."""
    monkeypatch.setattr(blocks, "_O_DIRECT", 0)
    with (tmp_path / "file").open("wb") as file:
        assert Blocks.of(file.fileno()) is None
