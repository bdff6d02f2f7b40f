"""
The command line: one module a command, imported when it is called.

A command is a function named as its module. It raises ``ConfigError`` for a configuration that
cannot be used, which ends in exit code 2, and ``typer.Exit(1)`` for a failure while running.
"""

import importlib
import os
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from gateway.version import __version__

_CONTEXT: dict[str, Any] = {
    "help_option_names": ["-h", "--help"],
    "color": False if os.environ.get("NO_COLOR") else None,
}


class _Listed(NamedTuple):
    module: str
    summary: str


COMMANDS = {
    "run": _Listed("run", "Run the gateway."),
    "demo": _Listed("demo", "Show all of it here: a local MLflow, the gateway, real agents."),
    "try": _Listed("try_", "Run a pipeline's processors over a saved request."),
    "validate": _Listed("validate", "Check a configuration and say all that is wrong with it."),
    "components": _Listed("components", "List the receivers, processors and exporters."),
    "print-config": _Listed("print_config", "Print a configuration as it would be run."),
    "schema": _Listed("schema", "Write the JSON Schema of configurations, for editors."),
    "doctor": _Listed("doctor", "Check MLflow, ports and disk, and say what to do."),
    "why": _Listed("why", "What became of a trace, and why."),
    "prices": _Listed("prices", "Explain how a model is priced."),
    "queue": _Listed("queue", "Show or save what waits on disk."),
    "dead-letters": _Listed("dead_letters", "What could not be delivered, why, and again."),
    "new": _Listed("new", "Write a plugin project that passes its own test."),
    "migrate": _Listed("migrate", "Write a Collector's configuration as ours."),
    "bench": _Listed("bench", "Measure the throughput of this machine."),
}


class _LazyGroup(TyperGroup):
    """Lists every command, imports the one that is called: ``--help`` stays quick."""

    def __init__(self, **settings: Any) -> None:
        listed = {
            name: TyperCommand(name, help=command.summary) for name, command in COMMANDS.items()
        }
        super().__init__(**{**settings, "commands": listed})

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and load_command(str(name)), rest

    def invoke(self, ctx: Any) -> Any:
        from gateway.config.problems import ConfigError  # noqa: PLC0415 - not for --help

        try:
            return super().invoke(ctx)
        except ConfigError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from error


app = typer.Typer(
    name="spangate",
    cls=_LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Example: spangate run --config gateway.yaml",
    context_settings=_CONTEXT,
)


def load_command(name: str) -> Any:
    """Import a command and return it ready to be called."""
    listed = COMMANDS[name]
    function = getattr(importlib.import_module(f"gateway.cli.{listed.module}"), listed.module)
    if isinstance(function, typer.Typer):  # a command with commands of its own
        return typer.main.get_command(function)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name, context_settings=_CONTEXT)(function)
    return typer.main.get_command(alone)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"spangate {__version__}")
        raise typer.Exit


@app.callback()
def _spangate(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take OTLP traces, make them safe and meaningful, deliver them to MLflow."""
    del version


def main() -> None:
    """Run the command line; ends the process."""
    app(prog_name="spangate")
