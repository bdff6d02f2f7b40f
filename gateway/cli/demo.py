"""``spangate demo``: everything on one machine, with real agents."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    *,
    leave: Annotated[
        bool, typer.Option("--exit", help="End when all is shown instead of staying up.")
    ] = False,
    port_base: Annotated[
        int | None,
        typer.Option(
            min=1024,
            max=65531,
            help="Use five ports from here on instead of 4317, 4318, 5000, 8888 and 13133.",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Keep everything in this folder instead of a temporary one."
        ),
    ] = None,
) -> None:
    """
    Show all of it here: a local MLflow, the gateway, two real agents, and what arrived.

    The agents (pydantic-ai and LangGraph) run on offline models; nothing leaves this machine.
    Taken ports are replaced by free ones.

    Example: spangate demo --exit
    """
    from rich.console import Console  # noqa: PLC0415 - keeps `spangate --help` quick

    from gateway.demo import show  # noqa: PLC0415 - keeps `spangate --help` quick

    console = Console()
    if missing := show.missing_packages():
        typer.secho(
            f"spangate demo needs packages that are not installed: {', '.join(missing)}\n"
            "Install them: pip install 'spangate[demo]'",
            err=True,
            fg="red",
        )
        raise typer.Exit(2)
    raise typer.Exit(
        show.perform(show.Options(stay=not leave, port_base=port_base, data_dir=data_dir), console)
    )
