"""What ``spangate why`` finds out about traces, asked of real gateways and of their disks."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typer.testing import Result

from gateway.fake_mlflow import FakeMlflow
from gateway.plugin import Batch
from gateway.telemetry import logs
from gateway.testing import batch
from gateway.why import parse
from tests.e2e.mlflow_server import eventually
from tests.gateway.cli.support import call
from tests.gateway.real import CONFIG as REAL
from tests.gateway.real import Gateway as Started
from tests.gateway.real import Sink, serving
from tests.gateway.running import Gateway, gateway

TOKEN = "fake-" + "why-token"
CONFIG = """
processors:
  probabilistic_sampler: {sampling_percentage: 0}
  tail_sampling:
    decision_wait: 100ms
    policies:
      - {name: by-name, type: condition, condition: {span: ["span.name == 'wanted'"]}}
exporters:
  mlflow:
    endpoint: URL
    batch: {flush_timeout: 10ms}
    sending_queue: {storage: STORAGE}
    retry_on_failure: {initial_interval: 100ms, max_interval: 200ms}
service:
  telemetry: {status: {auth: {token: TOKEN}}}
  pipelines:
    traces: {receivers: [otlp], processors: [PROCESSORS], exporters: [mlflow]}
"""
NOWHERE = "http://127.0.0.1:1"
FILTERS = """
processors:
  mine: {use: "tests.gateway.plugins_for_tests:DropNamed", value: mine}
  filter: {traces: {span: ["span.name == 'health'", "span.span_id == 'PART'"]}}
"""
BROKEN = """
processors:
  mine: {use: "tests.gateway.plugins_for_tests:Say", what: crash, on_error: drop}
