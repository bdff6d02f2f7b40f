"""Notice that the event loop is kept, or that a processor does not come back."""

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence

from gateway.guard import Guard, vital
from gateway.trace_guard import TraceGuard

LOOK_S = 1.0
_FAILED = 1


class Watch:
    """
    A thread that ends the process when its event loop has stood still for too long.

    Args:
        limit_s: for how long.
        guards: of the processors that may be to blame.
        tell: called from the thread with their names and the place in their code.

    """

    def __init__(
        self,
        limit_s: float,
        guards: Callable[[], Sequence[Guard | TraceGuard]],
        tell: Callable[[list[str], str], None],
    ) -> None:
        self._limit_s = limit_s
        self._guards = guards
        self._tell = tell
        self._main = threading.get_ident()
        self._beat = time.monotonic()
        self._told = False
        self._thread = threading.Thread(
            target=vital, args=(self._run, "watch"), name="watch", daemon=True
        )

    def start(self) -> None:
        """Begin to watch."""
        self._beat = time.monotonic()
        self._thread.start()

    def beat(self) -> list[str]:
        """Note, from the event loop, that it goes on; return processors newly found to hang."""
        self._beat = time.monotonic()
        hung = [guard for guard in self._guards() if guard.hangs(self._limit_s)]
        if not hung or self._told:
            return []
        self._told = True
        return [guard.name for guard in hung]

    def _run(self) -> None:
        while time.monotonic() - self._beat < self._limit_s:
            time.sleep(LOOK_S)
        stack = traceback.extract_stack(sys._current_frames()[self._main])  # noqa: SLF001 - there is no public way
        files = [frame.filename for frame in stack]
        blamed = [
            guard.name
            for guard in self._guards()
            if guard.hangs(0) and any(file.startswith(str(guard.home)) for file in files)
        ]
        self._tell(blamed, f"{stack[-1].filename}:{stack[-1].lineno}")
        os._exit(_FAILED)
