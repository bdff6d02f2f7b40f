"""What ``spangate run --reload`` promises to whoever writes a plugin."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.testing import batch

CONFIG = """
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:0"}}}}
processors: {label: {use: "./label.py:Label"}}
exporters: {file: {path: out.jsonl}}
service:
  pipelines: {traces: {receivers: [otlp], processors: [label], exporters: [file]}}
  telemetry: {metrics: {endpoint: "127.0.0.1:0"}, status: {endpoint: "127.0.0.1:0"}}
"""
PLUGIN = """
from gateway.plugin import Batch, Config, Processor

import words


class Label(Processor[Config]):
    def process(self, batch: Batch) -> Batch:
        for span in batch:
            span.attributes["label"] = words.LABEL
        return batch
"""


class Running:
    """A gateway that reloads, and the folder that it runs in."""

    def __init__(self, folder: Path, process: Process) -> None:
        self.folder = folder
        self.process = process
        self.url = ""

    async def event(self, name: str) -> dict[str, Any]:
        """Return the next log line of that name."""
        assert self.process.stderr is not None
        said = []
        async for line in self.process.stderr:
            said.append(line.decode())
            event: dict[str, Any] = json.loads(line)
            if event["event"] == name:
                if name == "gateway started":
                    self.url = f"http://{event['endpoints']['http']}/v1/traces"
                return event
        raise AssertionError("".join(said))

    def write(self, name: str, text: str) -> None:
        """Replace a file as editors do."""
        (self.folder / "new").write_text(text)
        (self.folder / "new").rename(self.folder / name)

    async def label(self) -> str:
        """Return what the plugin writes on a span that is sent now."""
        span = next(iter(sent := batch({})))
        headers = {"Content-Type": "application/x-protobuf"}
        async with (
            aiohttp.ClientSession() as http,
            http.post(self.url, data=sent.encode(), headers=headers) as answer,
        ):
            assert 200 == answer.status
        while True:
            out = self.folder / "out.jsonl"
            for line in out.read_text().splitlines() if out.exists() else ():
                if span.span_id.hex() in line and line.endswith("}"):
                    [group] = json.loads(line)["resourceSpans"]
                    [one] = group["scopeSpans"][0]["spans"][0]["attributes"]
                    return str(one["value"]["stringValue"])
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    (folder / "gateway.yaml").write_text(CONFIG)
    (folder / "label.py").write_text(PLUGIN)
    (folder / "words.py").write_text("LABEL = 'first'\n")
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-B", "-m", "gateway.cli", "run", "--config", "gateway.yaml", "--reload"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        stderr=PIPE,
    )
    try:
        started = Running(folder, process)
        await started.event("gateway started")
        yield started
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_edits_are_taken_up_and_mistakes_are_told(tmp_path: Path) -> None:
    """A plugin, a module beside it, the configuration; what is bad is told and changes nothing."""
    async with running(tmp_path) as started:
        assert "first" == await started.label()

        started.write("label.py", PLUGIN.replace("words.LABEL", "words.LABEL + '!'"))
        assert "label.py" == (await started.event("reloading"))["changed"]
        await started.event("configuration reloaded")
        assert "first!" == await started.label()

        started.write("words.py", "LABEL = 'second'\n")
        await started.event("configuration reloaded")
        assert "second!" == await started.label()

        started.write("label.py", PLUGIN.replace("def process", "def process("))
        refused = await started.event("configuration not reloaded; the old one runs")
        assert "processors.label.use" in refused["reason"]
        assert "label.py, line 8" in refused["reason"]
        assert "second!" == await started.label()

        started.write("label.py", f"import os\n\nos._exit(0)\n{PLUGIN}")
        refused = await started.event("configuration not reloaded; the old one runs")
        assert "importing its plugins ends the process" in refused["reason"]

        started.write("label.py", PLUGIN)
        await started.event("configuration reloaded")
        assert "second" == await started.label()

        started.write("gateway.yaml", CONFIG.replace("label:", "lable_typo: {}, label:"))
        refused = await started.event("configuration not reloaded; the old one runs")
        assert "gateway.yaml:" in refused["reason"]

        started.write("gateway.yaml", CONFIG)
        await started.event("configuration reloaded")
        assert "second" == await started.label()

        started.process.send_signal(signal.SIGTERM)
        assert 0 == await started.process.wait()


@pytest.mark.nightly
async def test_one_that_cannot_start_changes_nothing(tmp_path: Path) -> None:
    """A plugin whose ``start`` fails is named, and what ran before goes on."""
    async with running(tmp_path) as started:
        failing = (
            "    async def start(self, context):\n        self.x = {}['token']\n\n    def process"
        )
        started.write("label.py", PLUGIN.replace("    def process", failing))
        refused = await started.event("configuration not reloaded; the old one runs")
        assert "processors.label: KeyError: 'token' at label.py:9" in refused["reason"]
        assert "first" == await started.label()

        started.write("label.py", PLUGIN)
        await started.event("configuration reloaded")
        assert "first" == await started.label()


@pytest.mark.nightly
async def test_an_edit_between_trial_and_start_is_told(tmp_path: Path) -> None:
    """A plugin that imports where it is tried, and not in the worker, is named as the cause."""
    async with running(tmp_path) as started:
        only_there = (
            "import sys\nif 'gateway.worker' in sys.orig_argv:\n    raise ValueError('late')\n"
        )
        started.write("label.py", only_there + PLUGIN)
        refused = await started.event("configuration not reloaded; the old one runs")
        assert "processors.label.use" in refused["reason"]
        assert "late" in refused["reason"]
        assert "first" == await started.label()
