"""``spangate schema``: what editors need to complete and check a configuration."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.config.schema import schema as describe
from gateway.registry import Registry


def schema(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to a file, not to the screen."),
    ] = None,
) -> None:
    """
    Write the JSON Schema of configurations with all components installed here, for editors.

    Name it in the first line of a configuration: # yaml-language-server: $schema=spangate.json

    Example: spangate schema --output spangate.json
    """
    text = json.dumps(describe(Registry()), indent=2, ensure_ascii=False)
    if output is None:
        typer.echo(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        typer.echo(f"error: cannot write {output}: {error.strerror}", err=True)
        raise typer.Exit(1) from error
