"""Decode the components of a configuration, each by the settings of its own class."""

import re
import sys
from pathlib import Path
from typing import Any

import msgspec

from gateway.config import collector
from gateway.config.decode import FAILED, Decoder
from gateway.config.problems import KeyPath
from gateway.config.settings import ComponentSettings
from gateway.config.tree import Node, describe
from gateway.guard import FaultError, attempt
from gateway.plugin import Component, OnError
from gateway.registry import (
    BrokenComponentError,
    Kind,
    Registry,
    UnknownComponentError,
    config_type,
)

_ID = re.compile(r"([A-Za-z][A-Za-z0-9_]*)(?:/([^\s/]+))?")


class ComponentReader:
    """Decode component by component; a mistake in one hides none in another."""

    def __init__(self, decoder: Decoder, registry: Registry) -> None:
        self._decoder = decoder
        self._registry = registry

    def read(self, node: Node | None, kind: Kind) -> dict[str, ComponentSettings | None]:
        """Return the components by id; ``None`` for those with mistakes."""
        if node is None or node.broken or node.value is None:
            return {}
        if not isinstance(node.value, dict):
            self._decoder.report((kind,), f"expected a mapping, found {describe(node)}")
            return {}
        return {name: self._read(name, body, kind) for name, body in node.value.items()}

    def _read(self, name: str, body: Node, kind: Kind) -> ComponentSettings | None:
        path: KeyPath = (kind, name)
        parts = _ID.fullmatch(name)
        if parts is None:
            self._decoder.report(path, 'expected an id such as "otlp" or "otlp/name"')
            return None
        if body.broken:
            return None
        if not isinstance(body.value, dict | None):
            found = "a list" if isinstance(body.value, list) else "a value"
            hint = f"write {name}: {{}} for the defaults"
            self._decoder.report(path, f"expected its settings, found {found}", hint)
            return None
        own = dict(body.value or {})
        use = self._take(own, "use", str, path)
        on_error = self._take(own, "on_error", OnError, path) if kind == "processors" else None
        component = None if use is FAILED else self._component(kind, parts[1], use, body, path)
        if component is None:
            return None
        config = self._config(component, Node(own, body.mark), path)
        if config is FAILED or on_error is FAILED:
            return None
        return ComponentSettings(
            id=name,
            type=parts[1],
            component=component,
            config=config,
            on_error=on_error,
            where=str(body.mark),
            use=None if use is None else _absolute(use, body),
        )

    def _take(self, own: dict[str, Node], key: str, kind: Any, path: KeyPath) -> Any:
        """Decode a key that is the engine's, and take it out; ``None`` where it is not there."""
        node = own.pop(key, None)
        if node is None or (node.value is None and not node.broken):
            return None
        return self._decoder.decode(node, kind, (*path, key))

    def _component(
        self, kind: Kind, type_name: str, use: str | None, body: Node, path: KeyPath
    ) -> type[Component[Any]] | None:
        try:
            if use is not None:
                return self._registry.load_use(use, _use_dir(body), kind)
            return self._registry.find(kind, type_name)
        except UnknownComponentError as error:
            hint = collector.advice_on_type(kind, type_name) or error.hint
            self._decoder.report(path, f'unknown {kind[:-1]} type "{type_name}"', hint)
        except BrokenComponentError as error:
            place = (*path, "use") if use is not None else path
            self._decoder.report(place, str(error), _advice_on(error))
        return None

    def _config(self, component: type[Component[Any]], node: Node, path: KeyPath) -> Any:
        try:
            kind = config_type(component)
            attempt(lambda: msgspec.inspect.type_info(kind))
        except (BrokenComponentError, FaultError) as error:
            what = f"the settings of {component.__name__} cannot be read: {error}"
            return self._decoder.report(path, what)
        return self._decoder.decode(node, kind, path)


def _advice_on(error: BaseException) -> str:
    """Return what to do about a component that cannot be imported, where that can be told."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            return (
                f"install what holds {cause.name.partition('.')[0]} for this Python "
                f"({sys.executable} -m pip install ...), or put it beside the plugin"
            )
        cause = cause.__cause__
    return ""


def _use_dir(body: Node) -> Path:
    assert isinstance(body.value, dict)
    return body.value["use"].mark.base_dir


def _absolute(use: str, body: Node) -> str:
    """Return ``use`` so that it means the same wherever it is written."""
    place, colon, name = use.rpartition(":")
    if place.endswith(".py") or "/" in place:
        place = str((_use_dir(body) / place).resolve())
    return place + colon + name
