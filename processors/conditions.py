"""Conditions in the settings of processors, and what happens where one cannot be evaluated."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from gateway.plugin import Context, Reject
from processors.expressions import Condition, EvaluationError, Level, Subject

ErrorMode = Literal["ignore", "silent", "propagate"]

_TELL_AGAIN_S = 60.0


def compile_all(
    field: str, sources: Sequence[str], level: Level | Callable[[str], Level]
) -> list[Condition]:
    """
    Return the conditions of a setting, all about one level or each about its own.

    Raises:
        ValueError: some are wrong; one argument for each, which begins with its place.

    """
    compiled: list[Condition] = []
    mistakes: list[str] = []
    for at, source in enumerate(sources):
        try:
            compiled.append(Condition(source, level(source) if callable(level) else level))
        except ValueError as error:
            mistakes.append(f"{field}[{at}]: {error}")
    if mistakes:
        raise ValueError(*mistakes)
    return compiled


def any_of(
    conditions: Iterable[Condition], subject: Subject, faults: "Faults"
) -> Callable[[], str]:
    """Return what names the first condition that is met, if any; faults count as not met."""
    bound = [(condition.bind(subject), condition.source) for condition in conditions]

    def met() -> str:
        for one, source in bound:
            try:
                if one():
                    return source
            except EvaluationError as error:
                faults.add(error)
        return ""

    return met


class Faults:
    """
    The evaluations that failed in one batch.

    Args:
        mode: what to do about them: say so, be silent, or refuse the batch.

    """

    def __init__(self, mode: ErrorMode) -> None:
        self._mode = mode
        self._counts: dict[str, int] = {}

    def add(self, error: EvaluationError) -> None:
        """
        Note one.

        Raises:
            Reject: ``error_mode`` is ``propagate``.

        """
        if self._mode == "propagate":
            raise Reject(f"{error} (error_mode: propagate)") from error
        self._counts[str(error)] = self._counts.get(str(error), 0) + 1

    @property
    def counts(self) -> Mapping[str, int]:
        """How many evaluations failed, by reason."""
        return self._counts

    @property
    def is_silent(self) -> bool:
        """Whether nothing is to be said of them."""
        return self._mode == "silent"


class Teller:
    """
    Count the faults of batches, and name each in the log once a minute at most.

    Args:
        context: of a processor that was started; without one nothing is told.

    """

    def __init__(self, context: Context | None = None) -> None:
        self._context = context
        self._told_at: dict[str, float] = {}

    def tell(self, faults: Faults) -> None:
        """Say what failed in a batch."""
        if self._context is None or not faults.counts:
            return
        self._context.meter.count("expression_errors", sum(faults.counts.values()))
        now = self._context.clock.monotonic()
        for reason, count in () if faults.is_silent else faults.counts.items():
            if now - self._told_at.get(reason, -math.inf) >= _TELL_AGAIN_S:
                self._told_at[reason] = now
                self._context.logger.warning(
                    "expression could not be evaluated",
                    reason=reason,
                    spans=count,
                    advice="what fails counts as not met; error_mode: silent stops this message",
                )
