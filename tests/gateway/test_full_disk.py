"""A gateway whose disk is full, or cannot be written at all, when it starts."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.real import CONFIG, Gateway, Sink, send, serving


def _mount(*options: str) -> None:
    subprocess.run(["mount", *options], check=True, capture_output=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a file system of 32 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", "size=32m", "tmpfs", str(disk))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small file system cannot be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _configure(folder: Path, sink: str, disk: Path) -> None:
    config = CONFIG.format(sink=sink).replace("service:", f"service:\n  data_dir: {disk}/data")
    (folder / "gateway.yaml").write_text(config)


def _fill(disk: Path) -> Path:
    """Leave not a byte of a disk, nor a file that the start would empty; return the ballast."""
    ballast = disk / "ballast"
    for note in disk.glob("data/workers/sending-*"):
        note.unlink()
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


async def _leave_some(gateway: Gateway, acknowledged: set[bytes]) -> None:
    """Have the gateway accept spans that it cannot deliver, and end it."""
    stop = asyncio.Event()
    await gateway.start()
    sending = asyncio.create_task(send(gateway, acknowledged, stop))
    async with asyncio.timeout(60):
        while len(acknowledged) < 200:
            await asyncio.sleep(0.01)
    stop.set()
    await sending
    await gateway.end(gently=True)


async def test_a_full_disk_is_emptied_after_a_start(tmp_path: Path, small_disk: Path) -> None:
    """With not a byte left it starts, delivers what waits, and accepts again once there is room."""
    sink, gateway, acknowledged = Sink(), Gateway(tmp_path), set[bytes]()
    async with serving(sink) as address:
        _configure(tmp_path, address, small_disk)
        sink.away = True
        await _leave_some(gateway, acknowledged)
        ballast = _fill(small_disk)
        sink.away = False
        try:
            await gateway.start()
            async with asyncio.timeout(60):
                while acknowledged - sink.spans:
                    await asyncio.sleep(0.02)
            ballast.unlink()
            stop, before = asyncio.Event(), len(acknowledged)
            sending = asyncio.create_task(send(gateway, acknowledged, stop))
            async with asyncio.timeout(60):
                while len(acknowledged) == before:
                    await asyncio.sleep(0.01)
            stop.set()
            await sending
        finally:
            await gateway.end()


async def test_a_read_only_disk_is_named(tmp_path: Path, small_disk: Path) -> None:
    """It ends with the folder and what to do; what waits there is still there afterwards."""
    sink, gateway, acknowledged = Sink(), Gateway(tmp_path), set[bytes]()
    async with serving(sink) as address:
        _configure(tmp_path, address, small_disk)
        sink.away = True
        await _leave_some(gateway, acknowledged)
        _mount("-o", "remount,ro", str(small_disk))
        run = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "gateway.cli", "run", "--config", "gateway.yaml"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await run.communicate()
        assert 1 == run.returncode
        assert f"cannot write {small_disk}/data: Read-only file system; name a folder" in (
            said.decode()
        )

        _mount("-o", "remount,rw", str(small_disk))
        sink.away = False
        try:
            await gateway.start()
            async with asyncio.timeout(60):
                while acknowledged - sink.spans:
                    await asyncio.sleep(0.02)
        finally:
            await gateway.end()


@pytest.mark.parametrize("inodes", [None, pytest.param(2, marks=pytest.mark.nightly)])
async def test_a_first_start_on_a_full_disk_says_what_to_do(
    tmp_path: Path, small_disk: Path, inodes: int | None
) -> None:
    """It ends with the folder that needs room, and starts once there is some."""
    gateway = Gateway(tmp_path)
    _configure(tmp_path, "http://127.0.0.1:9", small_disk)
    if inodes:
        _mount("-o", f"remount,nr_inodes={inodes}", str(small_disk))
    else:
        ballast = _fill(small_disk)
    run = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "gateway.cli", "run", "--config", "gateway.yaml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await run.communicate()
    assert 1 == run.returncode
    last = said.decode().splitlines()[-1]
    assert "No space left on device" in last
    assert "make room" in last
    assert f"{small_disk}/data" in last

    if inodes:
        _mount("-o", "remount,nr_inodes=10000", str(small_disk))
    else:
        ballast.unlink()
    await gateway.start()
    assert 0 == await gateway.end(gently=True)