"""


@pytest.fixture(autouse=True)
def _log() -> None:
    """Keep what the gateway logs in this process off the standard output of the command."""
    logs.configure("info", "json")


def config(url: str, *, storage: str = "disk", processors: str = "") -> str:
    """Return the settings of a gateway."""
    text = CONFIG.replace("URL", url).replace("STORAGE", storage)
    return text.replace("PROCESSORS", processors).replace("TOKEN", TOKEN)


def traces(*batches: Batch) -> list[str]:
    """Return the ids of the first trace of each batch."""
    return [one.entries()[0].trace_id.hex() for one in batches]


def command(folder: Path, trace: str, *more: str) -> Result:
    """Call ``spangate why`` as a user beside that gateway would."""
    files = ["--config", str(folder / "base.yaml"), "--config", str(folder / "gateway.yaml")]
    data = ["--set", f"service.data_dir={folder / 'data'}"]
    return call("why", trace, *files, *data, *more)


async def ask(running: Gateway, folder: Path, trace: str) -> dict[str, Any]:
    """Return what the command says beside a running gateway."""
    url = ["--url", running.url("", "status"), "--output", "json"]
    answer = await asyncio.to_thread(command, folder, trace, *url)
    story: dict[str, Any] = json.loads(answer.stdout)
    assert (1 if story["state"] == "unknown" else 0) == answer.exit_code
    return story


async def settled(running: Gateway, folder: Path, trace: str, state: str) -> dict[str, Any]:
    """Return what the command says once a trace has come to some state."""
    story: dict[str, Any] = {}

    async def there() -> bool:
        story.update(await ask(running, folder, trace))
        return bool(story["state"] == state)

    await eventually(there, what=f"{state} of {trace}")
    return story


async def test_delivered(tmp_path: Path) -> None:
    """A delivered trace is told with its sender, its experiment and the page to see it."""
    sent = batch({}, {})
    async with FakeMlflow() as server, gateway(tmp_path, config(server.url)) as running:
        await running.post(sent.encode())
        story = await settled(running, tmp_path, f"tr-{traces(sent)[0]}", "delivered")

    received, delivered = (fact["detail"] for fact in story["facts"])
    assert ("received", "otlp", "http", "127.0.0.1") == tuple(
        received[key] for key in ("kind", "receiver", "transport", "peer")
    )
    assert ("sent", "mlflow") == (delivered["kind"], delivered["exporter"])
    assert "llm-traces" in delivered["destination"]
    assert delivered["page"].startswith(f"{server.url}/#/experiments/")
    assert "llm-traces" in story["summary"]
    assert [] == story["waiting"]


@pytest.mark.parametrize("storage", ["disk", "memory"])
async def test_waiting(tmp_path: Path, storage: str) -> None:
    """A trace whose destination is away waits; the story says where, and why it does."""
    sent = batch({})
    async with gateway(tmp_path, config(NOWHERE, storage=storage)) as running:
        await running.post(sent.encode())

        async def trouble() -> bool:
            return bool(running.service.status().degraded)

        await eventually(trouble, what="trouble")
        story = await settled(running, tmp_path, traces(sent)[0], "waiting")
        unknown = await ask(running, tmp_path, "ab" * 16)

    (part,) = story["waiting"]
    assert "mlflow" == part["exporter"]
    assert "llm-traces" in part["destination"]
    assert "cannot connect" in part["trouble"]
    assert "unknown" == unknown["state"]


async def test_sampled_out(tmp_path: Path) -> None:
    """Of a dropped trace the processor that dropped it is told."""
    sent = batch({})
    text = config(NOWHERE, processors="probabilistic_sampler")
    async with gateway(tmp_path, text) as running:
        await running.post(sent.encode())
        story = await ask(running, tmp_path, traces(sent)[0])

    assert "dropped" == story["state"]
    assert "dropped by probabilistic_sampler (sampling_percentage: 0)" == story["summary"]
    assert ["received", "dropped"] == [fact["detail"]["kind"] for fact in story["facts"]]


async def test_which_rule_dropped_what(tmp_path: Path) -> None:
    """A trace that loses some spans is told so, one that loses all is dropped; each with why."""
    whole, part, mine = batch({}, name="health"), batch({}, {}), batch({}, name="mine")
    text = config(NOWHERE, processors="filter, mine").replace(
        "processors:", FILTERS.replace("PART", part.spans[1].span_id.hex()), 1
    )
    async with gateway(tmp_path, text) as running:
        for one in (whole, part, mine):
            await running.post(one.encode())
        gone = await ask(running, tmp_path, traces(whole)[0])
        left = await ask(running, tmp_path, traces(part)[0])
        without = await ask(running, tmp_path, traces(mine)[0])

    assert "dropped by filter (span.name == 'health')" == gone["summary"]
    assert ["received", "trimmed"] == [fact["detail"]["kind"] for fact in left["facts"]]
    assert "waiting" == left["state"]
    assert "span_id" in left["facts"][1]["detail"]["reason"]
    assert "dropped by mine" == without["summary"]


async def test_dropped_by_a_fault(tmp_path: Path) -> None:
    """What ``on_error: drop`` drops is told with the fault."""
    sent = batch({})
    text = config(NOWHERE, processors="mine").replace("processors:", BROKEN, 1)
    async with gateway(tmp_path, text) as running:
        await running.post(sent.encode())
        story = await ask(running, tmp_path, traces(sent)[0])

    assert "dropped by mine (processor mine failed: KeyError)" == story["summary"]


async def test_undecided(tmp_path: Path) -> None:
    """While a sampler waits for more spans, that is what is told."""
    sent = batch({})
    text = config(NOWHERE, processors="tail_sampling").replace(
        "decision_wait: 100ms", "decision_wait: 1h"
    )
    async with gateway(tmp_path, text) as running:
        await running.post(sent.encode())
        story = await ask(running, tmp_path, traces(sent)[0])

    assert ("waiting", "traces") == (story["state"], story["waiting"][0]["pipeline"])
    assert "undecided" in story["summary"]


async def test_sampled_by_a_policy(tmp_path: Path) -> None:
    """Of whole traces the policy is told that decided."""
    bad, good = batch({}), batch({}, name="wanted")
    text = config(NOWHERE, processors="tail_sampling")
    async with gateway(tmp_path, text) as running:
        for one in (bad, good):
            await running.post(one.encode())
        out = await settled(running, tmp_path, traces(bad)[0], "sampled_out")
        kept = await settled(running, tmp_path, traces(good)[0], "waiting")

    assert "tail_sampling" in out["summary"]
    assert ["received", "kept"] == [fact["detail"]["kind"] for fact in kept["facts"]]
    assert "by-name" == kept["facts"][1]["detail"]["rule"]


async def test_refused(tmp_path: Path) -> None:
    """Of a refused trace the reason is told that its sender got."""
    sent = batch({})
    async with FakeMlflow() as server, gateway(tmp_path, config(server.url)) as running:
        status, _, _ = await running.post(sent.encode(), {"x-mlflow-experiment-id": "no id"})
        story = await ask(running, tmp_path, traces(sent)[0])

    assert 400 == status
    assert "refused" == story["state"]
    assert "x-mlflow-experiment-id" in story["summary"]


async def test_dead_letter(tmp_path: Path) -> None:
    """A trace that MLflow refuses is told as dead letter, with the reason, also afterwards."""
    good, bad = batch({}), batch({}, name="poison")
    async with FakeMlflow() as server:
        server.poison = lambda span: span.name == "poison"
        async with gateway(tmp_path, config(server.url)) as running:
            await running.post(bad.encode())

            async def given_up() -> bool:
                await running.post(good.encode())  # what was refused before is to blame only then
                return running.service.status().dead_letters > 0

            await eventually(given_up, what="a dead letter")
            story = await ask(running, tmp_path, traces(bad)[0])
    later = await asyncio.to_thread(command, tmp_path, traces(bad)[0])

    assert "dead_letter" == story["state"]
    assert "422" in story["dead_letters"][0]["reason"]
    assert 0 == later.exit_code
    assert "dead letter" in later.stdout
    assert "422" in later.stdout


async def test_without_a_gateway_the_disk_tells(tmp_path: Path) -> None:
    """What waits is found while the gateway is down; what is not there ends in 1 with advice."""
    sent = batch({})
    async with gateway(tmp_path, config(NOWHERE)) as running:
        await running.post(sent.encode())
        trace = traces(sent)[0]

    waiting = await asyncio.to_thread(command, tmp_path, trace.upper(), "--url", NOWHERE)
    unknown = await asyncio.to_thread(command, tmp_path, "cd" * 16, "--url", NOWHERE)

    assert 0 == waiting.exit_code
    assert "waiting" in waiting.stdout
    assert "llm-traces" in waiting.stdout
    assert f"no gateway answers at {NOWHERE}" in waiting.stdout
    assert 1 == unknown.exit_code
    assert "tr-<digits>" in unknown.stdout


async def test_people_read_it(tmp_path: Path) -> None:
    """The text names sender, exporter, experiment and page, each event on a line of its own."""
    sent = batch({})
    async with FakeMlflow() as server, gateway(tmp_path, config(server.url)) as running:
        await running.post(sent.encode())
        await settled(running, tmp_path, traces(sent)[0], "delivered")
        url = running.url("", "status")
        answer = await asyncio.to_thread(command, tmp_path, traces(sent)[0], "--url", url)

    first, *lines = answer.stdout.splitlines()
    assert f"trace {traces(sent)[0]}: delivered by mlflow" in first
    assert "by otlp, over http, from 127.0.0.1" in lines[0]
    assert f"{server.url}/#/experiments/" in lines[1]


async def test_all_workers_are_asked(tmp_path: Path) -> None:
    """A trace's story is the same whichever worker received it, and whichever sent it."""
    sink, running = Sink(), Started(tmp_path)
    many = [batch({}) for _ in range(6)]
    async with serving(sink) as address:
        (tmp_path / "gateway.yaml").write_text(REAL.format(sink=address) + "  workers: 2\n")
        await running.start()
        for one in many:
            async with aiohttp.ClientSession() as http:  # each over a connection of its own
                headers = {"Content-Type": "application/x-protobuf"}
                async with http.post(running.traces, data=one.encode(), headers=headers) as answer:
                    assert 200 == answer.status
        async with asyncio.timeout(30):
            while len(sink.spans) < len(many):
                await asyncio.sleep(0.02)
        url = f"http://{running.endpoints['status']}"
        stories = []
        async with aiohttp.ClientSession() as http:
            for trace in traces(*many):
                async with http.get(f"{url}/why.json?trace={trace}") as answer:
                    stories.append(await answer.json())
        await running.end(gently=True)

    assert [("delivered", ["received", "sent"])] * len(many) == [
        (story["state"], [fact["detail"]["kind"] for fact in story["facts"]]) for story in stories
    ]


