"""The event loop that everything runs on."""

import asyncio
import sys


def factory() -> "type[asyncio.AbstractEventLoop] | None":
    """Return the fastest event loop there is; None is Python's own."""
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 - not there on Windows

    return uvloop.Loop
