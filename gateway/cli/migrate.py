"""``spangate migrate``: a Collector's configuration as ours."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.migrate.migration import migrate as write
from gateway.migrate.source import MigrationError


def migrate(
    file: Annotated[Path, typer.Argument(help="The Collector's configuration; - is stdin.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write there instead of to stdout.")
    ] = None,
) -> None:
    """
    Write a Collector's configuration as ours, and say on stderr what has no counterpart.

    Example: spangate migrate collector.yaml > gateway.yaml
    """
    name = "stdin" if str(file) == "-" else file.name
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
        done = write(text, name)
        if output is not None:
            output.write_text(done.text, encoding="utf-8")
    except (MigrationError, OSError, UnicodeDecodeError) as error:
        typer.echo(f"error: {file}: {error}", err=True)
        raise typer.Exit(2) from None
    if output is None:
        typer.echo(done.text, nl=False)
    for note in done.notes:
        place = f"{file}:{note.line}"
        typer.echo(f"{place}: {note.path}: {note.text}", err=True)
    if output is not None:
        typer.echo(
            f"written to {output}; check it with: spangate validate --config {output}", err=True
        )
