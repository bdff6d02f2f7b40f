"""What a person sees when the gateway starts; a log collector gets one line."""

import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.config.settings import Settings
from gateway.service import Service
from gateway.telemetry import logs
from gateway.version import __version__


def announce(settings: Settings, service: Service) -> None:
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
    if not sys.stderr.isatty():
        logs.get("service").info(
            "gateway started",
            version=__version__,
            endpoints=service.endpoints,
            pipelines=pipelines,
            pages=service.pages(),
        )
        return
    table = Table.grid(padding=(0, 2))
    for name, address in service.endpoints.items():
        table.add_row(name, Text(_shown(name, address)))
    for name, way in pipelines.items():
        table.add_row(f"pipeline {name}", Text(way))
    for name, page in service.pages().items():
        table.add_row(Text(name), Text(page))
    console = Console(stderr=True)
    console.print(f"[bold]Spangate {__version__}[/bold] is running; Ctrl-C stops it")
    console.print(table)


def _shown(name: str, address: str) -> str:
    """Return an address as one would paste it."""
    paths = {"metrics": "http://{}/metrics", "status": "http://{}/status.json"}
    return paths.get(name, "{}").format(address)
