"""What authors learn from ``check_contract``: each broken promise, where, and what to do."""

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.registry import Registry
from gateway.testing import ContractError, check_contract

HEADER = """
import asyncio, threading, time
from gateway.plugin import *
from gateway.plugin import Receiver

class Good(Processor[Config]):
    def process(self, batch):
        return batch

"""
GOOD = """
class Settings(Config):
    words: tuple[str, ...] = ("a",)
    wait: Duration = Duration(5)
    token: Secret = Secret("t" + "oken")

class Plugin(Processor[Settings]):
    async def start(self, context):
        self.task = asyncio.create_task(context.clock.sleep(1))
        context.meter.count("starts")

    def process(self, batch):
        for span in batch:
            span.attributes["seen"] = True
        return batch

    async def stop(self):
        task, self.task = getattr(self, "task", None), None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
"""
BROKEN = {
    "KeyError: 'prompt'": """
class Plugin(Good):
    def process(self, batch):
        for span in batch:
            span.attributes["prompt"]  # here
        return batch
""",
    "process() on an empty batch (and 1 more) failed: IndexError": """
class Plugin(Good):
    def process(self, batch):
        batch.spans[0].name = "first"  # here
        return batch
""",
    "process() on values of other types failed": """
class Plugin(Good):
    def process(self, batch):
        for span in batch:
            span.attributes["n"] = len(span.attributes.get("input.value", ""))  # here
        return batch
""",
    "returned NoneType, expected the batch": """
class Plugin(Good):
    def process(self, batch):  # here
        for span in batch:
            span.attributes["n"] = 1
""",
    "returned 2 spans that did not come in, or twice": """
class Plugin(Good):
    def process(self, batch):  # here
        for span in batch:
            span.proto.trace_id = b"x" * 16
        return batch
""",
    "makes something else of it when it has seen others before": """
class Plugin(Good):
    count = 0
    def process(self, batch):  # here
        for span in batch:
            self.count += 1
            span.attributes["n"] = self.count
        return batch
""",
    "the batch is still held after process() has returned": """
class Plugin(Good):
    def process(self, batch):  # here
        self.last = batch
        return batch
""",
    "mixes up batches that are processed at the same time": """
class Plugin(Good):
    def process(self, batch):  # here
        self.names = [span.name for span in batch]
        time.sleep(0.001)
        for span in batch:
            span.attributes["names"] = self.names
        return batch
""",
    "stop() without start() failed: AttributeError": """
class Plugin(Good):
    async def start(self, context):
        self.file = open("/dev/null")
    async def stop(self):
        self.file.close()  # here
""",
    "stop() after stop() failed: AttributeError": """
class Plugin(Good):
    def __init__(self, config):
        super().__init__(config)
        self.open = {}
    async def start(self, context):
        self.open["x"] = 1
    async def stop(self):
        if self.open is not None:
            self.open = self.open.pop("x", None)  # here
""",
    "the task Plugin.work still runs after stop()": """
class Plugin(Good):
    async def start(self, context):
        self.task = asyncio.create_task(self.work())
    async def work(self):  # here
        await asyncio.Event().wait()
""",
    "start() is not async": """
class Plugin(Good):
    def start(self, context):  # here
        pass
""",
    "words of Settings is not what it was once written and read": """
class Settings(Config):
    words: list[str] = []
    def __post_init__(self):
        self.words = [*self.words, "more"]

class Plugin(Processor[Settings]):  # here
    def process(self, batch):
        return batch
""",
    "importing the module starts a thread": """
threading.Thread(target=print).start()  # here

class Plugin(Good): ...
""",
    "importing the module writes a file": """
open("/dev/null", "w").close()  # here

class Plugin(Good): ...
""",
    "importing the module changes the environment": """
import os
os.environ["SPANGATE_TEST"] = "1"  # here

class Plugin(Good): ...
""",
    "export() of an ordinary batch (and 7 more) failed: KeyError": """
class Plugin(Exporter[ExporterConfig]):
    async def export(self, batch):
        {}["x"]  # here
""",
    "returned '1', then '2'": """
class Plugin(Exporter[ExporterConfig]):
    count = 0
    def route(self, context, resource):  # here
        self.count += 1
        return str(self.count)
    async def export(self, batch): ...
""",
    "decide() on an ordinary batch (and 5 more) returned bool": """
class Plugin(TraceProcessor[Config]):
    def decide(self, trace):  # here
        return True
""",
    "changes the trace": """
class Plugin(TraceProcessor[Config]):
    def decide(self, trace):  # here
        for span in trace.spans:
            span.attributes["seen"] = True
        return Keep()
""",
    "asked to wait for -1 seconds": """
class Plugin(TraceProcessor[Config]):
    def decide(self, trace):  # here
        return Wait(-1) if trace.ending is None else Keep("late")
""",
    "returned other spans than it was given": """
class Plugin(TraceProcessor[Config]):
    def decide(self, trace):
        return Keep()
    def release(self, batch, reason):  # here
        for span in batch:
            batch.drop(span)
        return batch
""",
    "refuse() before listen() failed: AttributeError": """
class Plugin(Receiver[Config]):
    async def listen(self, deliver): self.deliver = None
    async def refuse(self):
        self.deliver()  # here
""",
    "building it failed: ValidationError": """
class Settings(Config):
    words: list[str]

class Plugin(Processor[Settings]):
    def process(self, batch):
        return batch
""",
}


