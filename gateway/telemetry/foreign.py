"""What libraries log and what nobody caught, in our log: without values, which may be spans'."""

import logging
import sys
import threading
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog

from gateway.blame import blame_unseen, frames

MAX_CHARS = 120


def without_values(
    _logger: object, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Say of an exception its kind and where it was raised; its text may quote a span."""
    told = line.pop("exc_info", None)
    error = told if isinstance(told, BaseException) else sys.exc_info()[1] if told else None
    if isinstance(told, tuple):
        error = told[1]
    if error is not None:
        line["fault"] = blame_unseen(error)
        line["frames"] = frames(error)
    return line


class Foreign(logging.Handler):
    """Write warnings and errors of libraries: the message without its arguments."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one."""
        event = str(record.msg).partition("\n")[0].partition(": ")[0][:MAX_CHARS]
        logger = structlog.get_logger().bind(component=record.name)
        write = logger.error if record.levelno >= logging.ERROR else logger.warning
        write(event, at=f"{record.filename}:{record.lineno}", exc_info=record.exc_info or None)


def listen() -> None:
    """Write what libraries log and what nobody catches to our log, from now on."""
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if not isinstance(one, Foreign)]
    root.addHandler(Foreign(logging.WARNING))
    threading.excepthook = _thread_failed
    sys.excepthook = _failed


def _thread_failed(told: threading.ExceptHookArgs) -> None:
    structlog.get_logger().error(
        "a thread failed",
        component="process",
        thread=told.thread.name if told.thread else "",
        exc_info=told.exc_value,
    )


def _failed(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    structlog.get_logger().error("the process failed", component="process", exc_info=error)
