"""
Run a command in a process group of its own, and end the group when our parent has gone.

A script, run by path (``python keeper.py COMMAND ...``) so that it imports nothing of ours. Its
standard input is a pipe that the parent holds: however the parent dies, the pipe closes.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

GRACE_S = 5.0
_POLL_S = 0.05


def main() -> int:
    """Keep the command; return its exit code, or 0 where it was ended on purpose."""
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 - the command is our parent's
    orphaned = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: orphaned.set())
    threading.Thread(target=_wait_for_parent, args=(orphaned,), daemon=True).start()
    while child.poll() is None and not orphaned.wait(_POLL_S):
        pass
    code = 0 if orphaned.is_set() else child.returncode
    _end(child)
    return code


def _wait_for_parent(orphaned: threading.Event) -> None:
    # Not sys.stdin: its lock would be held by this thread when the interpreter ends.
    while os.read(0, 4096):
        pass
    orphaned.set()


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End the whole group: politely at first, and what the command has left behind too."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal(child.pid, number)
        deadline = time.monotonic() + GRACE_S
        while _lives(child) and time.monotonic() < deadline:
            time.sleep(_POLL_S)


def _lives(child: "subprocess.Popen[bytes]") -> bool:
    child.poll()  # else the dead child itself would count as a member of its group
    try:
        os.killpg(child.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main())
