"""What ``spangate doctor`` finds, and how a component takes part."""

from typing import Literal, Protocol, runtime_checkable

import msgspec

from gateway.plugin import Context

Status = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, kw_only=True):
    """One thing that was looked at."""

    check: str
    """What was looked at."""

    status: Status
    """``fail`` keeps spans from arriving, ``warn`` may do so later."""

    detail: str
    """What was found."""

    advice: str = ""
    """What to do about it."""


@runtime_checkable
class Diagnosable(Protocol):
    """A component that can look at what it depends on, without being started."""

    async def diagnose(self, context: Context) -> list[Finding]:
        """Return what was found; nothing is changed, and nothing stays open."""
        ...
