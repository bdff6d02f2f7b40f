"""Where a worker crashed, and in whose code: Python's note, which the supervisor reads."""

import faulthandler
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from gateway.blame import file_of, home_of, is_in, short
from gateway.config.settings import Settings
from gateway.guard import name_of

Frames: TypeAlias = Sequence[tuple[str, int]]
"""Files and lines, the outermost first."""

_FRAME = re.compile(r'^  File "(.+)", line (\d+) in ', re.MULTILINE)


def prepare(folder: Path, number: int) -> None:
    """Have Python note the line that this process stands at, should it crash."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    note = os.open(_note(folder, number), flags, 0o600)  # open as long as the process lives
    faulthandler.enable(note, all_threads=False)


def frames(folder: Path, number: int) -> Frames:
    """Return where a worker stood when it crashed; nothing where nothing was noted."""
    try:
        text = _note(folder, number).read_text(errors="replace")
    except OSError:
        return []
    return [(file, int(line)) for file, line in reversed(_FRAME.findall(text))]


def told(stood: Frames) -> dict[str, str]:
    """Return where it crashed and what to do, for the log."""
    at = short(stood)
    hint = "look at what is called there: it, or a library in C that it uses, has to be mended"
    return {"at": at, "hint": hint} if at else {}


def blamed(stood: Frames, settings: Settings) -> list[str]:
    """Return the names of the processors, of all pipelines, in whose code it crashed."""
    files = [file for file, _ in stood]
    known = [
        (name_of(pipeline, one), settings.processors[one].component)
        for pipeline, wanted in settings.service.pipelines.items()
        for one in wanted.processors
    ]
    by_file = [name for name, component in known if str(file_of(component)) in files]
    return by_file or [
        name
        for name, component in known
        if (home := home_of(component)) and any(is_in(home, file) for file in files)
    ]


def _note(folder: Path, number: int) -> Path:
    return folder / f"crash-{number}.txt"
