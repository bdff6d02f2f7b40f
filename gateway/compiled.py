"""
Run hot modules compiled where that was done from the very sources that stand here.

A checkout keeps what ``hatch_build.py`` compiled below ``build/``, away from the sources: beside
them Python would prefer it even after an edit. An installed wheel has its compiled modules in
place and nothing to compare. See docs/adr/0016.
"""

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

_HOME = Path(__file__).resolve().parent.parent
FOLDER = _HOME / "build" / "compiled" / EXTENSION_SUFFIXES[0].split(".")[1]
"""One for each kind of Python and machine."""
MANIFEST = "manifest.json"
OFF = "SPANGATE_PURE_PYTHON"
"""Environment variable: with any value, a checkout runs from its sources."""
_LIBRARY = "__mypyc"


class _Finder(MetaPathFinder):
    """Find the compiled module wherever Python would run the source that it was made of."""

    def __init__(self, folder: Path, modules: dict[str, str]) -> None:
        self._files = {name: str(folder / file) for name, file in modules.items()}

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._files.get(name)
        if file is None:
            return None
        if not name.endswith(_LIBRARY):
            ours = _HOME.joinpath(*name.split(".")).with_suffix(".py")
            spec = PathFinder.find_spec(name, path, target)
            if spec is None or Path(spec.origin or "").resolve() != ours:
                return None  # another package of the same name stands before ours
        return spec_from_file_location(name, file)


def digest(source: Path) -> str:
    """Return what tells a source from all others."""
    return hashlib.sha256(source.read_bytes()).hexdigest()


def fresh_modules(folder: Path = FOLDER) -> dict[str, str]:
    """Return the compiled modules and their files; none where a source was edited since."""
    try:
        built = json.loads((folder / MANIFEST).read_bytes())
        edited = any(digest(_HOME / file) != seen for file, seen in built["sources"].items())
    except (OSError, ValueError):
        return {}
    modules: dict[str, str] = built["modules"]
    return {} if edited else modules


def use(folder: Path = FOLDER) -> None:
    """Let compiled modules of a checkout be imported, as long as no source was edited."""
    modules = {} if os.environ.get(OFF) else fresh_modules(folder)
    if modules:
        sys.meta_path.insert(0, _Finder(folder, modules))


def flavour() -> str:
    """Say whether this process runs compiled modules, and why not."""
    spec = find_spec("gateway.otlp.wire")
    if spec is not None and not str(spec.origin).endswith(".py"):
        return "compiled"
    if os.environ.get(OFF) or not (FOLDER / MANIFEST).exists():
        return "pure Python"
    return "pure Python, sources were edited since they were compiled: run make compiled"
