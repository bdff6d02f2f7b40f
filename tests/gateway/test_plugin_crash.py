"""What is left of the gateway's promises when a plugin takes its process down."""

import asyncio
import json
import os
from pathlib import Path

import aiohttp
import pytest

from gateway.testing import batch
from tests.gateway.real import CONFIG, Gateway, Sink, serving

PLUGIN = """
import asyncio
import ctypes
import os
import sys

from gateway.plugin import Batch, Config, Context, Processor


class Crashing(Processor[Config]):
    on_error = "POLICY"

    def process(self, batch: Batch) -> Batch:
        for span in batch:
            if span.name == "segfault":
                ctypes.string_at(0)
            if span.name == "exit":
                os._exit(7)
            if span.name == "kill":
                os.kill(os.getpid(), 9)
            if span.name == "callback":
                self.loop.call_soon_threadsafe(sys.exit, 5)
        return batch

    async def start(self, context: Context) -> None:
        self.loop = asyncio.get_running_loop()
"""
HEADERS = {"Content-Type": "application/x-protobuf"}
AS_JSON = {"Content-Type": "application/json"}


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs Linux")
@pytest.mark.parametrize(
    ("fault", "how", "where", "blamed"),
    [
        ("segfault", "signal 11", "crashing.py:16", True),
        ("exit", "exit code 7", None, True),
        ("callback", "exit code 5", None, False),
    ],
)
async def test_a_crash_costs_one_request(
    fault: str, how: str, where: str | None, blamed: bool, tmp_path: Path
) -> None:
    """
    What was accepted before arrives, the next request is taken, the log names the line.

    A processor that crashed at work is left alone: the same request takes no other worker down.
    """
    sink, gateway = Sink(), Gateway(tmp_path)
    sink.away = True
    async with serving(sink) as address, aiohttp.ClientSession() as http:
        configure(tmp_path, address, "pass")
        await gateway.start()

        async def post(name: str) -> bytes:
            sent = batch({}, name=name)
            answer = await http.post(gateway.traces, data=sent.encode(), headers=HEADERS)
            assert 200 == answer.status
            return next(iter(sent)).span_id

        spans = {await post("fine")}
        with pytest.raises(aiohttp.ClientError):
            await post(fault)
        sink.away = False
        async with asyncio.timeout(60):
            while len(spans) < 2:
                try:
                    spans.add(await post(fault if blamed else "fine"))
                except (aiohttp.ClientError, OSError):  # while another worker starts
                    await asyncio.sleep(0.02)
            while sink.spans != spans:
                await asyncio.sleep(0.02)
        await gateway.end(gently=True)
    log = await gateway.log()
    [told] = [line for line in log if "unexpectedly" in line["event"]]
    assert (fault == "callback") == any("sys.exit()" in line["event"] for line in log)
    assert how == told["how"]
    assert where == told.get("at"), json.dumps(told)
    assert (["traces: crashing"] if blamed else None) == told["left_alone"]


def configure(folder: Path, sink: str, policy: str) -> None:
    """Write a configuration with the crashing processor."""
    (folder / "crashing.py").write_text(PLUGIN.replace("POLICY", policy))
    plugin = "processors: {crashing: {use: './crashing.py:Crashing'}}\n"
    text = CONFIG.format(sink=sink).replace("processors: []", "processors: [crashing]")
    (folder / "gateway.yaml").write_text(plugin + text)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs Linux")
@pytest.mark.parametrize(
    ("policy", "status"), [("reject", 400), pytest.param("pass", 200, marks=pytest.mark.nightly)]
)
async def test_a_request_that_kills_twice_kills_no_more(
    policy: str, status: int, tmp_path: Path
) -> None:
    """Killed without a note: the third time the sender has an answer, for good."""
    sink, gateway = Sink(), Gateway(tmp_path)
    poison = batch({}, name="kill").encode()
    broken = 0
    async with serving(sink) as address, aiohttp.ClientSession() as http:
        configure(tmp_path, address, policy)
        await gateway.start()
        try:
            async with asyncio.timeout(60):
                while True:
                    try:
                        answer = await http.post(gateway.traces, data=poison, headers=HEADERS)
                        break
                    except aiohttp.ServerDisconnectedError:
                        broken += 1
                    except (aiohttp.ClientError, OSError):  # while another worker starts
                        await asyncio.sleep(0.02)
            assert status == answer.status, await answer.read()
            assert 0 == await gateway.end(gently=True)
        finally:
            await gateway.abandon()
    assert 2 == broken
    ends = [line for line in await gateway.log() if "unexpectedly" in line["event"]]
    assert [["traces: crashing"]] * 2 == [line["processing"] for line in ends]
    assert [None, ["traces: crashing"]] == [line["left_alone"] for line in ends]


