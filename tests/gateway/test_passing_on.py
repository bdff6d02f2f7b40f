"""What a gateway of two workers promises where one connection brings more than one can do."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import grpc.aio
import pytest

from gateway.testing import batch
from tests.gateway.real import CONFIG, Gateway, Sink, serving
from tests.gateway.running import EXPORT

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for workers in /proc")

SPANS = 60
"""So many are not joined with others."""
PLUGIN = """
import os
import time
from pathlib import Path

from gateway.plugin import Batch, Config, Processor


class Work(Processor[Config]):
    def process(self, batch: Batch) -> Batch:
        what = next(iter(batch)).name
        Path(f"{what}-{os.getpid()}").touch()
        time.sleep(0.01)
        if what == "kill":
            try:
                os.rename("armed", "fired")
            except OSError:
                return batch
            os.kill(os.getpid(), 9)
        while what.startswith("wait") and not Path("go").exists():
            time.sleep(0.01)
        return batch
"""


class Senders:
    """One connection over gRPC, and what was accepted from it."""

    def __init__(self, folder: Path, gateway: Gateway, channel: grpc.aio.Channel) -> None:
        self.spans: set[bytes] = set()
        self.gateway = gateway
        self._folder = folder
        self._export = channel.unary_unary(
            EXPORT, request_serializer=None, response_deserializer=None
        )

    async def send(self, what: str) -> None:
        """Send a request with which to do something."""
        sent = batch(*({} for _ in range(SPANS)), name=what, one_trace=False)
        await self._export(sent.encode(), timeout=60)
        self.spans |= {span.span_id for span in sent}

    async def worker(self, what: str) -> int:
        """Return which worker does something, once one does."""
        while not (did := self.did(what)):
            await asyncio.sleep(0.01)
        return did.pop()

    async def busy(self, tasks: asyncio.TaskGroup) -> int:
        """Keep the worker that receives busy until told to go; return it."""
        await self.send("first")  # now it knows how long that takes
        tasks.create_task(self.send("wait"))
        receiver = await self.worker("wait")
        while self.did("some") <= {receiver}:  # the other may not be ready yet
            await self.send("some")
        return receiver

    def did(self, what: str) -> set[int]:
        """Return which workers did something."""
        return {int(p.name.rpartition("-")[2]) for p in self._folder.glob(f"{what}-*")}

    async def outcomes(self) -> set[str]:
        """Return what became of requests that were passed on."""
        url = f"http://{self.gateway.endpoints['metrics']}/metrics"
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            lines = (await answer.text()).splitlines()
        found = [line for line in lines if line.startswith("spangate_worker_passed_on")]
        return {line.split('"')[1] for line in found}


@pytest.fixture
async def sink() -> AsyncIterator[tuple[Sink, str]]:
    """Return a backend and its address."""
    made = Sink()
    async with serving(made) as address:
        yield made, address


@pytest.fixture
async def senders(tmp_path: Path, sink: tuple[Sink, str]) -> AsyncIterator[Senders]:
    """Return senders to two workers that do what spans are called; all they sent has arrived."""
    (tmp_path / "work.py").write_text(PLUGIN)
    text = CONFIG.format(sink=sink[1]).replace("processors: []", "processors: [work]")
    text = text.replace("service:\n", "service:\n  workers: 2\n")
    (tmp_path / "gateway.yaml").write_text('processors: {work: {use: "./work.py:Work"}}\n' + text)
    gateway = Gateway(tmp_path)
    await gateway.start()
    try:
        async with (
            asyncio.timeout(120),
            grpc.aio.insecure_channel(gateway.endpoints["grpc"]) as channel,
        ):
            made = Senders(tmp_path, gateway, channel)
            yield made
            while made.spans - sink[0].spans:
                await asyncio.sleep(0.02)
    finally:
        await gateway.abandon()


async def test_one_connection_keeps_two_workers_busy(tmp_path: Path, senders: Senders) -> None:
    """While one processes, the other does what comes meanwhile; all of it arrives."""
    async with asyncio.TaskGroup() as tasks:
        receiver = await senders.busy(tasks)
        await senders.send("more")
        other = await senders.worker("more")
        outcomes = await senders.outcomes()
        (tmp_path / "go").touch()

    assert receiver != other
    assert {"done"} == outcomes


async def test_one_that_is_killed_with_a_request_costs_its_sender_nothing(
    tmp_path: Path, senders: Senders
) -> None:
    """The worker that received it does it then."""
    async with asyncio.TaskGroup() as tasks:
        receiver = await senders.busy(tasks)
        (tmp_path / "armed").touch()
        await senders.send("kill")
        outcomes = await senders.outcomes()
        (tmp_path / "go").touch()
    did = senders.did("kill")

    assert (tmp_path / "fired").exists()
    assert 2 == len(did)
    assert receiver in did
    assert "broken" in outcomes


@pytest.mark.nightly
async def test_one_that_hangs_with_a_request_delays_its_sender_no_longer_than_it_waits(
    tmp_path: Path, senders: Senders
) -> None:
    """The worker that received it does it then, and passes no more on to that one."""
    async with asyncio.TaskGroup() as tasks:
        receiver = await senders.busy(tasks)
        [other] = senders.did("some") - {receiver}
        os.kill(other, signal.SIGSTOP)
        async with asyncio.timeout(10):  # after so long senders give up, as a rule
            await senders.send("late")
        did = senders.did("late")
        await senders.send("next")
        os.kill(other, signal.SIGCONT)
        outcomes = await senders.outcomes()
        (tmp_path / "go").touch()

    assert {receiver} == did
    assert {receiver} == senders.did("next")
    assert "late" in outcomes


@pytest.mark.nightly
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_what_was_passed_on_is_answered_before_a_worker_ends(
    tmp_path: Path, senders: Senders, number: signal.Signals
) -> None:
    """At the end of the gateway and in a reload."""
    gateway = senders.gateway
    before = set(gateway.workers())
    async with asyncio.TaskGroup() as tasks:
        receiver = await senders.busy(tasks)
        tasks.create_task(senders.send("waits"))
        other = await senders.worker("waits")
        os.kill(gateway.pid, number)
        if number == signal.SIGHUP:
            while len(gateway.workers()) < 3:
                await asyncio.sleep(0.02)
        (tmp_path / "go").touch()
    while before & set(gateway.workers()):
        await asyncio.sleep(0.02)

    assert {receiver, other} == before
