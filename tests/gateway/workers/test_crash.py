"""What is said of a worker that crashed."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from gateway.config.loader import load
from gateway.config.settings import Settings
from gateway.workers import crash

PLUGIN = """
from gateway.plugin import Batch, Config, Processor


class {name}(Processor[Config]):
    def process(self, batch: Batch) -> Batch:
        return batch
"""
CONFIG = """
receivers: {otlp: {}}
processors:
  redaction: {}
  cost: {}
  one: {use: ./one.py:One}
  one/again: {use: ./one.py:One}
  two: {use: ./two.py:Two}
exporters: {debug: {}}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [redaction, cost, one], exporters: [debug]}
    traces/b: {receivers: [otlp], processors: [one/again, two], exporters: [debug]}
"""
ENGINE = "/lib/gateway/guard.py"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("One", "Two"):
        (tmp_path / f"{name.lower()}.py").write_text(PLUGIN.format(name=name))
    (tmp_path / "gateway.yaml").write_text(CONFIG)
    return load([tmp_path / "gateway.yaml"])


def _note(folder: Path, *files: str) -> crash.Frames:
    """Return what is read of a note as Python leaves it, the innermost frame first."""
    lines = [f'  File "{file}", line 70 in process' for file in reversed(files)]
    text = "\n".join(["Fatal Python error: Segmentation fault", "", *lines, ""])
    (folder / "crash-3.txt").write_text(text)
    return crash.frames(folder, 3)


def test_the_plugin_is_blamed_not_what_stands_beside_it(settings: Settings, tmp_path: Path) -> None:
    """All that its class makes is left alone, its neighbours in the folder are not."""
    stood = _note(tmp_path, ENGINE, f"{tmp_path}/two.py", "/lib/site-packages/numpy/core.py")
    assert ["traces/b: two"] == crash.blamed(stood, settings)
    stood = _note(tmp_path, ENGINE, f"{tmp_path}/one.py")
    assert ["traces: one", "traces/b: one/again"] == crash.blamed(stood, settings)


def test_of_two_in_a_file_one_is_blamed(tmp_path: Path) -> None:
    """The method on the way to the crash tells them apart."""
    both = PLUGIN.format(name="One") + PLUGIN.format(name="Two").partition("\n\n\n")[2]
    (tmp_path / "one.py").write_text(both)
    (tmp_path / "gateway.yaml").write_text(CONFIG.replace("./two.py", "./one.py"))
    settings = load([tmp_path / "gateway.yaml"])
    line = 1 + both.splitlines().index("        return batch")
    stood = [(ENGINE, 5), (str(tmp_path / "one.py"), line)]
    assert ["traces: one", "traces/b: one/again"] == crash.blamed(stood, settings)


def test_a_helper_is_blamed_on_those_whom_it_may_help(settings: Settings, tmp_path: Path) -> None:
    """Where no class's own file was on the way, its folder counts."""
    stood = _note(tmp_path, ENGINE, f"{tmp_path}/helper.py")
    expected = ["traces: one", "traces/b: one/again", "traces/b: two"]
    assert expected == crash.blamed(stood, settings)


def test_the_engine_blames_nobody(settings: Settings, tmp_path: Path) -> None:
    """A crash of our own leaves every processor at work; so does one without a note."""
    assert [] == crash.blamed(_note(tmp_path, "/lib/gateway/queue/log.py"), settings)
    assert [] == crash.blamed(crash.frames(tmp_path, 4), settings)
    assert {} == crash.told(crash.frames(tmp_path, 4))


def test_a_processor_of_ours_is_blamed_alone(settings: Settings, tmp_path: Path) -> None:
    """Built-in processors stand in one folder, each in a file or folder of its own."""
    module: ModuleType = sys.modules[settings.processors["cost"].component.__module__]
    stood = _note(tmp_path, ENGINE, str(module.__file__))
    assert ["traces: cost"] == crash.blamed(stood, settings)
