"""What reading a configuration anew may not do to the process that runs."""

import os
from pathlib import Path

import pytest

from gateway.config.loader import ConfigError
from gateway.config.trial import read_apart

PLUGIN = """
{import_}
from gateway.plugin import Batch, Config, Processor


class Tag(Processor[Config]):
    def process(self, batch: Batch) -> Batch:
        return batch
"""
CONFIG = """
receivers: {otlp: {}}
processors: {tag: {use: "./tag.py:Tag"}}
exporters: {debug: {}}
service: {pipelines: {traces: {receivers: [otlp], processors: [tag], exporters: [debug]}}}
"""


def _write(folder: Path, import_: str) -> Path:
    (folder / "tag.py").write_text(PLUGIN.format(import_=import_))
    config = folder / "gateway.yaml"
    config.write_text(CONFIG)
    return config


@pytest.mark.parametrize(
    ("import_", "says"),
    [
        ("import ctypes; ctypes.string_at(0)", r"\(signal 11\) at tag\.py:2"),
        ("import os; os._exit(0)", r"\(exit code 0\)"),
    ],
    ids=["segfault", "exit"],
)
def test_a_plugin_that_ends_the_process_is_a_problem(
    import_: str, says: str, tmp_path: Path
) -> None:
    """It ends another process, and the message says where and what to do."""
    config = _write(tmp_path, import_)
    with pytest.raises(ConfigError, match=says) as refusal:
        read_apart([config], [], os.environ)
    assert "open what is needed in start()" in str(refusal.value)


def test_all_else_is_read_as_ever(tmp_path: Path) -> None:
    """What works works, also where it prints, and mistakes are told as they are."""
    config = _write(tmp_path, "print('hello')")
    assert ["tag"] == list(read_apart([config], [], os.environ).settings.processors)
    with pytest.raises(ConfigError, match="workerz"):
        read_apart([config], ["service.workerz=2"], os.environ)
