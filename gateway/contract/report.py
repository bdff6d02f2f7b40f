"""What a component breaks: where, what, and what to do."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from gateway.blame import blame, home_of, line_of, place
from gateway.guard import FaultError, attempt
from gateway.plugin import Component
from gateway.returned import GarbageError

T = TypeVar("T")


class ContractError(AssertionError):
    """A component breaks promises; the message names each with file and line."""


class Report:
    """The broken promises of one component; what is wrong in the same way is told once."""

    def __init__(self, component: type[Component[Any]]) -> None:
        self.component = component
        self._home = home_of(component)
        self._breaches: dict[tuple[str, str], tuple[str, list[str]]] = {}

    def __bool__(self) -> bool:
        return bool(self._breaches)

    def add(
        self, doing: str, what: str, hint: str, at: Callable[..., object] | str | None = None
    ) -> None:
        """
        Note a broken promise.

        Args:
            doing: what was tried, such as ``process() on an empty batch``.
            what: what went wrong.
            hint: what to do.
            at: a method, or ``file:line``; ``None`` is the whole class.

        """
        if at is None:
            at = _line_of_class(self.component)
        where = at if isinstance(at, str) else line_of(at)
        _, tried = self._breaches.setdefault((where, what), (hint, []))
        if doing not in tried:
            tried.append(doing)

    def attempt(
        self, doing: str, step: Callable[[], T], promised: tuple[type[Exception], ...] = ()
    ) -> T | None:
        """
        Return what a step of the component's returns; note what it raises, and return ``None``.

        Raises:
            Exception: what is ``promised``.

        """
        try:
            return attempt(step, promised)
        except FaultError as fault:
            self._failed(doing, fault.__cause__ or fault)
            return None

    def _failed(self, doing: str, error: BaseException) -> None:
        if isinstance(error, GarbageError):
            what = str(error).removeprefix("process() ")
            self.add(doing, what, _RETURN, getattr(self.component, "process", None))
            return
        where = place(error, self._home)
        what = f"failed: {blame(error, self._home).removesuffix(where)}"
        self.add(doing, what, _HINTS.get(doing, _MEND), where.removeprefix(" at ") or None)

    def does(self, doing: str, step: Callable[[], None]) -> bool:
        """Take a step of the component's and tell whether it returned; note what it raises."""

        def done() -> bool:
            step()
            return True

        return bool(self.attempt(doing, done))

    def raise_any(self) -> None:
        """
        Say what is broken, if anything.

        Raises:
            ContractError: some promise is.

        """
        if not self._breaches:
            return
        count = len(self._breaches)
        title = "a promise" if count == 1 else f"{count} promises"
        lines = [
            f"  {where}: {_some(tried)} {what}\n    {hint}"
            for (where, what), (hint, tried) in self._breaches.items()
        ]
        text = "\n".join(lines)
        raise ContractError(f"{self.component.__name__} breaks {title} of plugins:\n{text}")


def _some(tried: list[str]) -> str:
    more = f" (and {len(tried) - 1} more)" if len(tried) > 1 else ""
    return tried[0] + more


_MEND = "what a component raises on purpose is Reject, Retry or Busy; mend the rest"
_RETURN = "return the batch that was given, changed in place, or another Batch"
_HINTS = {
    "building it": "if it needs settings: check_contract(TheClass, its_setting=value)",
    "stop() without start()": "stop() is called whatever happened before: begin with what is unset",
    "stop() after stop()": "stop() may come twice: forget what is closed",
}


def _line_of_class(component: type) -> str:
    try:
        file, (_, line) = inspect.getsourcefile(component), inspect.getsourcelines(component)
    except (OSError, TypeError):
        return component.__qualname__
    return f"{Path(file or '').name}:{line}"
