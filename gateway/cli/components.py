"""``spangate components``: what a configuration may name."""

import sys
from typing import Annotated, Literal

import msgspec
import typer

from gateway.config.field_docs import plain
from gateway.registry import KINDS, ComponentInfo, Registry


def components(
    output: Annotated[Literal["table", "json"], typer.Option(help="How to print.")] = "table",
) -> None:
    """
    List the receivers, processors and exporters that can be used here, plugins too.

    One that cannot be imported is listed with the reason.

    Example: spangate components --output json
    """
    registry = Registry()
    found = {kind: registry.all(kind) for kind in KINDS}
    if output == "json":
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    for kind in KINDS:
        _show(kind, found[kind])


def _show(kind: str, found: list[ComponentInfo]) -> None:
    from rich.console import Console  # noqa: PLC0415 - not needed for JSON
    from rich.table import Table  # noqa: PLC0415 - not needed for JSON
    from rich.text import Text  # noqa: PLC0415 - not needed for JSON

    table = Table(title=kind, title_justify="left", box=None, pad_edge=False, title_style="bold")
    for column in ("type", "stability", "module"):
        table.add_column(column, no_wrap=True)
    table.add_column("summary")
    for one in found:
        what = Text(f"unusable: {one.error}", "red") if one.error else Text(plain(one.summary))
        table.add_row(one.type, one.stability, one.module, what)
    if not found:
        table.add_row("none")
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    console.print()
