"""What ``memory_limiter`` promises: to refuse before memory runs out, and to take again."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import grpc
import pytest

from gateway import memory
from gateway.config.loader import ConfigError, load
from gateway.errors import Busy
from gateway.telemetry.meter import PluginMeter
from gateway.telemetry.metrics import REGISTRY
from gateway.testing import FakeClock, FakeLogger, batch, processor
from processors.memory_limiter import MIB, MemoryLimiter, MemoryLimiterConfig
from tests.gateway.running import gateway


class Context:
    """What the engine gives a processor."""

    def __init__(self) -> None:
        self.component_id = "memory_limiter"
        self.logger = FakeLogger()
        self.meter = PluginMeter(self.component_id)
        self.clock = FakeClock()
        self.data_dir = Path()


class Machine:
    """A machine whose memory is what the test says, and a limiter on it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.used_mib = 10.0
        self.collected = 0
        self.freed_mib = 0.0
        monkeypatch.setattr(memory, "used_bytes", lambda: int(self.used_mib * MIB))
        monkeypatch.setattr(memory, "limit_bytes", lambda: 1000 * MIB)
        monkeypatch.setattr(memory, "give_back", self._collect)
        self.context = Context()
        self.limiter = processor(MemoryLimiter, check_interval="1h", **settings)

    def _collect(self) -> None:
        self.collected += 1
        self.used_mib -= self.freed_mib

    async def __aenter__(self) -> Self:
        await self.limiter.start(self.context)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.limiter.stop()

    def refuses(self, used_mib: float) -> bool:
        """Measure at this use, and tell whether a request is refused."""
        self.used_mib = used_mib
        self.limiter.check()
        try:
            self.limiter.admit()
        except Busy:
            return True
        return False


@pytest.mark.parametrize(
    ("settings", "soft", "hard"),
    [
        ({}, 600, 750),
        ({"limit_percentage": 50}, 400, 500),
        ({"limit_percentage": 50, "spike_limit_percentage": 30}, 200, 500),
        ({"limit_mib": 100}, 80, 100),
        ({"limit_mib": 100, "spike_limit_mib": 30}, 70, 100),
        ({"limit_mib": 100, "limit_percentage": 50, "spike_limit_percentage": 30}, 80, 100),
    ],
)
def test_limits(settings: dict[str, Any], soft: float, hard: float) -> None:
    """The limits follow the Collector's settings; MiB win over percentages."""
    limits = MemoryLimiterConfig(**settings).limits(1000 * MIB)

    assert (soft, hard) == (limits.soft / MIB, limits.hard / MIB)


@pytest.mark.parametrize(
    "settings",
    [
        {"check_interval": "0s"},
        {"limit_percentage": 101},
        {"limit_percentage": -1},
        {"limit_mib": -1},
        {"limit_mib": 10, "spike_limit_mib": 10},
        {"spike_limit_mib": 10},
        {"limit_percentage": 50, "spike_limit_percentage": 50},
        {"spike_limit_percentage": 80},
    ],
)
def test_limits_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    """Limits without room between them are a mistake in the configuration."""
    with pytest.raises(ValueError, match=next(iter(reversed(settings)))):
        processor(MemoryLimiter, **settings)


async def test_refuses_above_the_soft_limit_and_takes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Requests are refused with a delay while memory is short, and told in the log once each."""
    async with Machine(monkeypatch, limit_mib=100) as machine:
        assert [False, False, True, True, False] == [
            machine.refuses(used) for used in (10, 80, 81, 99, 79)
        ]
        machine.refuses(90)
        with pytest.raises(Busy, match=r"90 MiB in use.*above 80") as caught:
            machine.limiter.admit()

    assert caught.value.after > 0
    assert ["short of memory, requests are refused", "enough memory again"] * 1 == [
        event for _, event, _ in machine.context.logger.events
    ][:2]
    assert 90 * MIB == REGISTRY.get_sample_value("spangate_process_memory_used_bytes")
    assert 80 * MIB == REGISTRY.get_sample_value("spangate_process_memory_soft_limit_bytes")


async def test_batches_are_refused_where_the_receiver_did_not_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A plugin's receiver that hands over without asking is told to come back too."""
    async with Machine(monkeypatch, limit_mib=100) as machine:
        sent = batch({})
        assert sent is await machine.limiter.process(sent)
        machine.refuses(90)
        with pytest.raises(Busy):
            await machine.limiter.process(sent)


async def test_garbage_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where collecting garbage frees enough, nobody is refused."""
    async with Machine(monkeypatch, limit_mib=100) as machine:
        machine.freed_mib = 30

        assert not machine.refuses(101)
        assert 1 == machine.collected


async def test_garbage_is_collected_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Collections in vain become rarer, from the least interval up to the longest."""
    async with Machine(monkeypatch, limit_mib=100) as machine:
        at: list[float] = []
        for second in range(120):
            before = machine.collected
            assert machine.refuses(110)
            if machine.collected > before:
                at.append(second)
            machine.context.clock.advance(1)

    assert [0, 2, 6, 14, 30, 60, 90] == at


