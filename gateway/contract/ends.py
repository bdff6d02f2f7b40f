"""Both ends of a pipeline: exporters and receivers."""

from functools import partial
from typing import Any, cast

from gateway.batch import Batch, BatchContext, Resource
from gateway.contract.lifecycle import Stage
from gateway.contract.samples import samples
from gateway.errors import Flow, Forbidden
from gateway.plugin import Exporter, Receiver

_PEOPLE = "it is shown to people: it must not fail or wait"


def check_exporter(stage: Stage) -> None:
    """Ask where the samples go and export them; refusing them is allowed, failing is not."""
    exporter = cast("Exporter[Any] | None", stage.started())
    if exporter is None:
        return
    pages = stage.report.attempt("pages()", exporter.pages)
    if pages is not None and not all(isinstance(part, str) for kv in pages.items() for part in kv):
        stage.report.add("pages()", "holds something else than texts", _PEOPLE, exporter.pages)
    known = ""
    for name, data in samples().items():  # an ordinary batch first
        destination = _destination(stage, exporter, name, Batch(data)) or known
        known = known or destination
        batch = Batch(data, BatchContext(destination=destination))
        stage.report.does(f"export() of {name}", partial(_export, stage, exporter, batch))
    stage.stopped(exporter)


def _destination(stage: Stage, exporter: Exporter[Any], name: str, batch: Batch) -> str:
    """Return where the last resource of the batch goes."""
    found = ""
    for resource in batch.resources:
        answers = [_route(stage, exporter, name, resource) for _ in range(2)]
        if answers[0] != answers[1]:
            stage.report.add(
                f"route() of {name}",
                f"returned {answers[0]!r}, then {answers[1]!r}",
                "return a text that depends on context and resource alone",
                exporter.route,
            )
        found = answers[0] or ""
        described: object = stage.report.attempt("describe()", partial(exporter.describe, found))
        if described is not None and not isinstance(described, str):
            stage.report.add("describe()", "returned no text", _PEOPLE, exporter.describe)
    return found


def _route(stage: Stage, exporter: Exporter[Any], name: str, resource: Resource) -> str | None:
    """Ask for one resource; ``None`` where it may go nowhere."""
    context, doing = BatchContext(tenant="contract"), f"route() of {name}"
    try:
        answer: object = stage.report.attempt(
            doing, lambda: exporter.route(context, resource), (Flow,)
        )
    except Forbidden:
        return None
    except Flow as flow:
        what = f"raised {type(flow).__name__}"
        stage.report.add(doing, what, "Forbidden is all that it may raise", exporter.route)
        return None
    if answer is not None and not isinstance(answer, str):
        what = f"returned {type(answer).__name__}"
        stage.report.add(
            doing, what, 'return a text; "" where there is one destination', exporter.route
        )
        return None
    return answer


def _export(stage: Stage, exporter: Exporter[Any], batch: Batch) -> None:
    try:
        stage.wait(exporter.export, batch)
    except Flow:
        return


class _Deliver:
    """Takes everything."""

    def admit(self) -> None:
        """Let everything in."""

    async def __call__(self, *batches: Batch) -> None:
        """Take batches."""
        for batch in batches:
            batch.entries()


def check_receiver(stage: Stage) -> None:
    """Open the endpoints, refuse and close, also twice."""
    receiver = cast("Receiver[Any] | None", stage.started())
    if receiver is None:
        return
    stage.does("refuse() before listen()", receiver.refuse)
    stage.stopped(receiver)
    receiver = cast("Receiver[Any]", stage.started())
    if stage.does("listen()", receiver.listen, _Deliver()):
        opened = stage.report.attempt("endpoints()", receiver.endpoints)
        if opened is not None and not all(
            isinstance(one, str) for kv in opened.items() for one in kv
        ):
            stage.report.add(
                "endpoints()", "holds something else than texts", _PEOPLE, receiver.endpoints
            )
    stage.does("refuse()", receiver.refuse)
    stage.does("refuse() after refuse()", receiver.refuse)
    stage.stopped(receiver)
