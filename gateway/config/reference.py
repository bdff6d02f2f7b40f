"""
Write the reference of all settings from the settings themselves: ``docs/configuration.md``.

``make docs`` brings the page up to date; a test compares the two.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect as mi

from gateway.config.field_docs import field_docs, own_first
from gateway.config.kinds import SEQUENCES
from gateway.config.printing import to_plain
from gateway.config.settings import ServiceConfig
from gateway.config.types import Duration, FilePath, Secret
from gateway.config.words import expected
from gateway.registry import KINDS, ComponentInfo, Registry, config_type

_DULL = ("settings", "config")
_NAMES: dict[type[Any], str] = {Duration: "duration", FilePath: "path", Secret: "secret"}
_OURS = ("gateway", "processors", "exporters")

_INTRODUCTION = """\
# Configuration

Spangate reads YAML in the shape of the OpenTelemetry Collector: components by id, and pipelines
that name them. Without `--config` it runs a built-in default; `spangate print-config` shows it.
`spangate validate` says everything that is wrong with a configuration, `spangate schema` writes
the JSON Schema with which editors complete and check it.

<!-- Written by `make docs`; change the docstrings of the settings instead. -->

## How it is read

- **Ids** are `type` or `type/name`, so that a type may be used several times. A component with
  nothing after its key has its defaults.
- **Several files**: `--config` may be repeated. Maps merge, lists and values are replaced, the
  later file wins. `key:` with nothing after it replaces what stood before by the default.
- **Single settings**: `--set exporters.mlflow.timeout=10s` wins over all files. The value is YAML
  (`--set 'service.pipelines.traces.processors=[redaction]'` replaces a list). Dots part the keys:
  a key that has dots itself, such as `service.name` in a rule, is set as a part of its mapping:
  `--set 'exporters.mlflow.experiment.rules=[{match: {service.name: a}, experiment: b}]'`.
- **References**: `${env:NAME}`, `${env:NAME:-default}` (also nested) and `${file:PATH}`, in which
  a line break at the end does not count. A value that is one reference is typed like any YAML
  value; in `[...]` and `{...}` it stands in quotes. `$$` is a dollar sign. A variable that is not
  set and has no default is an error.
- **Paths** are relative to the file that names them, `data_dir` to the working directory.
  `SPANGATE_DATA_DIR` counts where no file sets `data_dir`.
- **Durations** are written `200ms`, `5s`, `1m30s`; sizes have their unit in the key (`_mib`).
- **Secrets** print as `****` wherever a configuration is shown.
- **Plugins**: `use: ./file.py:Class` or `use: package.module:Class` beside a component's settings
  loads its class; without it the type is looked up among the installed packages
  (`spangate components`). A processor also takes `on_error: pass | drop | reject`: what becomes of
  a batch on which it failed.
- Unknown keys, wrong types and names that lead nowhere are refused, all of them in one go.
"""


def render(registry: Registry) -> str:
    """Return the page."""
    return _Writer().page(registry)


class _Writer:
    def __init__(self) -> None:
        self._waiting: list[mi.StructType] = []
        self._known: dict[type[Any], str] = {}

    def page(self, registry: Registry) -> str:
        parts = [_INTRODUCTION]
        for kind in KINDS:
            ours = [one for one in registry.all(kind) if one.module.split(".")[0] in _OURS]
            if ours:
                parts.append(f"## {kind.capitalize()}\n")
            parts += [self._component(one, registry) for one in ours]
        service = mi.type_info(ServiceConfig)
        assert isinstance(service, mi.StructType)
        parts.append("## Service\n\n" + self._table(service))
        parts.append("## Parts of settings\n")
        parts += self._parts()
        return "\n".join(parts)

    def _component(self, one: ComponentInfo, registry: Registry) -> str:
        settings = mi.type_info(config_type(registry.find(one.kind, one.type)))
        assert isinstance(settings, mi.StructType)
        table = self._table(settings) if settings.fields else "It has no settings.\n"
        return (
            f"### `{one.type}`\n\n{_markdown(one.summary)} Stability: {one.stability}.\n\n{table}"
        )

    def _parts(self) -> Iterator[str]:
        done = 0
        while done < len(self._waiting):
            settings = self._waiting[done]
            done += 1
            heading = self._known[settings.cls]
            about = " ".join((settings.cls.__doc__ or "").split("\n\n")[0].split())
            yield f"### {heading}\n\n{_markdown(about)}\n\n{self._table(settings)}"

    def _table(self, settings: mi.StructType) -> str:
        docs = field_docs(settings.cls)
        fields = {field.name: field for field in settings.fields}
        rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
        if settings.tag_field:
            rows.append(f"| `{settings.tag_field}` | `{settings.tag}` | | Says which form it is. |")
        for field in (fields[name] for name in own_first(settings.cls)):
            cells = (
                f"`{field.encode_name}`",
                self._value(field.type),
                _default(field),
                _markdown(docs.get(field.name, "")),
            )
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        return "\n".join(rows) + "\n"

    def _value(self, kind: mi.Type) -> str:
        match kind:
            case mi.Metadata():
                return self._value(kind.type)
            case mi.UnionType():
                options = [self._value(one) for one in kind.types if not _is_none(one)]
                return " or ".join(dict.fromkeys(options))
            case mi.StructType():
                return self._link(kind)
            case mi.DictType():
                return f"mapping of names to {self._value(kind.value_type)}"
        if type(kind) in SEQUENCES:
            return f"list of {self._value(kind.item_type)}"  # type: ignore[attr-defined] # every sequence has it
        if isinstance(kind, mi.CustomType) and kind.cls in _NAMES:
            return _NAMES[kind.cls]
        if isinstance(kind, mi.IntType | mi.FloatType):
            return expected(kind).removeprefix("a ") + _bounds(kind)
        if isinstance(kind, mi.LiteralType):
            return " or ".join(f"`{choice}`" for choice in kind.values)
        return expected(kind).removeprefix("a ").replace('"', "`")

    def _link(self, kind: mi.StructType) -> str:
        if kind.cls not in self._known:
            name = kind.cls.__name__.removesuffix("Config")
            if name in self._known.values():
                modules = kind.cls.__module__.split(".")
                name = f"{name} of {[one for one in modules if one not in _DULL][-1]}"
            self._known[kind.cls] = name
            self._waiting.append(kind)
        name = self._known[kind.cls]
        return f"[{name}](#{name.lower().replace(' ', '-')})"


def _bounds(kind: mi.IntType | mi.FloatType) -> str:
    words = {"from": kind.ge, "above": kind.gt, "to": kind.le, "below": kind.lt}
    return "".join(f" {word} {bound:g}" for word, bound in words.items() if bound is not None)


def _is_none(kind: mi.Type) -> bool:
    return isinstance(kind, mi.NoneType)


def _default(field: mi.Field) -> str:
    if field.required:
        return "required"
    value = field.default
    if value is msgspec.NODEFAULT and field.default_factory in (list, dict):
        value = field.default_factory()
    if value is None or value is msgspec.UNSET:
        return "unset"
    if value is msgspec.NODEFAULT or isinstance(value, msgspec.Struct | Secret):
        return ""
    return f"`{msgspec.json.encode(to_plain(value)).decode()}`".replace('"', "")


def _markdown(text: str) -> str:
    return text.replace("``", "`")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(Registry()), encoding="utf-8")