async def test_measures_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread measures every ``check_interval``; a request measures nothing."""
    measured = threading.Semaphore(0)
    limiter = processor(MemoryLimiter, check_interval="5ms")

    def used() -> int:
        measured.release()
        return MIB

    monkeypatch.setattr(memory, "used_bytes", used)
    await limiter.start(Context())
    assert all(measured.acquire(timeout=10) for _ in range(4))
    await limiter.stop()
    await limiter.stop()
    while measured.acquire(blocking=False):
        pass
    for _ in range(100):
        limiter.admit()
    assert not measured.acquire(blocking=False)


async def test_trouble_with_measuring_is_told_and_survived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A failed measurement is logged, and the next one counts again."""
    failing = threading.Event()
    done = threading.Semaphore(0)

    def used() -> int:
        done.release()
        if failing.is_set():
            raise OSError("no figures")
        return MIB

    monkeypatch.setattr(memory, "used_bytes", used)
    limiter, context = processor(MemoryLimiter, check_interval="5ms"), Context()
    await limiter.start(context)
    failing.set()
    assert all(done.acquire(timeout=10) for _ in range(4))
    failing.clear()
    assert all(done.acquire(timeout=10) for _ in range(4))
    await limiter.stop()

    assert ("error", "memory cannot be measured", {"reason": "no figures"}) in context.logger.events


async def test_windows_lets_everything_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be measured the gateway starts all the same, and says so."""

    def used() -> int:
        raise OSError("no figures")

    monkeypatch.setattr(memory, "used_bytes", used)
    limiter, context = processor(MemoryLimiter), Context()
    with pytest.raises(OSError, match="no figures"):
        await limiter.start(context)
    monkeypatch.setattr("sys.platform", "win32")
    await limiter.start(context)
    limiter.admit()
    await limiter.stop()

    assert [("warning", "every request is let in", {"reason": "no figures"})] == (
        context.logger.events
    )


def test_memory_is_given_back() -> None:
    """What Python and the C library hold in reserve returns to the system."""
    if not Path("/proc").is_dir():
        pytest.skip("reads /proc")
    kept: list[bytearray | None] = [bytearray(os.urandom(1) * 100_000) for _ in range(640)]
    full = memory.used_bytes()
    for at in range(len(kept) - 1):
        kept[at] = None

    memory.give_back()

    assert memory.used_bytes() < full - 40 * MIB


CONFIG = """
processors: {memory_limiter: {limit_mib: LIMIT, check_interval: 10ms}}
exporters:
  file: {path: FOLDER/out.jsonl, sending_queue: {storage: memory}}
service: {pipelines: {traces: {receivers: [otlp], processors: [memory_limiter], exporters: [file]}}}
"""


@asynccontextmanager
async def limited(folder: Path, limit_mib: int) -> AsyncIterator[Any]:
    """Run a whole gateway with a limit."""
    text = CONFIG.replace("LIMIT", str(limit_mib)).replace("FOLDER", str(folder))
    async with gateway(folder, text) as running:
        yield running


async def test_a_gateway_that_really_grows(tmp_path: Path) -> None:
    """A gateway whose process takes too much refuses over both protocols, and recovers."""
    used_mib = memory.used_bytes() // MIB
    body = batch({}).encode()
    async with limited(tmp_path, limit_mib=used_mib + 300) as running:
        assert 200 == (await running.post(body))[0]
        grown = bytearray(os.urandom(1) * ((used_mib + 300) * MIB))
        status, answer, headers = await until(running, body, 429)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await running.call(body)
        garbage = await running.post(b"not even protobuf")
        del grown
        recovered = await until(running, body, 200)

    assert (429, "1") == (status, headers["Retry-After"])
    assert b"short of memory" in answer
    assert grpc.StatusCode.RESOURCE_EXHAUSTED is caught.value.code()
    assert 429 == garbage[0], "refused before it was read"
    assert 200 == recovered[0]


async def until(running: Any, body: bytes, status: int) -> Any:
    """Send until the answer has a status."""
    async with asyncio.timeout(20):
        while (answer := await running.post(body))[0] != status:
            pass
    return answer


def test_not_first_is_a_mistake(tmp_path: Path) -> None:
    """The limiter anywhere but in front is refused when the configuration is read."""
    config = tmp_path / "gateway.yaml"
    config.write_text(
        CONFIG.replace("LIMIT", "500")
        .replace("FOLDER", ".")
        .replace("[memory_limiter]", "[redaction, memory_limiter]")
        .replace("processors: {memory", "receivers: {otlp: {}}\nprocessors: {redaction: {}, memory")
    )

    with pytest.raises(ConfigError, match="must be the first processor"):
        load([config])


async def test_measuring_goes_on_after_an_unforeseen_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is told, and the next measurement counts."""
    machine = Machine(monkeypatch)
    limiter = processor(MemoryLimiter, check_interval="1ms")
    refuses = threading.Event()
    measured: list[int] = []

    def used() -> int:
        measured.append(1)
        if len(measured) == 2:
            raise ValueError("unforeseen")
        if limiter._reason:
            refuses.set()
        return (10 if len(measured) < 2 else 990) * MIB

    monkeypatch.setattr(memory, "used_bytes", used)
    await limiter.start(machine.context)
    try:
        assert await asyncio.to_thread(refuses.wait, 20)
    finally:
        await limiter.stop()

    told = [fields for level, _, fields in machine.context.logger.events if level == "error"]
    assert ["memory_limiter"] == [fields["part"] for fields in told]
