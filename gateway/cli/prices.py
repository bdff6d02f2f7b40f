"""``spangate prices``: how a model is priced, and why."""

import datetime as dt
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, cast

import msgspec
import typer

from gateway.cli.options import ConfigFiles, Overrides
from gateway.config.loader import load
from gateway.config.types import Config
from gateway.registry import Registry, config_type

COST = "cost"
"""Type of the processor that prices."""


class Answer(Protocol):
    """What the processor says; its fields are those of the JSON output."""

    known: bool


class Prices(Protocol):
    """What this command needs of the processor that prices, found like any other."""

    explain: Callable[[Mapping[str, Any], Config], Answer]
    """Say how a call would be priced, by the fields of the question."""


def prices(  # noqa: PLR0917 - typer makes options of them
    model: Annotated[str, typer.Argument(help="Model id, as it stands on spans.")],
    provider: Annotated[str, typer.Option(help="Who ran it, as on spans: openai, azure...")] = "",
    taken: Annotated[int, typer.Option("--input", min=0, help="Input tokens, all.")] = 0,
    given: Annotated[int, typer.Option("--output", min=0, help="Output tokens, all.")] = 0,
    cache_read: Annotated[int, typer.Option(min=0, help="Input tokens from the cache.")] = 0,
    cache_write: Annotated[int, typer.Option(min=0, help="Input tokens into the cache.")] = 0,
    cache_write_1h: Annotated[int, typer.Option(min=0, help="Of these, for an hour.")] = 0,
    reasoning: Annotated[int, typer.Option(min=0, help="Output tokens of reasoning.")] = 0,
    audio_input: Annotated[int, typer.Option(min=0, help="Input tokens of audio.")] = 0,
    audio_output: Annotated[int, typer.Option(min=0, help="Output tokens of audio.")] = 0,
    tier: Annotated[str, typer.Option(help="Service tier: batch, flex, priority.")] = "",
    tenant: Annotated[str, typer.Option(help="Tenant, for rules about tenants.")] = "",
    prices_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your own prices, as prices_file of cost.")
    ] = None,
    at: Annotated[
        dt.datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"], help="UTC."),
    ] = None,
    config: ConfigFiles = None,
    overrides: Overrides = None,
    *,
    form: Annotated[
        Literal["table", "json"], typer.Option("--format", help="How to print.")
    ] = "table",
) -> None:
    """
    Explain how a model is priced: which entry, which rule, which date.

    With --config the prices are those of that configuration's cost processor. Exit code 1 means
    that nobody knows a price.

    Example: spangate prices gpt-4o-mini --provider openai --input 1200 --output 80
    """
    usage = {
        "input": taken, "output": given, "cache_read": cache_read, "cache_write": cache_write,
        "cache_write_1h": cache_write_1h, "reasoning": reasoning, "audio_input": audio_input,
        "audio_output": audio_output,
    }  # fmt: skip
    component = Registry().find("processors", COST)
    settings = _settings(config_type(component), prices_file, config, overrides)
    when = at.replace(tzinfo=dt.UTC) if at else dt.datetime.now(dt.UTC)
    question = {
        "model": model, "provider": provider, "tier": tier, "tenant": tenant, "at": when,
        "usage": usage if any(usage.values()) else {},
    }  # fmt: skip
    answer = cast("Prices", component).explain(question, settings)
    if form == "json":
        typer.echo(msgspec.json.format(msgspec.json.encode(answer)).decode())
    else:
        _show(model, provider, msgspec.to_builtins(answer))
    if not answer.known:
        raise typer.Exit(1)


def _settings(
    kind: type[Config],
    prices_file: Path | None,
    config: list[Path] | None,
    overrides: list[str] | None,
) -> Config:
    """Return the settings to price with: those of a configuration, or a price file alone."""
    values: dict[str, Any] = {}
    if config or overrides:
        used = load(config or (), overrides or ()).processors.values()
        found = next((one.config for one in used if one.type == COST), None)
        if found is not None:
            values = {name: getattr(found, name) for name in found.__struct_fields__}
    if prices_file is not None:
        values["prices_file"] = str(prices_file)
    settings = kind(**values)
    try:
        settings.validate()
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    return settings


def _show(model: str, provider: str, answer: dict[str, Any]) -> None:
    what = f"{model} ({provider})" if provider else model
    if not answer["known"]:
        typer.secho(f"{what}: no price is known at {answer['valid_at'][:16]} UTC", fg="red")
        if answer["nearest"]:
            typer.echo("  similar: " + ", ".join(answer["nearest"]))
        typer.echo(f"  {answer['hint']}")
        typer.echo(f"  looked up in {answer['catalogue']}")
        return
    typer.secho(what, bold=sys.stdout.isatty())
    typer.echo(f"  rule       {answer['rule']}")
    typer.echo(f"  catalogue  {answer['catalogue'] or 'not used'}")
    typer.echo(f"  valid at   {answer['valid_at'][:16]} UTC")
    typer.echo("  USD per million tokens")
    for kind, rate in answer["rates_usd_per_mtok"].items():
        typer.echo(f"    {kind.replace('_', ' '):<26}{rate:>12.10g}")
    if answer["per_request_usd"]:
        typer.echo(f"  USD per request {answer['per_request_usd']:>22.10g}")
    if answer["cost_usd"]:
        typer.echo("  USD for these tokens")
        for part, usd in answer["cost_usd"].items():
            typer.echo(f"    {part:<26}{usd:>12.10g}")
