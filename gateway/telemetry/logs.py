"""
Logs: structlog on stderr, for people on a terminal, JSON lines elsewhere.

One line an event that matters, with the ids that join it to traces; never a payload.
"""

import os
import sys
from typing import Literal, cast

import structlog

from gateway.batch import Batch
from gateway.config.settings import LogsConfig
from gateway.plugin import Logger
from gateway.telemetry import foreign
from gateway.telemetry.console import Lines
from gateway.telemetry.floods import Floods
from gateway.telemetry.notices import Notices

MOST_TRACES = 3
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
    console = is_for_people(form)
    colours = console and sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    renderer: structlog.typing.Processor = (
        Lines(colours=colours) if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            NOTICES,
            Floods(_tell_left_out),
            structlog.processors.TimeStamper(fmt="iso", utc=not console),
            foreign.without_values,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=_Stderr,
        cache_logger_on_first_use=False,
    )


def is_for_people(form: Literal["auto", "console", "json"]) -> bool:
    """Tell whether the log is text; ``auto`` is text on a terminal."""
    return form == "console" or (form == "auto" and sys.stderr.isatty())


def take_over(settings: LogsConfig) -> None:
    """Set up logging for a process of ours, with what libraries log and what nobody catches."""
    configure(settings.level, settings.format)
    foreign.listen()


def _tell_left_out(component: str, event: str, lines: int) -> None:
    get(component).warning("lines were left out of the log", lines=lines, of=event)


def trace_of(batch: Batch) -> dict[str, object]:
    """Return what joins a line of the log to a request and its traces: few ids, no content."""
    traces = dict.fromkeys(span.trace_id for span in batch.spans)
    return {
        "tenant": batch.context.tenant,
        "peer": batch.context.peer,
        "request": f"{batch.context.received_unix_ns:x}",
        "trace_ids": [trace.hex() for trace in list(traces)[:MOST_TRACES]],
        "traces": len(traces),
    }


def get(component: str) -> Logger:
    """Return a logger that names its component."""
    return cast("Logger", structlog.get_logger().bind(component=component))
