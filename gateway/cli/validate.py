"""``spangate validate``: is this configuration right, and if not, what is wrong with it."""

import typer

from gateway.cli.options import ConfigFiles, Overrides
from gateway.config.loader import load
from gateway.config.problems import ConfigError, Problem
from gateway.config.settings import ComponentSettings, Settings
from gateway.lifecycle import StartError, build


def validate(config: ConfigFiles = None, overrides: Overrides = None) -> None:
    """
    Check a configuration and say all that is wrong with it, without running anything.

    Example: spangate validate --config gateway.yaml
    """
    settings = load(config or (), overrides or ())
    if problems := [problem for one in _all(settings) for problem in _try_to_build(*one)]:
        raise ConfigError(problems)
    for warning in settings.warnings:
        typer.echo(f"warning: {warning}", err=True)
    what = ", ".join(map(str, config)) if config else "the built-in default"
    typer.echo(f"{what}: valid (pipelines: {', '.join(settings.service.pipelines)})")


def _all(settings: Settings) -> list[tuple[str, ComponentSettings]]:
    kinds = {
        "receivers": settings.receivers,
        "processors": settings.processors,
        "exporters": settings.exporters,
    }
    return [(f"{kind}.{name}", one) for kind, all_ in kinds.items() for name, one in all_.items()]


def _try_to_build(path: str, one: ComponentSettings) -> list[Problem]:
    """Make a component as `run` does: its constructor may find what its settings cannot say."""
    try:
        build("", one.component, one.config)
    except StartError as error:
        return [Problem(one.where, path, str(error).removeprefix(": "))]
    return []
