"""What happens where the thread that writes the log meets what nobody foresaw."""

import json
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parents[3]
PROGRAM = """
import asyncio
from gateway.config.settings import LogsConfig
from gateway.queue.log import Log
from gateway.queue.writer import Writer
from gateway.telemetry import logs

class Broken(Log):
    def __init__(self):
        pass
    def ended(self):
        raise KeyError("a secret")

async def main():
    writer = Writer(Broken(), lambda *_: None, lambda _: None)
    await writer.call(lambda: None, lambda _: None)
    await asyncio.Event().wait()

logs.take_over(LogsConfig(format="json"))
asyncio.run(main())
"""


def test_an_unforeseen_fault_ends_the_process() -> None:
    """Requests would wait for ever else; the log says which part it was, and no text of it."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=HOME,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 1 == ended.returncode, ended.stderr
    told = json.loads(ended.stderr.splitlines()[-1])
    assert ("queue-writer", "error") == (told["part"], told["level"])
    assert "KeyError" in told["reason"]
    assert "a secret" not in ended.stderr
