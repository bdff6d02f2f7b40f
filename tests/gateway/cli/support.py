"""Calling a command in the process of the test."""

from pathlib import Path

from typer.testing import CliRunner, Result

from gateway.cli import app

GOOD = """\
receivers: {otlp: {protocols: {http: }}}
exporters:
  otlp_http:
    endpoint: http://backend.example:4318
    headers: {authorization: hunter2-and-more}
    sending_queue: {storage: memory}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp_http]}
"""


def call(*arguments: str | Path, stdin: str | None = None) -> Result:
    """Call a command."""
    return CliRunner().invoke(app, [str(one) for one in arguments], input=stdin)
