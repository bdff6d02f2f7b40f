"""``spangate new``: a plugin project that passes its own test."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.registry import Kind, Registry
from gateway.scaffold import NameProblem, check_name, write_project

new = typer.Typer(
    help="Write a plugin project.\n\nExample: spangate new processor team_tag",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@new.callback()
def _new() -> None:
    """Write a plugin project: module, test, packaging, example configuration."""


_Name = Annotated[
    str, typer.Argument(help="Component type, such as team_tag; also names the folder.")
]
_TRY = "spangate try --config gateway.yaml request.json"


@new.command()
def processor(name: _Name) -> None:
    """
    Write a processor, which changes or drops spans, into a new folder; its test passes at once.

    Example: spangate new processor team_tag
    """
    _write("processor", "processors", name, _TRY)


@new.command("trace-processor")
def trace_processor(name: _Name) -> None:
    """
    Write a trace processor, which keeps or drops whole traces; its test passes at once.

    Example: spangate new trace-processor keep_escalations
    """
    _write("trace_processor", "processors", name, _TRY)


@new.command()
def exporter(name: _Name) -> None:
    """
    Write an exporter, which sends spans somewhere, into a new folder; its test passes at once.

    Example: spangate new exporter audit_trail
    """
    _write("exporter", "exporters", name)


@new.command()
def receiver(name: _Name) -> None:
    """
    Write a receiver, which takes spans from somewhere, into a new folder; its test passes at once.

    Example: spangate new receiver call_log
    """
    _write("receiver", "receivers", name)


def _write(what: str, kind: Kind, name: str, *steps: str) -> None:
    """Write a project and say what to do next."""
    try:
        module = check_name(name, kind, Registry())
        written = write_project(what, kind, module, Path(name))
    except NameProblem as problem:
        raise _refused(str(problem), 2) from None
    except FileExistsError:
        raise _refused(f"{name} is there already; choose another name or remove it", 2) from None
    except OSError as error:
        raise _refused(f"cannot write {name}: {error.strerror}", 1) from None
    for file in written:
        typer.echo(f"  {Path(name) / file}")
    run = "spangate run --config gateway.yaml --reload"
    typer.echo("\nNext:")
    for step in (f"cd {name}", "python -m pytest", *steps, run):
        typer.echo(f"  {step}")


def _refused(problem: str, code: int) -> typer.Exit:
    typer.secho(f"spangate: {problem}", err=True, fg="red")
    return typer.Exit(code)
