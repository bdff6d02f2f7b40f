"""What ``file`` promises to those who read what it wrote."""

import asyncio
import errno
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from exporters.file import File
from gateway.otlp.json import decode_request
from gateway.plugin import Batch, Retry
from gateway.testing import batch, component
from tests.exporters.backends import FakeContext

KIB = 1024


async def started(path: Path, **settings: object) -> File:
    """Return an exporter that writes to ``path``."""
    exporter = component(File, path=str(path), **settings)
    await exporter.start(FakeContext())
    return exporter


def spans(path: Path) -> list[bytes]:
    """Return the span ids in a file, and check that each line of it is a whole request."""
    text = path.read_bytes()
    assert not text or text.endswith(b"\n")
    requests = [decode_request(line) for line in text.splitlines()]
    return [span.span_id for request in requests for span in Batch(None, None, request)]


def files_in(folder: Path) -> list[Path]:
    """Return the files of a folder by name."""
    return sorted(folder.iterdir())


def ids(*batches: Batch) -> list[bytes]:
    """Return the span ids of batches."""
    return [span.span_id for traces in batches for span in traces]


async def test_writes_each_request_as_a_line(tmp_path: Path) -> None:
    """The file holds the Collector's format: a line of OTLP JSON for each request."""
    path = tmp_path / "traces.jsonl"
    first, second = batch({"a": 1, "text": "line\nbreak"}, {}), batch({"pi": 3.14})
    exporter = await started(path)

    await exporter.export(first)
    await exporter.export(second)
    await exporter.stop()

    lines = path.read_bytes().splitlines()
    assert [decode_request(line) for line in lines] == [first.peek, second.peek]


async def test_keeps_the_file_to_its_owner(tmp_path: Path) -> None:
    """Prompts are nobody else's business: the mode is 0600, for backups too."""
    path = tmp_path / "traces.jsonl"
    exporter = await started(path, max_size_mib=1 / KIB)

    for _ in range(2):
        await exporter.export(batch({"a": "x" * KIB}))

    modes = [stat.S_IMODE(file.stat().st_mode) for file in files_in(tmp_path)]
    assert modes == [0o600, 0o600]


async def test_appends_to_what_is_there(tmp_path: Path) -> None:
    """A restart loses nothing, and a line that broke off in a crash spoils no other."""
    path = tmp_path / "traces.jsonl"
    path.write_bytes(b'{"resourceSpans": [{"sco')
    traces = batch({})
    exporter = await started(path)

    await exporter.export(traces)

    torn, line = path.read_bytes().splitlines()
    assert torn == b'{"resourceSpans": [{"sco'
    assert decode_request(line) == traces.peek


async def test_rotates_and_keeps_the_newest(tmp_path: Path) -> None:
    """At ``max_size_mib`` the file becomes ``.1``; beyond ``max_backups`` the oldest goes."""
    path = tmp_path / "traces.jsonl"
    exporter = await started(path, max_size_mib=4 / KIB, max_backups=2)
    sent = [batch({"a": "x" * 3 * KIB}) for _ in range(5)]

    for traces in sent:
        await exporter.export(traces)

    files = [path, tmp_path / "traces.jsonl.1", tmp_path / "traces.jsonl.2"]
    assert files_in(tmp_path) == files
    assert [spans(file) for file in files] == [ids(traces) for traces in reversed(sent[2:])]
    assert all(file.stat().st_size <= 4 * KIB for file in files)


async def test_never_splits_a_request(tmp_path: Path) -> None:
    """A request larger than the limit has a file of its own."""
    path = tmp_path / "traces.jsonl"
    exporter = await started(path, max_size_mib=1 / KIB)
    small, large = batch({}), batch({"a": "x" * 5 * KIB})

    await exporter.export(small)
    await exporter.export(large)

    assert spans(path) == ids(large)
    assert spans(tmp_path / "traces.jsonl.1") == ids(small)


