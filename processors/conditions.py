"""Conditions in the settings of processors, and what happens where one cannot be evaluated."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from gateway.plugin import Logger, Meter, Reject
from processors.expressions import Condition, EvaluationError, Level, Subject

ErrorMode = Literal["ignore", "silent", "propagate"]


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
) -> Callable[[], bool]:
    """Return what tells whether one of the conditions is met; faults count as not met."""
    bound = [condition.bind(subject) for condition in conditions]

    def met() -> bool:
        for one in bound:
            try:
                if one():
                    return True
            except EvaluationError as error:
                faults.add(error)
        return False

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

    def report(self, logger: Logger | None, meter: Meter | None) -> None:
        """Count them, and name them in the log unless they are to be silent."""
        for reason, count in self._counts.items():
            if meter is not None:
                meter.count("expression_errors", count)
            if logger is not None and self._mode == "ignore":
                logger.warning(
                    "expression could not be evaluated",
                    reason=reason,
                    spans=count,
                    hint="these counted as not met; error_mode: silent stops this message",
                )
