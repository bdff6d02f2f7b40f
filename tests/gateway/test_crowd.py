"""What many connections at once may do to a gateway, slow ones among them: very little."""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import grpc.aio
import pytest

from gateway.testing import batch
from tests.gateway.real import CONFIG, Gateway, Sink, children, serving
from tests.gateway.running import EXPORT

BODY = batch({"text": "x" * 2000}).encode()
HEADERS = {"Content-Type": "application/x-protobuf"}
HEAD = (
    "POST /v1/traces HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/x-protobuf\r\n"
    f"Content-Length: {len(BODY)}\r\n\r\n"
).encode()
BACK_PRESSURE = {429, 503}
MIB = 1024 * 1024
CLIENTS_S = 0.2


def pause() -> float:
    """Return how long a client waits; each something else, or all would send at the same moment."""
    return random.uniform(1, 5)


def memory(pid: int) -> int:
    """Return the anonymous bytes of a process and its children."""
    total = 0
    for one in (pid, *children(pid)):
        for line in Path(f"/proc/{one}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                total += int(line.split()[1]) * 1024
    return total


def descriptors(pid: int) -> int:
    """Return how many files the process and its children have open."""
    return sum(len(list(Path(f"/proc/{one}/fd").iterdir())) for one in (pid, *children(pid)))


async def slow(address: str, finish: asyncio.Event) -> int:
    """Send a body bit by bit, the last of it when told to; return the status."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    answer = asyncio.create_task(reader.readline())
    sent = 0
    try:
        writer.write(HEAD)
        while not finish.is_set() and not answer.done() and sent < len(BODY) - 10:
            writer.write(BODY[sent : sent + 7])
            sent += 7
            try:
                await asyncio.wait_for(finish.wait(), 1)
            except TimeoutError:
                continue
        if not answer.done():
            writer.write(BODY[sent:])
        return int((await answer).split()[1])
    finally:
        writer.close()


async def steady(http: aiohttp.ClientSession, url: str, stop: asyncio.Event) -> Counter[int]:
    """Send a request every few seconds over a connection of its own."""
    seen: Counter[int] = Counter()
    while not stop.is_set():
        async with http.post(url, data=BODY, headers=HEADERS) as answer:
            await answer.read()
            seen[answer.status] += 1
        try:
            await asyncio.wait_for(stop.wait(), pause())
        except TimeoutError:
            continue
    return seen


async def by_grpc(address: str, stop: asyncio.Event) -> Counter[str]:
    """Send requests over a channel of its own."""
    seen: Counter[str] = Counter()
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        export = channel.unary_unary(EXPORT, request_serializer=None, response_deserializer=None)
        while not stop.is_set():
            try:
                await export(BODY, timeout=60)
                seen["OK"] += 1
            except grpc.aio.AioRpcError as error:
                seen[error.code().name] += 1
            try:
                await asyncio.wait_for(stop.wait(), pause())
            except TimeoutError:
                continue
    return seen


async def latencies(http: aiohttp.ClientSession, url: str, count: int) -> list[float]:
    """Send requests one after the other; return how long each took, sorted."""
    took = []
    for _ in range(count):
        begun = time.monotonic()
        async with http.post(url, data=BODY, headers=HEADERS) as answer:
            assert 200 == answer.status
        took.append(time.monotonic() - begun)
    return sorted(took)


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Gateway, Sink, aiohttp.ClientSession]]:
    """Run a gateway with a sink, and a client with as many connections as it needs."""
    sink, gateway = Sink(), Gateway(folder)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=300)
    async with serving(sink) as address, aiohttp.ClientSession(connector=connector) as http:
        (folder / "gateway.yaml").write_text(CONFIG.format(sink=address))
        await gateway.start()
        try:
            yield gateway, sink, http
        finally:
            await gateway.end(gently=True)


async def crowd(folder: Path, *, slow_ones: int, others: int, channels: int, healthy: int) -> None:
    """Let a crowd in, and see what becomes of it and of a healthy client."""
    stop = asyncio.Event()
    connections = slow_ones + others + channels
    async with served(folder) as (gateway, _, http):
        http_address, grpc_address = gateway.endpoints["http"], gateway.endpoints["grpc"]
        alone = await latencies(http, gateway.traces, healthy)
        memory_before, files_before = memory(gateway.pid), descriptors(gateway.pid)
        dripping = [asyncio.create_task(slow(http_address, stop)) for _ in range(slow_ones)]
        sending = [asyncio.create_task(steady(http, gateway.traces, stop)) for _ in range(others)]
        calling = [asyncio.create_task(by_grpc(grpc_address, stop)) for _ in range(channels)]
        async with asyncio.timeout(120):
            # Some of the first requests' connections are used again.
            while descriptors(gateway.pid) - files_before < connections - 5:
                await asyncio.sleep(0.05)
        together = await latencies(http, gateway.traces, healthy)
        grown = memory(gateway.pid) - memory_before
        stop.set()
        dripped = Counter(await asyncio.gather(*dripping))
        statuses = sum(await asyncio.gather(*sending), Counter[int]())
        codes = sum(await asyncio.gather(*calling), Counter[str]())
    assert {200} == dripped.keys()
    assert statuses.keys() <= {200, *BACK_PRESSURE}
    assert codes.keys() <= {"OK", "RESOURCE_EXHAUSTED", "UNAVAILABLE"}
    assert statuses[200] >= others * 0.9
    assert codes["OK"] >= channels * 0.9
    assert grown < 50 * MIB + connections * 0.1 * MIB
    at = int(healthy * 0.99)
    # The clients of this process delay each other too, on a busy machine.
    assert together[at] < 3 * alone[at] + CLIENTS_S, (alone[at], together[at])


async def test_a_crowd(tmp_path: Path) -> None:
    """300 HTTP connections, half of them slow, and 20 gRPC ones: all are served."""
    await crowd(tmp_path, slow_ones=150, others=150, channels=20, healthy=50)


@pytest.mark.nightly
@pytest.mark.timeout(600)
async def test_a_large_crowd(tmp_path: Path) -> None:
    """2,000 HTTP connections and 200 gRPC ones: a healthy client waits at most 3 times as long."""
    await crowd(tmp_path, slow_ones=1000, others=990, channels=200, healthy=500)


@pytest.mark.nightly
@pytest.mark.timeout(1200)
async def test_a_soak(tmp_path: Path) -> None:
    """Ten minutes of load leave memory and descriptors where they were after the first two."""
    minutes = float(os.environ.get("SOAK_MINUTES", "10"))
    async with served(tmp_path) as (gateway, sink, http):
        begun, memories, files = time.monotonic(), [], []
        while time.monotonic() - begun < minutes * 60:
            await asyncio.gather(*(latencies(http, gateway.traces, 50) for _ in range(8)))
            fresh = batch(*({"text": "y" * 500} for _ in range(50)), one_trace=False).encode()
            async with http.post(gateway.traces, data=fresh, headers=HEADERS) as answer:
                assert 200 == answer.status
            sink.spans.clear()
            memories.append(memory(gateway.pid))
            files.append(descriptors(gateway.pid))
        warm = len(memories) // 5
    assert max(memories[warm:]) < memories[warm] + 30 * MIB
    assert max(files[warm:]) <= files[warm] + 5
