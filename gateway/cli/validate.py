"""``spangate validate``: is this configuration right, and if not, what is wrong with it."""

import typer

from gateway.cli.options import ConfigFiles, Overrides
from gateway.config.loader import load


def validate(config: ConfigFiles = None, overrides: Overrides = None) -> None:
    """
    Check a configuration and say all that is wrong with it, without running anything.

    Example: spangate validate --config gateway.yaml
    """
    settings = load(config or [], overrides or [])
    for warning in settings.warnings:
        typer.echo(f"warning: {warning}", err=True)
    what = ", ".join(map(str, config)) if config else "the built-in default"
    pipelines = settings.service.pipelines
    typer.echo(f"{what}: valid ({', '.join(pipelines)})")
