"""
Keep ``processors`` and ``exporters`` importable beside packages of the same name.

A plugin author may well have a package called ``processors`` of his own. Whichever of the two
Python finds first, :func:`join` makes the submodules of both importable.
"""

import importlib.machinery
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType

NAMES = ("processors", "exporters")
_HOME = Path(__file__).resolve().parent.parent


def _folders(name: str) -> list[str]:
    """Return ours and every same-named folder on the path; the folder of the first match leads."""
    found = [str(folder) for entry in sys.path if (folder := Path(entry or ".") / name).is_dir()]
    return list(dict.fromkeys([*found, str(_HOME / name)]))


class _Joiner(MetaPathFinder):
    """Find a joined package as Python would, then widen where its submodules are looked for."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in NAMES or path is not None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, None, target)
        if spec is None:
            spec = importlib.machinery.PathFinder.find_spec(name, [str(_HOME)], target)
        if spec is not None and spec.submodule_search_locations is not None:
            spec.submodule_search_locations = _merge(spec.submodule_search_locations, name)
        return spec


def _merge(known: Sequence[str], name: str) -> list[str]:
    return list(dict.fromkeys([*known, *_folders(name)]))


def join() -> None:
    """Join same-named packages, those imported already and those to come. Safe to call twice."""
    if not any(isinstance(finder, _Joiner) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Joiner())
    for name in NAMES:
        module = sys.modules.get(name)
        if module is not None and hasattr(module, "__path__"):
            module.__path__ = _merge(list(module.__path__), name)
