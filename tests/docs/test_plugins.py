"""What ``docs/plugins.md`` says happens: its blocks are run in their order, in a clean folder."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

HOME = Path(__file__).parents[2]
PAGE = (HOME / "docs" / "plugins.md").read_text()
FREE_PORTS = [
    word
    for setting in (
        "receivers.otlp.protocols.grpc",
        "receivers.otlp.protocols.http",
        "service.telemetry.metrics",
        "service.telemetry.status",
    )
    for word in ("--set", f"{setting}.endpoint=127.0.0.1:0")
]


class Block(NamedTuple):
    """One code block: its language, what stands behind that, its lines."""

    language: str
    about: str
    text: str


FENCED = re.compile(r"^```(\w+) ?(.*)\n((?:.*\n)*?)```", re.MULTILINE)
BLOCKS = [Block(*found) for found in FENCED.findall(PAGE)]


class Reader:
    """Somebody who types what the page says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.printed = ""
        self.running: subprocess.Popen[str] | None = None
        self.endpoint = ""
        self.count = 0

    def follow(self, block: Block) -> None:
        """Do what a block says."""
        match block.language:
            case "bash":
                self.printed = "".join(self.run(line) for line in block.text.splitlines())
            case "text" if block.about:
                self.watch(block.text.strip())
            case "text":
                assert all(line in self.printed for line in block.text.splitlines())
            case "python" | "yaml" if block.about:
                (self.folder / block.about.removeprefix("file=")).write_text(block.text)
            case "python":
                self.check(block.text)
            case other:
                raise AssertionError(f"nobody runs blocks of {other}")

    def run(self, line: str) -> str:
        """Run one line; return what it prints."""
        if line.startswith("cd "):
            self.folder /= line.removeprefix("cd ")
            return ""
        if line.startswith("spangate run"):
            self.start(line)
            return ""
        if line.startswith("curl") and not shutil.which("curl"):
            pytest.skip("curl is not installed")
        line = line.replace("127.0.0.1:4318", self.endpoint)
        result = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert 0 == result.returncode, f"{line}\n{result.stdout}{result.stderr}"
        return result.stdout

    def start(self, line: str) -> None:
        """Start the gateway on free ports."""
        command = [sys.executable, "-m", "gateway.cli", *line.split()[1:], *FREE_PORTS]
        self.running = subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.running.stderr is not None
        for said in self.running.stderr:
            event = json.loads(said)
            if event["event"] == "gateway started":
                self.endpoint = event["endpoints"]["http"]
                return
        raise AssertionError("the gateway did not start")

    def check(self, code: str) -> None:
        """Run the tests that a block holds, or hold its component to the contract."""
        self.count += 1
        name = f"block_{self.count}"
        tests = ""
        if "def test_" not in code:
            [component] = re.findall(r"^class (\w+)\((?:Processor|Exporter)", code, re.MULTILINE)
            tests = (
                "\n\ndef test_contract():\n    from gateway.testing import check_contract\n\n"
                f"    check_contract({component})\n"
            )
        (self.folder / f"{name}.py").write_text(code + tests)
        self.run(f"python -m pytest -q {name}.py")

    def watch(self, text: str) -> None:
        """See the running gateway print a text, and end it."""
        assert self.running is not None
        assert self.running.stderr is not None
        assert any(text in line for line in self.running.stderr)
        self.running.terminate()
        self.running.communicate(timeout=60)
        assert 0 == self.running.returncode


def environment() -> dict[str, str]:
    """Return the environment of somebody who has the gateway installed, without a network."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(HOME),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PIP_NO_BUILD_ISOLATION": "false",  # pip's way to say: without isolation
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "NO_COLOR": "1",
        "COLUMNS": "160",
    }


@contextmanager
def reader(folder: Path) -> Iterator[Reader]:
    somebody = Reader(folder)
    try:
        yield somebody
    finally:
        if somebody.running is not None and somebody.running.poll() is None:
            somebody.running.kill()
            somebody.running.communicate()


@pytest.mark.slow
def test_it_happens_as_the_page_says(tmp_path: Path) -> None:
    """Every block, line by line; the gateway that is run shows the span and ends in order."""
    with reader(tmp_path) as somebody:
        for block in BLOCKS:
            somebody.follow(block)
        assert somebody.running is not None
        assert somebody.running.returncode is not None, "the page shows what the run prints"


def test_its_links_lead_somewhere() -> None:
    """Each relative link is a file or folder of the repository."""
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", PAGE):
        assert (HOME / "docs" / link).exists(), link


def test_it_is_one_page() -> None:
    """Short enough to be read before the first plugin."""
    assert len(PAGE.splitlines()) <= 280


def test_it_names_all_that_plugins_are_given() -> None:
    """Whatever a processor's author may want is on the page."""
    names = (
        "Reject Busy Retry TraceProcessor FakeMlflow FakeContext check_contract on_error "
        "context.meter batch.drop API_VERSION"
    )
    assert [] == [name for name in names.split() if name not in PAGE]
