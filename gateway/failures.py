"""What a start that failed says to people, without tracebacks."""

from gateway.lifecycle import StartError


class WorkersError(Exception):
    """The first workers could not start; ``reasons`` are sentences for people."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def foreseen(error: BaseException) -> list[str] | None:
    """Return the sentences of failures that were foreseen; None where anything else is in it."""
    if isinstance(error, BaseExceptionGroup):
        found: list[str] = []
        for inner in error.exceptions:
            said = foreseen(inner)
            if said is None:
                return None
            found += said
        return found
    if isinstance(error, WorkersError):
        return error.reasons
    return [str(error)] if isinstance(error, StartError | OSError) else None
