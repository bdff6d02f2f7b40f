"""Say where in whose code an error comes from."""

import importlib
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

_ENGINE = str(Path(__file__).parent)
_HOME = Path(__file__).parents[1]
_OURS = tuple(_HOME / name for name in ("gateway", "processors", "exporters"))
_STDLIB = sysconfig.get_path("stdlib")
_LIBRARIES = "site-packages"
MOST_FRAMES = 20
_NOT_TO_BLAME = (
    importlib.__file__,
    *(str(Path(__file__).with_name(name)) for name in ("guard.py", "lifecycle.py", "registry.py")),
)


def blame(error: BaseException, home: Path | None = None) -> str:
    """
    Return the error with the file and line to look at.

    Args:
        error: what was raised.
        home: folder of the component's module; its frames come before those of what it calls.

    """
    return f"{type(error).__name__}: {error}{place(error, home)}"


def blame_unseen(error: BaseException, home: Path | None = None) -> str:
    """Return kind, file and line of an error whose text may hold what a span holds."""
    return f"{type(error).__name__}{place(error, home)}"


def frames(error: BaseException) -> list[str]:
    """Return the way to where an error was raised: file, line and function, no values."""
    return [
        f"{_named(frame.filename, frame.lineno or 0)} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
    ]


def place(error: BaseException, home: Path | None) -> str:
    """
    Return `` at file:line``; nothing where nobody's code is to blame.

    The component's own line comes before that of a library, and that before one of the engine.
    """
    files = [
        (_whole(frame.filename), frame.lineno or 0)
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<frozen", "uvloop/"))
        and frame.filename not in _NOT_TO_BLAME
    ]
    own = [one for one in files if home is not None and is_in(home, one[0])]
    found = short(own or files)
    return f" at {found}" if found else ""


def short(places: Sequence[tuple[str, int]]) -> str | None:
    """Return ``file:line`` of the last place that is neither Python's nor the engine's."""
    others = [one for one in places if not _is_plumbing(one[0])]
    best = others or places
    return _named(*best[-1]) if best else None


def standing(home: Path | None) -> str | None:
    """Return ``file:line`` of a folder's code at which some thread stands now."""
    for frame in sys._current_frames().values():  # noqa: SLF001 - there is no public way
        stack = traceback.extract_stack(frame)
        own = [one for one in stack if home is not None and is_in(home, one.filename)]
        if own:
            return _named(own[-1].filename, own[-1].lineno or 0)
    return None


def line_of(function: Callable[..., object]) -> str:
    """Return file and line where a function begins."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return _named(code.co_filename, code.co_firstlineno) if code else repr(function)


def file_of(component: type) -> Path | None:
    """Return the file of the module that defines a class; ``None`` where there is none."""
    file = getattr(sys.modules.get(component.__module__), "__file__", None)
    return Path(file) if file else None


def home_of(component: type) -> Path | None:
    """Return the folder of the module that defines a class; ``None`` where there is no file."""
    file = file_of(component)
    return file.parent if file else None


def is_ours(home: Path | None) -> bool:
    """Whether a module stands in one of the packages that come with the gateway."""
    return home is not None and any(home.is_relative_to(folder) for folder in _OURS)


def is_in(home: Path, file: str) -> bool:
    """Whether a file stands in a folder, and is no library that is installed there."""
    path = Path(file)
    return path.is_relative_to(home) and _LIBRARIES not in path.relative_to(home).parts


def _whole(file: str) -> str:
    """Return a file's whole path; compiled modules tell theirs from where they were compiled."""
    return str(_HOME / file) if file.startswith(tuple(f"{one.name}/" for one in _OURS)) else file


def _is_plumbing(file: str) -> bool:
    return file.startswith((_ENGINE, _STDLIB)) and _LIBRARIES not in file


def _named(file: str, line: int) -> str:
    path = Path(file)
    name = path.name if path.stem != "__init__" else f"{path.parent.name}/{path.name}"
    return f"{name}:{line}"
