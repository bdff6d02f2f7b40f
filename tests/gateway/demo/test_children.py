"""What the demo promises to say when one of its processes fails."""

from pathlib import Path

import pytest

from gateway.demo import children
from gateway.demo.children import DemoError, LocalGateway

NOWHERE = "http://127.0.0.1:9"


async def test_a_gateway_that_cannot_start_says_why(tmp_path: Path) -> None:
    """The end of its log is in the error; stopping it afterwards is safe, twice."""
    config = tmp_path / "spangate.yaml"
    config.write_text("receivers: {otpl: {}}\n")
    gateway = LocalGateway(config, NOWHERE, tmp_path / "gateway.log")

    with pytest.raises(DemoError, match=r'ended with code 2:\n(.|\n)*did you mean "?otlp'):
        await gateway.start()

    await gateway.stop()
    await gateway.stop()


async def test_an_agent_that_fails_says_why() -> None:
    """The end of its error output is in the error."""
    with pytest.raises(DemoError, match=r"no_such_agent failed with code 1(.|\n)*No module named"):
        await children.run_agent("no_such_agent", protocol="grpc", endpoint=NOWHERE)


def test_nothing_from_outside_redirects_the_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that would send spans elsewhere or through a proxy do not reach the children."""
    for name in ("OTEL_EXPORTER_OTLP_HEADERS", "LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"):
        monkeypatch.setenv(name, "true")

    variables = children.environment(OTEL_SERVICE_NAME="mine")

    assert ["OTEL_SERVICE_NAME"] == [
        name for name in variables if name.startswith(("OTEL_", "LANG"))
        if name not in ("LANG", "LANGUAGE")
    ]  # fmt: skip
    assert "127.0.0.1" in variables["NO_PROXY"]
