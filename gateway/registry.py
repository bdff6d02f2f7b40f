"""
Find components: ours and everybody's alike, by entry point or by ``use:``.

Nothing is imported before it is asked for, and a module that will not import is an error only
for those who ask for it.
"""

import difflib
import importlib
import importlib.util
import inspect
import sys
import zlib
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin

import msgspec

from gateway import namesakes
from gateway.guard import FaultError, attempt
from gateway.plugin import Component, Config, Exporter, Processor, Receiver, TraceProcessor

Kind = Literal["receivers", "processors", "exporters"]
KINDS: tuple[Kind, ...] = ("receivers", "processors", "exporters")

_BASES: dict[Kind, tuple[type[Component[Any]], ...]] = {
    "receivers": (Receiver,),
    "processors": (Processor, TraceProcessor),
    "exporters": (Exporter,),
}


class UnknownComponentError(LookupError):
    """No package announces a component of that type."""

    def __init__(self, kind: Kind, type_name: str, known: Iterable[str]) -> None:
        self.known = sorted(known)
        self.nearest = difflib.get_close_matches(type_name, self.known, n=3, cutoff=0.5)
        what = f'unknown {kind[:-1]} type "{type_name}"'
        super().__init__(f"{what}; {self.hint}")

    @property
    def hint(self) -> str:
        """What to write instead."""
        if self.nearest:
            return "did you mean " + " or ".join(f'"{name}"' for name in self.nearest) + "?"
        return f"known types: {', '.join(self.known) or 'none'} (see `spangate components`)"


class BrokenComponentError(ImportError):
    """A component is announced or named, but cannot be loaded; the message says why."""


class ComponentInfo(msgspec.Struct, kw_only=True):
    """One line of ``spangate components``."""

    type: str
    kind: Kind
    module: str
    stability: str = ""
    summary: str = ""
    error: str | None = None
    """Why it cannot be used; ``None`` where it can."""


class Registry:
    """
    The components that can be used here.

    Args:
        entries: what packages announce, by kind and type; ``None`` asks the installed packages.

    """

    def __init__(self, entries: Mapping[Kind, Mapping[str, str]] | None = None) -> None:
        self._entries: dict[Kind, dict[str, str]] = {}
        self._clashes: list[ComponentInfo] = []
        self._used: dict[tuple[str, Path], type[Component[Any]]] = {}
        for kind in KINDS:
            if entries is None:
                self._entries[kind] = self._announced(kind)
            else:
                self._entries[kind] = dict(entries.get(kind, {}))

    def _announced(self, kind: Kind) -> dict[str, str]:
        found: dict[str, str] = {}
        for point in sorted(entry_points(group=f"spangate.{kind}"), key=_ours_first):
            taken = found.setdefault(point.name, point.value)
            if taken != point.value:
                self._clashes.append(
                    ComponentInfo(
                        type=point.name,
                        kind=kind,
                        module=point.value,
                        error=f"the type is taken by {taken}; write use: {point.value}",
                    )
                )
        return found

    def types(self, kind: Kind) -> list[str]:
        """Return the known component types, sorted."""
        return sorted(self._entries[kind])

    def find(self, kind: Kind, type_name: str) -> type[Component[Any]]:
        """
        Return the class behind a component type.

        Raises:
            UnknownComponentError: nobody announces it.
            BrokenComponentError: it cannot be imported, or is no such component.

        """
        target = self._entries[kind].get(type_name)
        if target is None:
            raise UnknownComponentError(kind, type_name, self._entries[kind])
        module, _, name = target.partition(":")
        return _component(_import(module), name, target, kind)

    def all(self, kind: Kind) -> list[ComponentInfo]:
        """Return every announced component; those that cannot be imported say why."""
        lines = [self._describe(kind, name) for name in self.types(kind)]
        return lines + [clash for clash in self._clashes if clash.kind == kind]

    def _describe(self, kind: Kind, type_name: str) -> ComponentInfo:
        module = self._entries[kind][type_name]
        try:
            component = self.find(kind, type_name)
            config_type(component)
        except BrokenComponentError as error:
            return ComponentInfo(type=type_name, kind=kind, module=module, error=str(error))
        return ComponentInfo(
            type=type_name,
            kind=kind,
            module=module,
            stability=component.stability,
            summary=summary(component),
        )

    def load_use(self, use: str, base_dir: Path, kind: Kind | None = None) -> type[Component[Any]]:
        """
        Return the class that ``use: ./file.py:Class`` or ``use: pkg.mod:Class`` names.

        Files are relative to ``base_dir``, which is also where modules are looked for last.

        Raises:
            BrokenComponentError: it cannot be loaded, and why.

        """
        place, colon, name = use.rpartition(":")
        if not colon or not place or not name.isidentifier():
            raise BrokenComponentError(
                f'expected "./file.py:Class" or "package.module:Class", found "{use}"'
            )
        key = (use, base_dir)
        if key not in self._used:
            if place.endswith(".py") or "/" in place:
                module = _import_file(base_dir / place)
            else:
                _look_in(base_dir)
                module = _import(place)
            self._used[key] = _component(module, name, use, kind)
        return self._used[key]


