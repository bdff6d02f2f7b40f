"""Where a worker crashed, and in whose code: Python's note, which the supervisor reads."""

import faulthandler
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from gateway.blame import file_of, home_of, is_in, is_ours, short
from gateway.config.settings import Settings
from gateway.guard import name_of
from gateway.plugin import Processor
from gateway.poison import LIMIT, Note
from gateway.workers.suspects import Suspects

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


def account(
    stood: Frames, notes: Sequence[Note], code: int, suspects: Suspects, settings: Settings
) -> tuple[list[str], dict[str, object]]:
    """Return the processors to be left alone after a crash, and what the log tells of it."""
    found = blamed(stood, settings) if stood else at_work(notes, code, suspects, settings)
    return found, {
        "how": f"signal {-code}" if code < 0 else f"exit code {code}",
        "processing": sorted({note.processor for note in notes} - {""}) or None,
        "left_alone": found or None,
        **told(stood),
    }


def told(stood: Frames) -> dict[str, str]:
    """Return where it crashed and what to do, for the log."""
    at = short(stood)
    advice = "look at what is called there: it, or a library in C that it uses, has to be mended"
    return {"at": at, "advice": advice} if at else {}


def blamed(stood: Frames, settings: Settings) -> list[str]:
    """
    Return the names of the processors of stage 1, of all pipelines, in whose code it crashed.

    Those whose methods were on the way there, else those in whose files it was, else folders.
    """
    known = _processors(settings)
    for stands_in in (_in_method, _in_file, _in_home):
        found = [name for name, component in known.items() if stands_in(component, stood)]
        if found:
            return found
    return []


def at_work(notes: Sequence[Note], code: int, suspects: Suspects, settings: Settings) -> list[str]:
    """
    Return the plugin that ended its process without a note of Python's, if it can be told.

    A process that exits was ended by somebody's code: the one plugin that was at work. One that
    was killed may have been in anybody's way: a plugin is to blame once a request is condemned
    for it.
    """
    plugins = {n for n, c in _processors(settings).items() if not is_ours(home_of(c))}
    found = {note.processor for note in notes} & plugins
    if code >= 0:
        return sorted(found) if len(found) == 1 else []
    return sorted(
        {n.processor for n in notes if n.processor in found and suspects.score(n) >= LIMIT}
    )


def _processors(settings: Settings) -> dict[str, type]:
    """Return the classes of all processors of stage 1, by name."""
    return {
        name_of(pipeline, one): settings.processors[one].component
        for pipeline, wanted in settings.service.pipelines.items()
        for one in wanted.processors
        if issubclass(settings.processors[one].component, Processor)
    }


def _in_method(component: type, stood: Frames) -> bool:
    codes = [getattr(value, "__code__", None) for value in vars(component).values()]
    lines = {(code.co_filename, at[2]) for code in codes if code for at in code.co_lines()}
    return any(frame in lines for frame in stood)


def _in_file(component: type, stood: Frames) -> bool:
    return any(file == str(file_of(component)) for file, _ in stood)


def _in_home(component: type, stood: Frames) -> bool:
    home = home_of(component)
    return home is not None and any(is_in(home, file) for file, _ in stood)


def _note(folder: Path, number: int) -> Path:
    return folder / f"crash-{number}.txt"
