"""What becomes of reloads that are asked for."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.audit import Audit
from gateway.config.loader import Loaded, read
from gateway.fakes import FakeClock
from gateway.telemetry import logs, metrics
from gateway.workers.reloads import Load, Reloads


class Gateway:
    """Runs what it loads, unless it is to refuse; each reload waits until it is let go."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "gateway.yaml"
        self.write(1)
        self.runs = self.load()
        self.audit = folder / "audit.jsonl"
        self.reloads = Reloads(
            Audit(logs.get("audit"), FakeClock(), self.audit), logs.get("t"), lambda: self.runs
        )
        self.begun = asyncio.Semaphore(0)
        self.go_on = asyncio.Semaphore(0)
        self.refusal = ""

    def write(self, workers: int) -> None:
        self.file.write_text(
            "receivers: {otlp: {}}\nexporters: {mlflow: {}}\n"
            f"service: {{workers: {workers}, pipelines: {{traces: "
            "{receivers: [otlp], processors: [], exporters: [mlflow]}}}"
        )

    def load(self) -> Loaded:
        return read([self.file])

    async def reload(self, load: Load) -> str:
        loaded = load()
        self.begun.release()
        await self.go_on.acquire()
        if not self.refusal:
            self.runs = loaded
        return self.refusal

    async def told(self, lines: int) -> list[dict[str, Any]]:
        """Return the audit log once it has so many lines."""
        async with asyncio.timeout(10):
            while not self.audit.exists() or len(self.audit.read_text().splitlines()) < lines:
                await asyncio.sleep(0.01)
        return [json.loads(line) for line in self.audit.read_text().splitlines()]


@pytest.fixture
async def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Leave no outcome in the register for others."""
    yield
    metrics.config_last_reload_successful.set(0)


async def test_what_is_asked_for_meanwhile_is_not_lost(gateway: Gateway) -> None:
    """However often it is, one more reload reads what is there by then, and says what changed."""
    serving = asyncio.create_task(gateway.reloads.serve(gateway.reload))
    gateway.reloads.ask(gateway.load)
    await gateway.begun.acquire()
    gateway.write(2)
    for _ in range(3):
        gateway.reloads.ask(gateway.load)
    gateway.go_on.release()
    await gateway.begun.acquire()
    gateway.go_on.release()

    first, second = await gateway.told(2)

    assert ["no setting", ["service.workers"]] == [first["changed"], second["changed"]]
    assert 2 == gateway.runs.settings.service.workers
    serving.cancel()


async def test_a_refusal_is_told_until_a_reload_works(gateway: Gateway) -> None:
    """In the log with its reason, as a metric, and for the status."""
    serving = asyncio.create_task(gateway.reloads.serve(gateway.reload))
    works = metrics.config_last_reload_successful
    seen: list[tuple[str, str, float]] = []
    for refusal in ("the port is taken", ""):
        gateway.refusal = refusal
        gateway.reloads.ask(gateway.load)
        gateway.go_on.release()
        told = (await gateway.told(len(seen) + 1))[-1]
        seen.append((told["event"], gateway.reloads.refusal, works._value.get()))
    serving.cancel()

    assert [
        ("configuration not reloaded; the old one runs", "the port is taken", 0),
        ("configuration reloaded", "", 1),
    ] == seen
