"""Starting and stopping: safe in every order that the gateway may come to."""

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.blame import home_of
from gateway.contract.report import Report
from gateway.fakes import FakeContext
from gateway.lifecycle import call
from gateway.plugin import Component

Build = Callable[[], Component[Any] | None]


class Stage:
    """Where a component is tried: one event loop, one data folder, as in one worker."""

    def __init__(self, report: Report, build: Build, runner: asyncio.Runner) -> None:
        self.report = report
        self._build = build
        self._runner = runner
        self._first = FakeContext()

    def started(self) -> Component[Any] | None:
        """Return a started component, or ``None`` where that fails."""
        component = self._build()
        if component is None or not self.does("start()", component.start, self._context()):
            return None
        return component

    def stopped(self, component: Component[Any]) -> None:
        """Stop a component and see that nothing of it goes on."""
        self.does("stop()", component.stop)
        self._check_tasks(component)

    def does(self, doing: str, method: Callable[..., object], *arguments: object) -> bool:
        """Call a method, async or not; tell whether it returned."""
        return self.report.does(doing, lambda: self.wait(method, *arguments))

    def wait(self, method: Callable[..., object], *arguments: object) -> None:
        """Call a method on the event loop and wait for it."""
        self._runner.run(call(method, *arguments))

    def run(self, awaitable: Any) -> Any:
        """Wait for an awaitable on the event loop."""
        return self._runner.run(awaitable)

    def _context(self) -> FakeContext:
        return FakeContext(self._first.component_id, self._first.data_dir)

    def _check_tasks(self, component: Component[Any]) -> None:
        self._runner.run(asyncio.sleep(0))  # those that were cancelled end now
        home = home_of(type(component))
        for task in asyncio.all_tasks(self._runner.get_loop()):
            code = getattr(task.get_coro(), "cr_code", None)
            if code is None or home is None or not Path(code.co_filename).is_relative_to(home):
                continue
            task.cancel()
            self.report.add(
                f"the task {code.co_qualname}",
                "still runs after stop()",
                "keep the task, cancel it in stop() and await it",
                f"{Path(code.co_filename).name}:{code.co_firstlineno}",
            )


def check_lifecycle(report: Report, stage: Stage, build: Build) -> None:
    """Stop without start, start, stop, stop again, and start anew in the same folder."""
    for name in ("start", "stop"):
        method = getattr(report.component, name)
        if not inspect.iscoroutinefunction(inspect.unwrap(method)):
            report.add(f"{name}()", "is not async", f"write it as `async def {name}`", method)
    unstarted = build()
    if unstarted is not None:
        stage.does("stop() without start()", unstarted.stop)
    for _ in range(2):
        component = stage.started()
        if component is not None:
            stage.stopped(component)
            stage.does("stop() after stop()", component.stop)
