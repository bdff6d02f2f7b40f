"""Settings of a processor as its users write them, and what is said of wrong ones."""

from collections.abc import Sequence
from pathlib import Path

from gateway.config.loader import ConfigError, load
from gateway.config.problems import Problem

FRAME = """\
receivers: {otlp: }
exporters: {debug: {sending_queue: {storage: memory}}}
service: {pipelines: {traces: {receivers: [otlp], processors: [], exporters: [debug]}}}
processors:
"""


def problems(folder: Path, type_name: str, settings: str) -> Sequence[Problem]:
    """Return what is wrong with the settings of a processor, written on one line of YAML."""
    path = folder / "gateway.yaml"
    path.write_text(f"{FRAME}  {type_name}: {settings}\n")
    try:
        load([path], environ={})
    except ConfigError as error:
        return error.problems
    return []
