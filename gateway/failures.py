"""What a start that failed says to people, without tracebacks."""

import errno
from pathlib import Path

from gateway.lifecycle import StartError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class WorkersError(Exception):
    """The first workers could not start; ``reasons`` are sentences for people."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def foreseen(error: BaseException, data_dir: str | Path) -> list[str] | None:
    """
    Return the sentences of failures that were foreseen; None where anything else is in it.

    Args:
        error: what ended the start.
        data_dir: whose disk may be full.

    """
    if isinstance(error, BaseExceptionGroup):
        found: list[str] = []
        for inner in error.exceptions:
            said = foreseen(inner, data_dir)
            if said is None:
                return None
            found += said
        return found
    if isinstance(error, WorkersError):
        return error.reasons
    if not isinstance(error, StartError | OSError):
        return None
    cause = error.__cause__ if isinstance(error, StartError) else error
    if isinstance(cause, OSError) and cause.errno in _NO_ROOM:
        return [f"{error}; make room on the disk of service.data_dir, {Path(data_dir).resolve()}"]
    return [str(error)]
