"""
Logs: structlog on stderr, for people on a terminal, JSON lines elsewhere.

One line an event that matters, with the ids that join it to traces; never a payload.
"""

import os
import sys
from typing import Literal, cast

import structlog

from gateway.plugin import Logger
from gateway.telemetry.notices import Notices

LEVELS = {"debug": 10, "info": 20, "warn": 30, "warning": 30, "error": 40}

NOTICES = Notices()
"""The last warnings and errors of this process."""


class _Stderr:
    """Write lines to what is standard error at the time, each in one write."""

    def __init__(self, *_args: object) -> None:
        pass

    def msg(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    debug = info = warning = warn = error = critical = msg


def configure(
    level: Literal["debug", "info", "warn", "warning", "error"],
    form: Literal["auto", "console", "json"],
) -> None:
    """Set up logging for the process; ``auto`` is console on a terminal and JSON elsewhere."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    colours = console and sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=0)
        if console
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            NOTICES,
            structlog.processors.TimeStamper(fmt="iso", utc=not console),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=_Stderr,
        cache_logger_on_first_use=False,
    )


def get(component: str) -> Logger:
    """Return a logger that names its component."""
    return cast("Logger", structlog.get_logger().bind(component=component))
