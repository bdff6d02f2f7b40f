"""The status page in a real browser: what a person sees, and that nothing foreign runs in it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.fake_mlflow import FakeMlflow
from gateway.plugin import Value
from gateway.telemetry import logs
from gateway.testing import batch
from tests.e2e.mlflow_server import eventually
from tests.gateway.running import Gateway, gateway
from tests.gateway.telemetry.browser import Browser, browser, needs_browser

pytestmark = [needs_browser, pytest.mark.slow]

SECRET = "fake-" + "page-secret"
SCRIPT = "<script>window.pwned=1</script>"
IMAGE = "<img src=x onerror='window.pwned=1'>"
CONFIG = """
processors: {redaction: {}, mlflow_mapping: {}, cost: {}}
exporters:
  mlflow:
    endpoint: URL
    headers: {x-key: SECRET}
    experiment: {default: llm-traces}
    batch: {flush_timeout: 10ms}
    retry_on_failure: {initial_interval: 100ms, max_interval: 200ms}
  otlp_http/backup:
    endpoint: http://127.0.0.1:1
    batch: {flush_timeout: 10ms}
service:
  pipelines:
    traces:
      receivers: [otlp]
      processors: [redaction, mlflow_mapping, cost]
      exporters: [mlflow, otlp_http/backup]
"""


def call(name: str = "chat", model: str = "gpt-4o", **attributes: str) -> bytes:
    """Return a request with a call of a model."""
    said: dict[str, Value] = {
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 300,
        "gen_ai.operation.name": "chat",
        "note": "mail ada@example.org",
        **attributes,
    }
    return batch(said, name=name).encode()


@asynccontextmanager
async def busy(folder: Path) -> AsyncIterator[Gateway]:
    """Run a gateway to which all kinds of things have happened."""
    logs.configure("info", "json")
    async with FakeMlflow() as server:
        server.poison = lambda span: span.name == SCRIPT
        config = CONFIG.replace("URL", server.url).replace("SECRET", SECRET)
        async with gateway(folder, config) as running:
            await running.post(call())
            await running.post(call("odd", IMAGE))
            await running.post(call(SCRIPT))
            await running.post(call(), {"x-mlflow-experiment-id": "nonsense"})
            await running.post(call(), {"x-mlflow-experiment-id": "4711"})
            await running.post(b"not protobuf")

            async def given_up() -> bool:
                await running.post(call())  # what was refused before is to blame only then
                return running.service.status().dead_letters > 0

            await eventually(given_up, what="a dead letter")
            yield running


@asynccontextmanager
async def page(folder: Path) -> AsyncIterator[Browser]:
    """Open the status page of such a gateway."""
    async with busy(folder) as running, browser(folder) as window:
        await window.look()
        await window.open(running.url("/", "status"))
        yield window


async def test_shows_what_matters(tmp_path: Path) -> None:
    """Pipeline, destinations, letters, models, redactions, errors and settings are there."""
    async with page(tmp_path) as window:
        await window.until("return document.querySelectorAll('#letters tbody tr').length")
        await window.until("return document.body.innerText.includes('trying again')")
        text = await window.text()
        await window.run("document.querySelector('#config').open = true")
        settings = await window.until("return document.querySelector('#yaml').textContent")
        fetched = await window.run(
            "return performance.getEntriesByType('resource').map(e => new URL(e.name).origin)"
        )
        own = await window.run("return location.origin")
        complaints = await window.complaints()

    for expected in (
        "otlp_http/backup",
        "mlflow_mapping",
        "llm-traces",
        "email",
        "malformed",
        "parked",
    ):
        assert expected in text
    assert SECRET not in text + settings
    assert "****" in settings
    assert {own} == set(fetched)
    assert [] == complaints


async def test_runs_nothing_foreign(tmp_path: Path) -> None:
    """Names of spans and models are shown as they are and never become part of the page."""
    async with page(tmp_path) as window:
        await window.until("return document.querySelectorAll('#letters tbody tr').length")
        await window.until("return document.querySelectorAll('#unknown tbody tr').length")
        shown = await window.text("#letters"), await window.text("#unknown")
        injected = await window.run(
            "return [window.pwned ?? null, document.querySelector('main :is(script, img)')]"
        )

    assert SCRIPT in shown[0]
    assert "onerror" in shown[1]
    assert [None, None] == injected


async def test_tells_what_became_of_a_trace(tmp_path: Path) -> None:
    """A trace id, however written, brings its story; what is no id brings an explanation."""
    async with page(tmp_path) as window:
        ask = (
            "document.querySelector('#trace').value = {0};"
            "document.querySelector('#ask button').click()"
        )
        await window.until("return document.querySelectorAll('#letters tbody tr').length")
        await window.run(ask.format("'tr-' + document.querySelector('#letters .trace').innerText"))
        await window.until("return document.querySelectorAll('#story tbody tr').length")
        story = await window.text("#story")
        await window.run(ask.format("'nonsense'"))
        await window.until("return document.querySelector('#story .notice')")
        complaint = await window.text("#story")
        complaints = [one for one in await window.complaints() if "400" not in one]

    assert "dead letter" in story
    assert "received" in story
    assert "no trace id" in complaint
    assert [] == complaints


async def test_suits_every_screen(tmp_path: Path) -> None:
    """It follows the theme of the system or the one chosen, and fits a phone without scrolling."""
    taken: dict[str, bytes] = {}
    paper = "return getComputedStyle(document.body).backgroundColor"
    async with page(tmp_path) as window:
        await window.until("return document.querySelectorAll('#letters tbody tr').length")
        light = await window.run(paper)
        taken["light"] = await window.screenshot()
        await window.look(theme="dark")
        dark = await window.run(paper)
        taken["dark"] = await window.screenshot()
        await window.run("document.querySelector('#theme').click()")
        chosen = await window.run(paper)
        await window.look(theme="dark", width=390, height=844)
        hidden = await window.until(
            "return innerWidth < 500 && document.documentElement.scrollWidth + '/' + innerWidth"
        )
        taken["phone"] = await window.screenshot()

    folder = Path(os.environ.get("SPANGATE_SCREENSHOTS", tmp_path))  # to be looked at
    for name, image in taken.items():
        (folder / f"{name}.png").write_bytes(image)
    assert light != dark
    assert light == chosen
    assert "390/390" == hidden
