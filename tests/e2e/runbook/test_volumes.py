"""What the runbook promises of alerts about volumes: nothing on them is lost, and room is made."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from gateway.fake_mlflow import FakeMlflow
from gateway.testing import batch
from tests.e2e.prometheus import PROMETHEUS, until
from tests.e2e.runbook.stage import Stage, staged

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(PROMETHEUS is None, reason="Prometheus is not installed"),
    pytest.mark.timeout(240),
]
CAPACITY = 2_000_000


async def test_spans_left_on_a_volume(tmp_path: Path) -> None:
    """A pod that comes back sends what it finds."""
    async with staged(tmp_path, "SpangateSpansLeftOnVolume") as stage:
        stage.page = stage.page._replace(commands=frozenset())
        await leave_spans(stage)
        async with stage.watched():
            await go(stage)
            await stage.fires()
            stage.mlflow.gate.set()
            await stage.start()
            await stage.ends()

            async def nothing_waits() -> bool:
                return [0.0] == await stage.prometheus.value("sum(spangate_queue_spans)")

            await until(nothing_waits)

    assert 2 == stage.stored()


async def test_spans_saved_from_a_volume(tmp_path: Path) -> None:
    """Where the pod is not to come back, another gateway takes what was on its volume."""
    async with staged(tmp_path, "SpangateSpansLeftOnVolume") as stage:
        await leave_spans(stage)
        await stage.gateway.end(gently=True)
        exported = await stage.run(
            "spangate queue export --config /etc/spangate/config/gateway.yaml"
        )
        stage.mlflow.gate.set()
        stage.config["service"]["data_dir"] = "other"
        await stage.start()
        for line in exported.out.splitlines():
            assert 200 == await stage.post(line.encode(), "application/json")

        async def all_are_there() -> bool:
            return 2 == stage.stored()

        await until(all_are_there)


async def leave_spans(stage: Stage) -> None:
    """Start a gateway that cannot deliver, and give it spans."""
    stage.mlflow.gate.clear()
    await stage.start()
    assert 200 == await stage.send(batch({}, {}))


async def go(stage: Stage) -> None:
    """End the gateway once Prometheus knows that spans wait."""

    async def is_known() -> bool:
        return [2.0] == await stage.prometheus.value("sum(spangate_queue_spans)")

    await until(is_known)
    await stage.gateway.end(gently=True)


def size(folder: Path) -> int:
    """Return the bytes of a folder's files."""
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())


@asynccontextmanager
async def kubelet(folder: Path) -> AsyncIterator[str]:
    """Tell of a folder as if it were a volume of a certain size; yield the address."""
    claim = '{namespace="llm",persistentvolumeclaim="data-demo-spangate-0"}'

    async def tell(_: web.Request) -> web.Response:
        free = max(0, CAPACITY - size(folder))
        text = f"kubelet_volume_stats_available_bytes{claim} {free}\n"
        text += f"kubelet_volume_stats_capacity_bytes{claim} {CAPACITY}\n"
        return web.Response(text=text, headers={"Content-Type": "text/plain; version=0.0.4"})

    app = web.Application()
    app.add_routes([web.get("/metrics", tell)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("way", ["replay", "drop"])
async def test_volume_filling(tmp_path: Path, way: str) -> None:
    """Dead letters that are replayed or dropped make room."""
    mlflow = FakeMlflow()
    mlflow.poison = lambda span: span.name == "poison"
    letters = tmp_path / "data" / "dead-letters"
    async with (
        kubelet(letters) as stage_target,
        staged(tmp_path, "SpangateVolumeFilling", mlflow) as stage,
    ):
        stage.extra_target = stage_target
        await stage.start()
        async with stage.watched():
            text = "x" * 200_000
            async with (
                stage.sending(lambda: batch({"text": text}, name="poison")),
                stage.sending(lambda: batch({})),
            ):
                await stage.fires()
            mlflow.poison = lambda _: False
            [command] = stage.page.commands
            stage.page = stage.page._replace(commands=frozenset({command.replace("replay", way)}))
            done = await stage.run(command.replace("replay", way))
            await stage.ends()

    assert 0 == done.code, done.err
