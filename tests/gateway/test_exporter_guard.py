"""What is promised of exporters whose code fails."""

import asyncio
import json
from typing import Any

import pytest

from gateway.batch import Batch, BatchContext
from gateway.errors import Busy, Reject, Retry
from gateway.exporter_guard import describe, export, pages, route
from gateway.plugin import Config, Exporter, Resource
from gateway.telemetry import logs
from gateway.testing import batch


class Wrong(Exporter[Config]):
    """Does what ``fault`` says."""

    fault: Any = None

    def route(self, context: BatchContext, resource: Resource) -> str:
        return self._do()  # type: ignore[no-any-return] # the mistake under test

    def describe(self, destination: str) -> str:
        return self._do()  # type: ignore[no-any-return] # the same

    def pages(self) -> dict[str, str]:
        return self._do()  # type: ignore[no-any-return] # the same

    async def export(self, batch: Batch) -> None:
        self._do()

    def _do(self) -> Any:
        if isinstance(self.fault, BaseException):
            raise self.fault
        return self.fault


def wrong(fault: Any) -> Wrong:
    exporter = Wrong(Config())
    exporter.fault = fault
    return exporter


@pytest.mark.parametrize("fault", [KeyError("x"), SystemExit(1), 5], ids=repr)
def test_an_exporter_that_cannot_route_asks_for_patience(
    fault: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sender keeps its spans, and the log names the line."""
    logs.configure("info", "json")
    resource = next(iter(batch({}))).resource
    with pytest.raises(Retry, match="exporter Wrong cannot tell where spans go"):
        route(wrong(fault), BatchContext(), resource, logs.get("wrong"))
    assert "at test_exporter_guard.py:" in json.loads(capsys.readouterr().err)["reason"]


def test_an_exporter_that_cannot_describe_loses_nothing_else() -> None:
    """Names and addresses for people are left out where they cannot be had."""
    exporter = wrong(KeyError("x"))
    assert "key" == describe(exporter, "key")
    assert {} == pages(exporter)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(Busy(7), Retry), (SystemExit(1), Reject), (asyncio.CancelledError(), Retry)],
    ids=repr,
)
async def test_what_an_exporter_raises_reaches_its_queue(
    fault: BaseException, kind: type[Exception]
) -> None:
    """Whatever it is, the lane gets an instruction it knows."""
    with pytest.raises(kind):
        await export(wrong(fault), batch({}))


async def test_an_exporter_that_never_returns_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its spans stay and are tried again."""

    class Waits(Exporter[Config]):
        async def export(self, batch: Batch) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr("gateway.exporter_guard.EXPORT_LIMIT_S", 0.01)
    with pytest.raises(Retry, match=r"did not return within 0\.01 s"):
        await export(Waits(Config()), batch({}))
