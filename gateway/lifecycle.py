"""Build, start and stop components, which may be anybody's, so that their faults stay their own."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

from gateway.blame import blame, home_of, is_ours, place
from gateway.guard import FaultError, attempt, attempt_async
from gateway.plugin import Component, Config, Logger, OnError, Processor, TraceProcessor


class StartError(Exception):
    """A component cannot be built or started; the gateway does not run without it."""

    def __init__(self, where: str, error: BaseException | None, home: Path | None = None) -> None:
        assert error is not None, "a fault has a cause"
        text = blame(error, home)
        if isinstance(error, OSError | ValueError) and str(error):
            text = str(error) + ("" if is_ours(home) else place(error, home))
        super().__init__(text if text.startswith(where) else f"{where}: {text}")


def build(where: str, component: type[Component[Config]], config: Config) -> Component[Config]:
    """
    Make a component.

    Raises:
        StartError: its constructor failed.

    """
    try:
        return attempt(lambda: _build(component, config))
    except FaultError as fault:
        raise StartError(where, fault.__cause__, home_of(component)) from fault.__cause__


def _build(component: type[Component[Config]], config: Config) -> Component[Config]:
    built = component(config)
    if isinstance(built, Processor | TraceProcessor) and built.on_error not in get_args(OnError):
        choices = ", ".join(get_args(OnError))
        raise ValueError(f"on_error: expected one of {choices}, found {built.on_error!r}")
    return built


async def start(where: str, starting: Awaitable[None], home: Path | None = None) -> None:
    """
    Wait for a component's ``start`` or ``listen``.

    Raises:
        StartError: it failed.

    """
    try:
        await attempt_async(starting)
    except FaultError as fault:
        raise StartError(where, fault.__cause__, home) from fault.__cause__


async def call(method: Callable[..., object], *arguments: object) -> None:
    """Call a component's ``start`` or ``stop``, whether its author wrote ``async`` or not."""
    result = method(*arguments)
    if inspect.isawaitable(result):
        await result


async def stop(where: str, stopping: Awaitable[None], logger: Logger, timeout_s: float) -> None:
    """Wait for a component's ``stop`` or ``refuse``; a failure is logged, the others go on."""
    try:
        async with asyncio.timeout(timeout_s):
            await attempt_async(stopping)
    except FaultError as fault:
        logger.error("component did not stop cleanly", stopping=where, reason=str(fault))
    except TimeoutError:
        reason = f"it took longer than {timeout_s:.1f} s"
        logger.error("component did not stop cleanly", stopping=where, reason=reason)


def end_tasks(where: str, component: Component[Any], logger: Logger) -> None:
    """Cancel the tasks of a stopped component's module that still run, and name them."""
    if is_ours(home_of(type(component))):
        return
    file = getattr(inspect.getmodule(type(component)), "__file__", None)
    for task in asyncio.all_tasks():
        code = getattr(task.get_coro(), "cr_code", None)
        if code is not None and file is not None and code.co_filename == file:
            task.cancel()
            logger.error(
                "component left a task running",
                stopping=where,
                task=f"{code.co_qualname} at {Path(file).name}:{code.co_firstlineno}",
                advice="keep the task, cancel it in stop() and await it",
            )