async def test_needs_the_credentials_of_the_page(tmp_path: Path) -> None:
    """Without them nothing is told, and the text says so."""
    async with gateway(tmp_path, config(NOWHERE)) as running:
        async with running.http.get(running.url("/why.json?trace=" + "ab" * 16, "status")) as got:
            assert 401 == got.status
        other = ["--set", "service.telemetry.status.auth.token=other"]
        url = running.url("", "status")
        answer = await asyncio.to_thread(command, tmp_path, "ab" * 16, "--url", url, *other)

    assert "answered 401" in answer.stdout
    assert 1 == answer.exit_code


ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    "text",
    [
        ID,
        ID.upper(),
        f"tr-{ID}",
        f"TR-{ID.upper()}",
        f"00-{ID}-00f067aa0ba902b7-01",
        f" {ID}\n",
        "4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
        f"trace:/catalog.schema/{ID}",
    ],
)
def test_every_way_to_write_a_trace_id(text: str) -> None:
    """Ids are taken as OpenTelemetry, W3C and MLflow write them."""
    assert bytes.fromhex(ID) == parse(text)


@pytest.mark.parametrize("text", ["", "4bf9", "0" * 32, "x" * 32, f"{ID}00", f"00-{ID}", "tr-"])
def test_what_is_no_trace_id(text: str) -> None:
    """Anything else is refused with an example."""
    with pytest.raises(ValueError, match="no trace id"):
        parse(text)
    assert 2 == call("why", text or " ").exit_code
