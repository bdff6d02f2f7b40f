"""A Collector's configuration as it was read, with the lines of its keys."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from gateway.config.collector import advice
from gateway.config.problems import KeyPath

_BARE = re.compile(r"(?<!\$)\$\{([A-Za-z_]\w*)\}")


class MigrationError(Exception):
    """The file cannot be migrated; says why and what to do."""


class Note(NamedTuple):
    """What a person should know of one setting."""

    line: int
    path: str
    text: str


class Report:
    """The notes so far, and the lines that they speak of."""

    def __init__(self, lines: Mapping[KeyPath, int]) -> None:
        self._lines = lines
        self._notes: dict[Note, None] = {}

    def note(self, path: KeyPath, text: str) -> None:
        """Add a note on a setting."""
        self._notes[Note(self.line(path), ".".join(map(str, path)), text)] = None

    def line(self, path: KeyPath) -> int:
        """Return where a setting stands, or what holds it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def notes(self) -> list[Note]:
        """Return all notes in the order of the file."""
        return sorted(self._notes)


class Section:
    """
    A mapping of which settings are taken one by one.

    What is left at the end has no counterpart, and is noted.
    """

    def __init__(self, value: Any, path: KeyPath, report: Report) -> None:
        self._rest = dict(value) if isinstance(value, Mapping) else {}
        self.path = path
        self.report = report

    def copy(self) -> "Section":
        """Return the same again, so that it can be taken apart more than once."""
        return Section(self._rest, self.path, self.report)

    def __contains__(self, key: str) -> bool:
        return key in self._rest

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._rest))

    def take(self, key: str, default: Any = None) -> Any:
        """Take a setting out."""
        return self._rest.pop(key, default)

    def section(self, key: str) -> "Section":
        """Take a mapping out, an empty one where there is none."""
        return Section(self.take(key), (*self.path, key), self.report)

    def move(self, to: dict[str, Any], *keys: str, **renamed: str) -> None:
        """Take settings that are called the same, or as told, here and there."""
        for key, name in {**{key: key for key in keys}, **renamed}.items():
            if key in self._rest:
                to[name] = self.take(key)

    def note(self, key: str, text: str) -> None:
        """Take a setting out that has no counterpart, and say what to do."""
        if key in self._rest:
            self.take(key)
            self.report.note((*self.path, key), text)

    def finish(self) -> None:
        """Note every setting that is left."""
        for key in self:
            path = (*self.path, key)
            hint = advice(path)
            self.report.note(path, f"no counterpart{hint and f': {hint}'}")
            self.take(key)


def read(text: str) -> tuple[dict[str, Any], Report]:
    """
    Read a configuration; references to the environment stay.

    Raises:
        MigrationError: it is no YAML, or no configuration of a Collector.

    """
    try:
        documents = list(yaml.compose_all(_BARE.sub(r"${env:\1}", text), yaml.SafeLoader))
        found = next((place for node in documents if (place := _find(node))), None)
        root: dict[str, Any] = yaml.SafeLoader("").construct_document(found.node) if found else {}
    except yaml.YAMLError as error:
        raise MigrationError(f"not valid YAML: {error}") from error
    if found is None:
        raise MigrationError(
            "this is no configuration of a Collector: it has no key `service` with `pipelines`, "
            "nor has what stands below `spec.config`, `config` or `data`"
        )
    return root, Report(dict(_lines(found.node, (), found.before)))


class _Place(NamedTuple):
    """Where a configuration stands in a file."""

    node: yaml.MappingNode
    before: int
    """Lines of the file before those that the node counts."""


def _find(node: Any, before: int = 0) -> _Place | None:
    """Return the configuration: itself, or where Kubernetes, its operator and Helm keep one."""
    if isinstance(node, yaml.ScalarNode) and "pipelines" in node.value:
        before += node.start_mark.line + (1 if node.style in ("|", ">") else 0)
        node = yaml.compose(node.value, yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        return None
    keys = {key.value: value for key, value in node.value}
    if isinstance(service := keys.get("service"), yaml.MappingNode) and any(
        key.value == "pipelines" for key, _ in service.value
    ):
        return _Place(node, before)
    inner = [keys[key] for key in ("spec", "config", "alternateConfig") if key in keys]
    if isinstance(data := keys.get("data"), yaml.MappingNode):
        inner += [value for _, value in data.value]
    return next((place for each in inner if (place := _find(each, before))), None)


def _lines(node: Any, path: KeyPath, before: int) -> Iterator[tuple[KeyPath, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            yield here, before + key.start_mark.line + 1
            yield from _lines(value, here, before)
    elif isinstance(node, yaml.SequenceNode):
        for at, value in enumerate(node.value):
            yield (*path, at), before + value.start_mark.line + 1
            yield from _lines(value, (*path, at), before)


def type_of(component_id: str) -> str:
    """Return the type in ``type/name``."""
    return component_id.partition("/")[0].strip()


def named(component_type: str, component_id: str) -> str:
    """Return the id of a component of another type with the same name."""
    _, slash, name = component_id.partition("/")
    return f"{component_type}{slash}{name}"
