"""``spangate print-config``: what the files, defaults and overrides say together."""

import typer

from gateway.cli.options import ConfigFiles, Overrides
from gateway.config.loader import load
from gateway.config.printing import to_yaml


def print_config(config: ConfigFiles = None, overrides: Overrides = None) -> None:
    """
    Print a configuration as it would be run: files merged, defaults filled in, secrets masked.

    Example: spangate print-config --config base.yaml --config production.yaml
    """
    typer.echo(to_yaml(load(config or (), overrides or ())), nl=False)