def load(folder: Path, code: str) -> Any:
    (folder / "plugin.py").write_text(HEADER + code)
    return Registry({}).load_use("./plugin.py:Plugin", folder)


def test_a_good_one_passes(tmp_path: Path) -> None:
    """Nothing is said about one that keeps everything."""
    check_contract(load(tmp_path, GOOD))


async def test_it_may_be_called_from_an_async_test(tmp_path: Path) -> None:
    """It has an event loop of its own."""
    check_contract(load(tmp_path, GOOD), words=["b"], wait="1m")


def test_a_component_that_is_built_will_do(tmp_path: Path) -> None:
    """Its class is checked with its settings."""
    kind = load(tmp_path, GOOD)
    check_contract(kind(kind.__orig_bases__[0].__args__[0]()))


def test_an_async_processor_passes(tmp_path: Path) -> None:
    """``async def process`` is checked on the event loop."""
    check_contract(load(tmp_path, GOOD.replace("def process", "async def process")))


@pytest.mark.parametrize("promise", BROKEN)
def test_a_broken_promise_is_named(
    promise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says which, at which line, and what to do."""
    code = HEADER + BROKEN[promise]
    if not promise.startswith("importing"):  # that takes a Python of its own
        monkeypatch.setattr("gateway.contract.check.check_import", lambda _: None)
    with pytest.raises(ContractError, match=re.escape(promise)) as error:
        check_contract(load(tmp_path, BROKEN[promise]))

    message = str(error.value)
    [breach] = [line for line in message.splitlines() if promise in line]
    lines = [at for at, line in enumerate(code.splitlines(), 1) if line.endswith("# here")]
    for line in lines:
        assert breach.strip().startswith(f"plugin.py:{line}: ")
    hint = message.splitlines()[message.splitlines().index(breach) + 1]
    assert re.match(r"    +\w", hint)


def test_several_are_named_in_one_go(tmp_path: Path) -> None:
    """Whoever mends one sees the next at the same time."""
    code = BROKEN["start() is not async"] + "    async def stop(self): self.nothing.close()\n"
    with pytest.raises(ContractError, match="2 promises") as error:
        check_contract(load(tmp_path, code))
    assert "start() is not async" in str(error.value)
    assert "stop() without start() (and 2 more) failed" in str(error.value)


def test_one_that_never_returns_is_located(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop without end is named by its line."""
    monkeypatch.setattr("gateway.contract.check.LIMIT_S", 2.0)
    code = """
class Plugin(Good):
    stopped = False
    def process(self, batch):
        while not Plugin.stopped:  # here
            pass
        return batch
"""
    kind = load(tmp_path, code)
    with pytest.raises(ContractError, match=r"plugin\.py:1[45]: what stands here has not returned"):
        check_contract(kind)
    kind.stopped = True
