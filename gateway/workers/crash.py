"""Where a worker crashed: Python's own note, left in a file that the supervisor reads."""

import faulthandler
import os
import re
from pathlib import Path

from gateway.blame import short

_FRAME = re.compile(r'^  File "(.+)", line (\d+) in ', re.MULTILINE)


def prepare(folder: Path, number: int) -> None:
    """Have Python note the line that this process stands at, should it crash."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    note = os.open(_note(folder, number), flags, 0o600)  # open as long as the process lives
    faulthandler.enable(note, all_threads=False)


def found(folder: Path, number: int) -> dict[str, str]:
    """Return where it crashed and what to do, for the log; nothing where nothing was noted."""
    try:
        text = _note(folder, number).read_text(errors="replace")
    except OSError:
        return {}
    at = short([(file, int(line)) for file, line in reversed(_FRAME.findall(text))])
    hint = "look at what is called there: it, or a library in C that it uses, has to be mended"
    return {"at": at, "hint": hint} if at else {}


def _note(folder: Path, number: int) -> Path:
    return folder / f"crash-{number}.txt"
