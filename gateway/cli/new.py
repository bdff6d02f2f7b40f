"""``spangate new``: a plugin project that passes its own test."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.registry import Registry
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


@new.command()
def processor(
    name: Annotated[
        str, typer.Argument(help="Component type, such as team_tag; also names the folder.")
    ],
) -> None:
    """
    Write a processor into a new folder; its test passes at once.

    Example: spangate new processor team_tag
    """
    try:
        module = check_name(name, "processors", Registry())
        written = write_project("processor", module, Path(name))
    except NameProblem as problem:
        raise _refused(str(problem), 2) from None
    except FileExistsError:
        raise _refused(f"{name} is there already; choose another name or remove it", 2) from None
    except OSError as error:
        raise _refused(f"cannot write {name}: {error.strerror}", 1) from None
    for file in written:
        typer.echo(f"  {Path(name) / file}")
    typer.echo(
        f"\nNext:\n"
        f"  cd {name}\n"
        f"  python -m pytest\n"
        f"  spangate try --config gateway.yaml request.json\n"
        f"  spangate run --config gateway.yaml --reload"
    )


def _refused(problem: str, code: int) -> typer.Exit:
    typer.secho(f"spangate: {problem}", err=True, fg="red")
    return typer.Exit(code)
