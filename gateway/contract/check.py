"""Check all promises of one component, on a thread and an event loop of its own."""

import asyncio
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.blame import home_of
from gateway.contract.ends import check_exporter, check_receiver
from gateway.contract.importing import check_import
from gateway.contract.lifecycle import Build, Stage, check_lifecycle
from gateway.contract.report import Report
from gateway.contract.settings import check_settings
from gateway.contract.stage_1 import check_processor
from gateway.contract.stage_2 import check_trace_processor
from gateway.plugin import Component, Exporter, Processor, Receiver, TraceProcessor

LIMIT_S = 300.0
"""Far beyond what any component takes; for those that never return."""

_BY_KIND: dict[type[Component[Any]], Callable[[Stage], None]] = {
    Processor: check_processor,
    TraceProcessor: check_trace_processor,
    Exporter: check_exporter,
    Receiver: check_receiver,
}


def check(kind: type[Component[Any]], build: Callable[[], Component[Any]]) -> None:
    """
    Try whatever the gateway may do with a component.

    Raises:
        ContractError: promises are broken; names each with file, line and what to do.

    """
    report = Report(kind)
    finished = threading.Event()

    def work() -> None:
        _check(report, lambda: report.attempt("building it", build))
        finished.set()

    thread = threading.Thread(target=work, name="contract", daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    if thread.is_alive():
        what = f"has not returned for {LIMIT_S:g} s"
        report.add("what stands here", what, "nothing may go on for ever", _where(thread, kind))
    elif not finished.is_set():
        report.add("the check itself", "failed", "the error stands above; please report it")
    report.raise_any()


def _check(report: Report, build: Build) -> None:
    check_import(report)
    component = build()
    if component is None:
        return
    check_settings(report, component)
    with asyncio.Runner() as runner:
        stage = Stage(report, build, runner)
        check_lifecycle(report, stage, build)
        if report:
            return  # what cannot start or stop shows nothing else
        for base, check_kind in _BY_KIND.items():
            if isinstance(component, base):
                check_kind(stage)


def _where(thread: threading.Thread, kind: type[Component[Any]]) -> str:
    """Return the line of the component's code at which a thread stands."""
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 - the documented way
    home = home_of(kind)
    lines = [
        f"{Path(one.filename).name}:{one.lineno}"
        for one in (traceback.extract_stack(frame) if frame else ())
        if home is not None and Path(one.filename).is_relative_to(home)
    ]
    return lines[-1] if lines else kind.__name__