async def test_follows_a_file_that_was_moved_away(tmp_path: Path) -> None:
    """Another program may rotate the file: the next request begins a new one."""
    path = tmp_path / "traces.jsonl"
    exporter = await started(path)
    first, second = batch({}), batch({})

    await exporter.export(first)
    path.rename(tmp_path / "moved")
    await exporter.export(second)

    assert spans(tmp_path / "moved") == ids(first)
    assert spans(path) == ids(second)


async def test_writes_requests_side_by_side(tmp_path: Path) -> None:
    """Lanes that export at the same time do not mix their lines."""
    path = tmp_path / "traces.jsonl"
    exporter = await started(path)
    sent = [batch({"a": "x" * 1000}) for _ in range(40)]

    await asyncio.gather(*(exporter.export(traces) for traces in sent))

    assert sorted(spans(path)) == sorted(ids(*sent))


def write_many(path: Path, count: int) -> None:
    """Export some requests; runs in a process of its own."""

    async def run() -> None:
        exporter = await started(path, max_size_mib=64 / KIB, max_backups=1000)
        for _ in range(count):
            await exporter.export(batch({"a": "x" * 4 * KIB}))

    asyncio.run(run())


async def test_several_workers_share_a_file(tmp_path: Path) -> None:
    """Two processes that write and rotate the same file lose no line and tear none."""
    path = tmp_path / "traces.jsonl"
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=write_many, args=(path, 100)) for _ in range(2)]

    for worker in workers:
        worker.start()
    for worker in workers:
        await asyncio.to_thread(worker.join)

    files = files_in(tmp_path)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert sum(len(spans(file)) for file in files) == 200
    assert len(files) > 5
    assert all(file.stat().st_size <= 64 * KIB for file in files)


@pytest.mark.parametrize("written", [0, 100, None], ids=["nothing", "a part", "an error"])
async def test_comes_back_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int | None
) -> None:
    """Nothing of a request that did not fit stays in the file, and it is retried."""
    path = tmp_path / "traces.jsonl"
    exporter = await started(path)
    first, second = batch({}), batch({})
    await exporter.export(first)

    write = os.write

    def full(fd: int, data: bytes) -> int:
        if written is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, data[:written])

    with monkeypatch.context() as patch:
        patch.setattr("exporters.file.os.write", full)
        with pytest.raises(Retry) as caught:
            await exporter.export(second)
    await exporter.export(second)

    assert caught.value.reason == f"cannot append to {path}: No space left on device"
    assert caught.value.advice == f"free space on the disk that holds {tmp_path}"
    assert spans(path) == ids(first, second)


async def test_comes_back_when_the_file_cannot_be_written(tmp_path: Path) -> None:
    """A folder that went away keeps the spans waiting, with advice."""
    folder = tmp_path / "out"
    folder.mkdir()
    exporter = await started(folder / "traces.jsonl")
    (folder / "traces.jsonl").unlink()
    folder.rmdir()

    with pytest.raises(Retry, match="No such file or directory") as caught:
        await exporter.export(batch({}))

    assert caught.value.advice


async def test_does_not_start_where_it_cannot_write(tmp_path: Path) -> None:
    """A missing folder is an error at start, not a surprise later."""
    with pytest.raises(ValueError, match=r"path: cannot write .*; create its folder"):
        await started(tmp_path / "missing" / "traces.jsonl")


async def test_reads_a_path_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``path`` is where the gateway was started, as in the Collector."""
    monkeypatch.chdir(tmp_path)

    await started(Path("here.jsonl"))

    assert (tmp_path / "here.jsonl").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": ""}, "path: name a file"),
        ({"max_size_mib": 0}, "max_size_mib must be above 0"),
        ({"max_backups": 0}, "max_backups must be at least 1"),
    ],
)
def test_refuses_settings_that_cannot_work(settings: dict[str, object], message: str) -> None:
    """The error names the key."""
    with pytest.raises(ValueError, match=message):
        component(File, **settings)
