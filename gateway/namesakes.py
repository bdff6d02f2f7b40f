"""
Keep ``processors`` and ``exporters`` importable beside packages of the same name.

A plugin author may well have a ``processors`` of his own. Whichever of the two Python finds
first, :func:`join` makes the submodules of both importable; the first keeps its top level.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

NAMES = ("processors", "exporters")
_HOME = Path(__file__).resolve().parent.parent


class _Joiner(MetaPathFinder):
    """Find a joined package as Python would, then widen where its submodules are looked for."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in NAMES or path is not None:
            return None
        first = next(_specs(name, target), None)
        if first is not None:
            first.submodule_search_locations = _joined(first.submodule_search_locations, name)
        return first


def _specs(name: str, target: ModuleType | None = None) -> Iterator[ModuleSpec]:
    """Return what every other finder finds; editable installations have finders of their own."""
    for finder in list(sys.meta_path):
        find = getattr(finder, "find_spec", None)
        if find is not None and not isinstance(finder, _Joiner):
            spec = find(name, None, target)
            if spec is not None:
                yield spec


def _joined(known: Iterable[str] | None, name: str) -> list[str]:
    """Return the folders known already, then those of all namesakes, then ours."""
    others = [folder for spec in _specs(name) for folder in spec.submodule_search_locations or ()]
    entries = [Path(entry or ".") / name for entry in sys.path]
    on_path = [str(folder) for folder in entries if folder.is_dir()]
    return list(dict.fromkeys([*(known or ()), *others, *on_path, str(_HOME / name)]))


def join() -> None:
    """Join same-named packages, those imported already and those to come. Safe to call twice."""
    if not any(isinstance(finder, _Joiner) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Joiner())
    for name in NAMES:
        module = sys.modules.get(name)
        if module is not None:
            module.__path__ = _joined(getattr(module, "__path__", None), name)