READING = """
import os

from gateway.plugin import Batch, Config, Processor
from gateway.receivers import requests

usual = requests.decode_request


def decode(data):
    if b"crash" in data:
        os.kill(os.getpid(), 9)
    return usual(data)


requests.decode_request = decode


class Reading(Processor[Config]):
    def process(self, batch: Batch) -> Batch:
        return batch
"""


@pytest.mark.nightly
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs Linux")
async def test_a_request_that_kills_in_reading_is_not_read_a_third_time(tmp_path: Path) -> None:
    """Killed while it was decoded, twice: its sender has an answer, and all others are served."""
    gateway = Gateway(tmp_path)
    (tmp_path / "reading.py").write_text(READING)
    text = CONFIG.format(sink="http://127.0.0.1:9")
    text = text.replace("processors: []", "processors: [reading]")
    plugin = "processors: {reading: {use: './reading.py:Reading'}}\n"
    (tmp_path / "gateway.yaml").write_text(plugin + text)
    await gateway.start()
    broken, answers = 0, list[int]()
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(60):
            for sent in ('{"crash": 1}', "{}"):
                while True:
                    try:
                        answer = await http.post(gateway.traces, data=sent, headers=AS_JSON)
                    except aiohttp.ServerDisconnectedError:
                        broken += 1
                    except (aiohttp.ClientError, OSError):  # while another worker starts
                        await asyncio.sleep(0.02)
                    else:
                        answers.append(answer.status)
                        break
        assert 0 == await gateway.end(gently=True)
    finally:
        await gateway.abandon()
    assert [400, 200] == answers
    assert 2 == broken
    ends = [line for line in await gateway.log() if "unexpectedly" in line["event"]]
    assert [["reading"]] * 2 == [line["processing"] for line in ends]


EXPORTER = """
import asyncio
import os

from gateway.plugin import Batch, Exporter, ExporterConfig


class Crashing(Exporter[ExporterConfig]):
    async def export(self, batch: Batch) -> None:
        if any(span.name == "poison" for span in batch):
            while not os.path.exists("answered"):  # else its sender sends it again
                await asyncio.sleep(0.01)
            os._exit(7)
        with open("out.txt", "a") as file:
            file.writelines(span.span_id.hex() + chr(10) for span in batch)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs Linux")
async def test_what_crashes_three_times_becomes_a_dead_letter(tmp_path: Path) -> None:
    """It takes nothing with it: neither what was sent beside it nor what came later."""
    gateway = Gateway(tmp_path)
    (tmp_path / "crashing.py").write_text(EXPORTER)
    text = CONFIG.format(sink="http://127.0.0.1:9")
    text = text.replace("  otlp_http:", "  bad:\n    use: ./crashing.py:Crashing")
    text = text.replace("    endpoint: http://127.0.0.1:9\n", "").replace("[otlp_http]", "[bad]")
    (tmp_path / "gateway.yaml").write_text(text)
    try:
        await gateway.start()
        names = ["fine"] * 4 + ["poison"] + ["fine"] * 4
        fine: set[str] = set()
        async with aiohttp.ClientSession() as http:
            for name in names:
                made = batch({}, name=name, one_trace=False)
                for span in made:
                    span.proto.trace_id = os.urandom(16)
                    span.proto.span_id = os.urandom(8)
                    if name == "fine":
                        fine.add(span.span_id.hex())
                async with asyncio.timeout(60):
                    while True:
                        try:
                            answer = await http.post(
                                gateway.traces, data=made.encode(), headers=HEADERS
                            )
                        except aiohttp.ClientError:
                            await asyncio.sleep(0.02)  # its worker is being replaced
                        else:
                            assert 200 == answer.status
                            break
                if name == "poison":
                    (tmp_path / "answered").touch()
        letters = tmp_path / "spangate-data" / "dead-letters" / "letters.jsonl"
        out = tmp_path / "out.txt"
        async with asyncio.timeout(60):
            while not (exists(letters) and fine <= lines(out)):
                await asyncio.sleep(0.05)
        (letter,) = [json.loads(line) for line in letters.read_text().splitlines()]
        assert "poison" == letter["name"]
        assert "ended three times" in letter["reason"]
        assert 0 == await gateway.end(gently=True)
    finally:
        await gateway.abandon()
    assert 3 == sum("unexpectedly" in line["event"] for line in await gateway.log())


def exists(path: Path) -> bool:
    return path.exists()


def lines(path: Path) -> set[str]:
    return set(path.read_text().split()) if path.exists() else set()
