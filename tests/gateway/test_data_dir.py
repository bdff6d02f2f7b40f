"""What becomes of a gateway whose data directory is removed while it runs."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from gateway.data_dir import DataDir
from gateway.testing import batch
from tests.gateway.real import CONFIG, Gateway

HEADERS = {"Content-Type": "application/x-protobuf"}


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs Linux")
async def test_a_gateway_without_its_directory_acknowledges_nothing_and_ends(
    tmp_path: Path,
) -> None:
    """What it would write is on no disk; who started it starts it again, with a new folder."""
    gateway, data = Gateway(tmp_path), batch({}).encode()
    (tmp_path / "gateway.yaml").write_text(CONFIG.format(sink="http://127.0.0.1:9"))
    await gateway.start()
    statuses: list[int] = []
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(60):
            first = await http.post(gateway.traces, data=data, headers=HEADERS)
            (tmp_path / "spangate-data").rename(tmp_path / "away")  # at once, unlike removing
            while True:
                try:
                    answer = await http.post(gateway.traces, data=data, headers=HEADERS)
                except (aiohttp.ClientError, OSError):
                    break
                statuses.append(answer.status)
            code, told = await gateway.ended()
    finally:
        await gateway.abandon()

    assert 200 == first.status
    assert set(statuses) <= {503}
    assert 1 == code
    assert "was removed while the gateway ran" in told.splitlines()[-1]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs Linux")
async def test_what_is_under_way_then_is_said_to_be_lost(tmp_path: Path) -> None:
    """Spans that a destination has not answered for when the folder is gone are on no disk."""
    gateway, answers = Gateway(tmp_path), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await answers.wait()
        writer.close()

    asked = asyncio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    config = CONFIG.format(sink=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    (tmp_path / "gateway.yaml").write_text(config.replace("timeout: 10s", "timeout: 1s"))
    await gateway.start()
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(60):
            await http.post(gateway.traces, data=batch({}).encode(), headers=HEADERS)
            await asked.wait()
            (tmp_path / "spangate-data").rename(tmp_path / "away")
            _, told = await gateway.ended()
    finally:
        await gateway.abandon()
        answers.set()
        server.close()
        await server.wait_closed()

    assert "they are lost with the folder they were in" in told
    assert "the rest is on disk" not in told


def test_a_directory_that_is_there_is_not_lost(tmp_path: Path) -> None:
    """Neither while it is held, nor where it cannot be looked at for a moment."""
    data_dir = DataDir(tmp_path / "data")
    data_dir.open()
    try:
        assert data_dir.lost() is None
        (tmp_path / "data").rename(tmp_path / "away")
        assert "was removed" in str(data_dir.lost())
    finally:
        data_dir.close()
