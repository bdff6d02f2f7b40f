"""What the runbook promises of alerts about delivery: whoever follows the page ends the alert."""

import asyncio
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


class Guarded(FakeMlflow):
    """A server that wants a token."""

    token = "fake-" + "new"

    def _authorized(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {self.token}"


class Slow(FakeMlflow):
    """A server that takes its time for every request."""

    async def _serve(self, request: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return await super()._serve(request)


async def all_sent(stage: Stage) -> bool:
    """Tell whether nothing waits."""
    return [0.0] == await stage.prometheus.value("sum(spangate_queue_spans)")


async def test_not_delivering(tmp_path: Path) -> None:
    """``doctor`` names the wrong credentials; a renewed token file is taken up by itself."""
    token = tmp_path / "token"
    token.write_text("fake-" + "old")
    async with staged(tmp_path, "SpangateNotDelivering", Guarded()) as stage:
        stage.exporter["auth"] = {"token_file": "token"}
        await stage.start()
        async with stage.watched(), stage.sending(lambda: batch({})):
            await stage.fires()
            told = await stage.run("spangate doctor --config /etc/spangate/config/gateway.yaml")
            token.write_text(Guarded.token)
            await stage.ends()

    assert 1 == told.code
    assert "401" in told.out + told.err


async def test_destination_parked(tmp_path: Path) -> None:
    """An experiment that is restored gets what was held for it, by itself."""
    async with staged(tmp_path, "SpangateDestinationParked") as stage:
        gone = stage.mlflow.add_experiment("gone", deleted=True)
        stage.exporter["experiment"] = {"default": "gone"}
        await stage.start()
        async with stage.watched():
            assert 200 == await stage.send(batch({}))
            await stage.fires()
            stage.mlflow.experiments[gone].deleted = False
            await stage.ends()
            await until(lambda: all_sent(stage))

    assert 1 == len(stage.mlflow.experiments[gone].spans)


async def test_destination_parked_and_routed_elsewhere(tmp_path: Path) -> None:
    """Other routing rules are for what comes; what waits goes on once its experiment is back."""
    async with staged(tmp_path, "SpangateDestinationParked") as stage:
        stage.mlflow.add_experiment("gone", deleted=True)
        stage.exporter["experiment"] = {"default": "gone"}
        await stage.start()
        async with stage.watched():
            await stage.send(batch({}))
            await stage.fires()
            stage.exporter["experiment"] = {"default": "here"}
            stage.reload()

            async def new_ones_arrive() -> bool:
                await stage.send(batch({}))
                return "here" in {e.name for e in stage.mlflow.experiments.values() if e.spans}

            await until(new_ones_arrive)
            gone = next(e for e in stage.mlflow.experiments.values() if e.name == "gone")
            gone.deleted = False
            await stage.ends()


async def test_queue_ageing(tmp_path: Path) -> None:
    """Where sends succeed one by one, larger batches end it."""
    async with staged(tmp_path, "SpangateQueueAgeing", Slow()) as stage:
        stage.exporter["batch"]["max_spans"] = 1
        await stage.start()
        async with stage.watched(), stage.sending(lambda: batch({})):
            await stage.fires()
            sent = await stage.ask("rate(spangate_exporter_sent_spans_total[5m])")
            came = await stage.ask("rate(spangate_receiver_accepted_spans_total[5m])")
            stage.exporter["batch"]["max_spans"] = 500
            stage.reload()
            await stage.ends()

    assert 0 < sum(sent) < sum(came)


LEFT = (
    "(spangate_queue_limit_bytes - spangate_queue_size_bytes) / "
    "deriv(spangate_queue_size_bytes[15m])"
)


async def fill(stage: Stage, mib: float) -> list[int]:
    """Send so much; return the statuses of the answers."""
    size = 100_000
    times = int(mib * 1024 * 1024 / size)
    return [await stage.send(batch({"text": "x" * size})) for _ in range(times)]


async def test_queue_filling(tmp_path: Path) -> None:
    """A larger queue gains time; a destination that is back empties it."""
    async with staged(tmp_path, "SpangateQueueFilling") as stage:
        stage.exporter["sending_queue"]["max_size_mib"] = 1
        stage.mlflow.gate.clear()
        await stage.start()
        async with stage.watched():
            await fill(stage, 0.9)
            await stage.fires()
            await until(lambda: stage.ask(LEFT))
            stage.exporter["sending_queue"]["max_size_mib"] = 2
            stage.reload()
            await stage.ends()
            await fill(stage, 0.9)
            await stage.fires()
            stage.mlflow.gate.set()
            await stage.ends()


async def test_losing_spans_from_a_full_queue(tmp_path: Path) -> None:
    """``on_full: reject`` lets senders keep what does not fit."""
    async with staged(tmp_path, "SpangateLosingSpans") as stage:
        stage.exporter["sending_queue"] |= {"max_size_mib": 1, "on_full": "drop_oldest"}
        stage.mlflow.gate.clear()
        await stage.start()
        async with stage.watched():
            lossy = await fill(stage, 2)
            await stage.fires()
            stage.exporter["sending_queue"]["on_full"] = "reject"
            stage.reload()

            async def are_refused() -> bool:
                return 429 in await fill(stage, 1)

            await until(are_refused)
            await stage.ends()

    assert {200} == set(lossy)


async def test_losing_dead_letters(tmp_path: Path) -> None:
    """More room for dead letters ends their loss."""
    async with staged(tmp_path, "SpangateLosingSpans") as stage:
        stage.mlflow.poison = lambda span: span.name == "poison"
        stage.config["service"]["dead_letters"] = {"max_size_mib": 1}
        await stage.start()
        async with (
            stage.watched(),
            stage.sending(lambda: batch({"t": "x" * 200_000}, name="poison")),
            stage.sending(lambda: batch({})),
        ):
            await stage.fires()
            stage.config["service"]["dead_letters"] = {"max_size_mib": 1000}
            stage.reload()
            await stage.ends()


async def test_dead_letters(tmp_path: Path) -> None:
    """What a processor mends is sent again through it; what MLflow takes by now is replayed."""
    async with staged(tmp_path, "SpangateDeadLetters") as stage:
        stage.mlflow.poison = lambda span: any(a.key == "bad" for a in span.attributes)
        await stage.start()
        async with stage.watched():
            await stage.send(batch({"bad": 1}, name="poison"))

            async def are_there() -> bool:
                await stage.send(batch({}))
                return bool(await stage.prometheus.firing())

            await until(are_there)
            config = "--config /etc/spangate/config/gateway.yaml"
            listed = await stage.run(f"spangate dead-letters list {config}")
            useless = await stage.run(f"spangate dead-letters replay --all {config}")
            exported = await stage.run(f"spangate dead-letters export {config}")
            stage.config["processors"]["attributes"] = {
                "actions": [{"key": "bad", "action": "delete"}]
            }
            stage.processors.append("attributes")
            stage.reload()
            stored = stage.stored()

            async def are_mended() -> bool:
                for line in exported.out.splitlines():
                    assert 200 == await stage.post(line.encode(), "application/json")
                return stage.stored() > stored

            await until(are_mended)
            dropped = await stage.run(f"spangate dead-letters drop --all {config}")
            stage.mlflow.poison = lambda _: False
            await stage.ends()

    assert "poison" in listed.out
    assert "422" in listed.out
    assert 1 == useless.code
    assert 0 == dropped.code, dropped.err


async def test_dead_letters_that_are_replayed(tmp_path: Path) -> None:
    """Once MLflow takes them, a replay brings them there."""
    async with staged(tmp_path, "SpangateDeadLetters") as stage:
        stage.page = stage.page._replace(commands=frozenset(COMMANDS))
        stage.mlflow.poison = lambda span: span.name == "poison"
        await stage.start()
        async with stage.watched():
            await stage.send(batch({}, name="poison"))

            async def are_there() -> bool:
                await stage.send(batch({}))
                return bool(await stage.prometheus.firing())

            await until(are_there)
            stage.mlflow.poison = lambda _: False
            replayed = await stage.run(COMMANDS[0])
            await stage.ends()

    assert 0 == replayed.code, replayed.err
    assert "1 of 1 dead letters sent" in replayed.out


COMMANDS = [
    "spangate dead-letters replay --all --config /etc/spangate/config/gateway.yaml",
]