def _ours_first(point: EntryPoint) -> tuple[bool, str, str]:
    distribution = point.dist.name if point.dist is not None else ""
    return (distribution != "spangate", point.name, point.value)


def _import(module: str) -> ModuleType:
    try:
        return attempt(lambda: importlib.import_module(module))
    except FaultError as fault:
        raise BrokenComponentError(f"cannot import {module}: {fault}") from fault


def _import_file(path: Path) -> ModuleType:
    """Import a file by its path; files beside it can be imported by it."""
    if not path.is_file():
        raise BrokenComponentError(f"there is no file {path}")
    path = path.resolve()
    name = f"spangate_use_{path.stem}_{zlib.crc32(bytes(path)):08x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BrokenComponentError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # the types of its settings are looked up there
    _look_in(path.parent)
    run = spec.loader.exec_module
    try:
        attempt(lambda: run(module))
    except FaultError as fault:
        del sys.modules[name]
        raise BrokenComponentError(f"cannot import {path}: {fault}") from fault
    return module


def _look_in(folder: Path) -> None:
    """Add a folder to the end of the path, where it shadows nothing."""
    text = str(folder.resolve())
    if text not in sys.path:
        sys.path.append(text)
        importlib.invalidate_caches()
        namesakes.join()


def _component(
    module: ModuleType, name: str, target: str, kind: Kind | None
) -> type[Component[Any]]:
    found = getattr(module, name, None)
    if not isinstance(found, type):
        classes = [key for key, value in vars(module).items() if _is_component(value, module)]
        nearest = difflib.get_close_matches(name, classes, n=1) or classes[:1]
        hint = f'; did you mean "{nearest[0]}"?' if nearest else ""
        raise BrokenComponentError(f"{target}: the module has no class {name}{hint}")
    if not issubclass(found, Component):
        raise BrokenComponentError(
            f"{target} is no component: derive it from gateway.plugin's Receiver, Processor, "
            "TraceProcessor or Exporter"
        )
    wrong = [base for bases in _BASES.values() for base in bases if issubclass(found, base)]
    if kind is not None and wrong and not issubclass(found, _BASES[kind]):
        raise BrokenComponentError(
            f"{target} is a {wrong[0].__name__}, not a {_BASES[kind][0].__name__}"
        )
    return found


def _is_component(value: object, module: ModuleType) -> bool:
    """Tell whether a module itself defines a component; a base it imports is none."""
    if not isinstance(value, type) or value.__module__ != module.__name__:
        return False
    return issubclass(value, Component)


def config_type(component: type[Component[Any]]) -> type[Config]:
    """
    Return the settings of a component: the ``C`` of ``Processor[C]``; ``Config`` where unsaid.

    Raises:
        BrokenComponentError: ``C`` is no settings type.

    """
    for ancestor in component.__mro__:
        for base in getattr(ancestor, "__orig_bases__", ()):
            origin = get_origin(base)
            if not (isinstance(origin, type) and issubclass(origin, Component)):
                continue
            argument = get_args(base)[0]
            if isinstance(argument, TypeVar):
                continue
            is_class = isinstance(argument, type) and get_origin(argument) is None
            if is_class and issubclass(argument, Config):
                return cast("type[Config]", argument)
            raise BrokenComponentError(
                f"{component.__name__}: the settings {argument} must derive from "
                "gateway.plugin.Config"
            )
    return Config


def summary(component: type[Component[Any]]) -> str:
    """Return the first sentence of a component's docstring."""
    paragraph = (inspect.cleandoc(component.__doc__ or "")).split("\n\n")[0]
    return " ".join(paragraph.split())
