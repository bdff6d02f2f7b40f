"""What a person sees when the gateway starts; a log collector gets one line."""

import sys
from typing import Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.compiled import flavour
from gateway.config.settings import Settings
from gateway.telemetry import logs
from gateway.version import __version__


class Running(Protocol):
    """A gateway that has started: one process, or a supervisor."""

    endpoints: dict[str, str]

    def pages(self) -> dict[str, str]:
        """Return addresses where a person sees what arrived, by name."""
        ...


def announce(settings: Settings, running: Running) -> None:
    """Say where the gateway listens, what it does, and where to look."""
    pipelines = {
        name: " > ".join(
            part
            for part in (
                ", ".join(pipeline.receivers),
                *pipeline.processors,
                ", ".join(pipeline.exporters),
            )
            if part
        )
        for name, pipeline in settings.service.pipelines.items()
    }
    if not logs.is_for_people(settings.service.telemetry.logs.format):
        logs.get("service").info(
            "gateway started",
            version=__version__,
            code=flavour(),
            endpoints=running.endpoints,
            pipelines=pipelines,
            pages=running.pages(),
        )
        return
    table = Table.grid(padding=(0, 2))
    for name, address in running.endpoints.items():
        table.add_row(name, Text(_shown(name, address)))
    for name, way in pipelines.items():
        table.add_row(f"pipeline {name}", Text(way))
    for name, page in running.pages().items():
        table.add_row(Text(name), Text(page))
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 200)
    console.print(f"[bold]Spangate {__version__}[/bold] ({flavour()}) is running; Ctrl-C stops it")
    console.print(table)


def _shown(name: str, address: str) -> str:
    """Return an address as one would paste it."""
    paths = {"metrics": "http://{}/metrics", "status": "http://{}/"}
    return paths.get(name, "{}").format(address)
