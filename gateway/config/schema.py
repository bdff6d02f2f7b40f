"""
Describe configurations as JSON Schema, so that editors complete and check them.

Source: JSON Schema draft 2020-12.
"""

import inspect
from typing import Any, get_args

import msgspec
from msgspec import inspect as mi

from gateway.config.field_docs import field_docs, own_first, plain
from gateway.config.kinds import SEQUENCES, choices
from gateway.config.printing import to_plain
from gateway.config.settings import ServiceConfig
from gateway.config.types import Duration, Secret
from gateway.plugin import OnError
from gateway.registry import KINDS, Kind, Registry, config_type

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = {
    "type": "string",
    "pattern": r"\$\{",
    "description": "${env:NAME}, ${env:NAME:-default} or ${file:PATH}",
}
_DURATION = {
    "type": ["string", "number"],
    "pattern": r"^((\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+|0)$|\$\{",
    "minimum": 0,  # the only number without a unit
    "maximum": 0,
    "description": "A duration such as 200ms, 5s or 1m30s.",
}
_BOUNDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}


def schema(registry: Registry) -> Schema:
    """Return the schema of a whole configuration with all component types that can be used."""
    return _Writer().whole(registry)


class _Writer:
    def __init__(self) -> None:
        self._definitions: Schema = {"reference": _REFERENCE, "duration": _DURATION}
        self._names: dict[Any, str] = {}

    def whole(self, registry: Registry) -> Schema:
        properties: Schema = {kind: self._components(kind, registry) for kind in KINDS}
        properties["service"] = self._of(mi.type_info(ServiceConfig))
        return {
            "$schema": DIALECT,
            "title": "Spangate configuration",
            "type": ["object", "null"],
            "properties": properties,
            "additionalProperties": False,
            "$defs": self._definitions,
        }

    def _components(self, kind: Kind, registry: Registry) -> Schema:
        patterns: Schema = {}
        for info in registry.all(kind):
            if info.error is None:
                body = self._of(mi.type_info(config_type(registry.find(kind, info.type))))
                patterns[f"^{info.type}(/[^/\\s]+)?$"] = self._announced(kind, body, info.summary)
        return {
            "type": ["object", "null"],
            "description": f"The {kind}, by id: type or type/name.",
            "patternProperties": patterns,
            "additionalProperties": {
                "type": "object",
                "description": "A component of your own, loaded by `use`.",
                "properties": self._engine_keys(kind),
                "required": ["use"],
            },
        }

    def _announced(self, kind: Kind, body: Schema, summary: str) -> Schema:
        """Return the schema of a component that is found by its type, or replaced by ``use``."""
        definition = self._definitions[body["anyOf"][0]["$ref"].rpartition("/")[2]]
        keys = {**self._engine_keys(kind), **definition["properties"]}
        own = {**definition, "properties": keys, "type": ["object", "null"]}
        replaced = {"type": "object", "required": ["use"], "properties": self._engine_keys(kind)}
        return {"description": plain(summary), "anyOf": [own, replaced]}

    @staticmethod
    def _engine_keys(kind: Kind) -> Schema:
        keys: Schema = {
            "use": {
                "type": "string",
                "description": "./file.py:Class or package.module:Class to load it from.",
            }
        }
        if kind == "processors":
            keys["on_error"] = {
                "enum": list(get_args(OnError)),
                "description": "What becomes of a batch on which the processor failed.",
            }
        return keys

    def _of(self, kind: mi.Type) -> Schema:
        match kind:
            case mi.Metadata():
                return self._of(kind.type)
            case mi.UnionType():
                return self._union(kind)
            case mi.StructType():
                return {"anyOf": [self._struct(kind), {"type": "null"}]}
            case mi.DictType():
                values = self._of(kind.value_type)
                return {"type": ["object", "null"], "additionalProperties": values}
            case mi.TupleType():
                items = [self._of(item) for item in kind.item_types]
                return {"type": "array", "prefixItems": items, "items": False}
        if type(kind) in SEQUENCES:
            return {"type": ["array", "null"], "items": self._of(kind.item_type)}  # type: ignore[attr-defined] # every sequence has it
        return self._scalar(kind)

    def _union(self, kind: mi.UnionType) -> Schema:
        options: list[Schema] = []
        for option in kind.types:
            one = self._of(option)
            options += [each for each in one.get("anyOf", [one]) if each not in options]
        return options[0] if len(options) == 1 else {"anyOf": options}

    def _struct(self, kind: mi.StructType) -> Schema:
        if kind.cls not in self._names:
            name = kind.cls.__name__
            if name in self._definitions:
                name = f"{kind.cls.__module__}.{name}"
            self._names[kind.cls] = name
            definition: Schema = {}
            self._definitions[name] = definition  # before its fields, which may lead back to it
            definition.update(self._definition(kind))
        return {"$ref": f"#/$defs/{self._names[kind.cls]}"}

    def _definition(self, kind: mi.StructType) -> Schema:
        docs = field_docs(kind.cls)
        properties: Schema = {}
        if kind.tag_field:
            properties[kind.tag_field] = {"const": kind.tag}
        fields = {field.name: field for field in kind.fields}
        for field in (fields[name] for name in own_first(kind.cls)):
            extra: Schema = {}
            if field.name in docs:
                extra["description"] = plain(docs[field.name])
            default = _default(field)
            if default is not msgspec.UNSET:
                extra["default"] = default
            properties[field.encode_name] = {**self._of(field.type), **extra}
        required = [field.encode_name for field in kind.fields if field.required]
        described = (inspect.cleandoc(kind.cls.__doc__ or "")).split("\n\n")[0]
        return {
            "type": "object",
            **({"description": plain(" ".join(described.split()))} if described else {}),
            "properties": properties,
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }

    def _scalar(self, kind: mi.Type) -> Schema:
        reference = {"$ref": "#/$defs/reference"}
        match kind:
            case mi.AnyType():
                return {}
            case mi.NoneType():
                return {"type": "null"}
            case mi.BoolType():
                return {"anyOf": [{"type": "boolean"}, reference]}
            case mi.IntType() | mi.FloatType():
                own: Schema = {"type": "integer" if isinstance(kind, mi.IntType) else "number"}
                bounds = {word: getattr(kind, name) for name, word in _BOUNDS.items()}
                own |= {word: bound for word, bound in bounds.items() if bound is not None}
                return {"anyOf": [own, reference]}
            case mi.LiteralType() | mi.EnumType():
                return {"anyOf": [{"enum": choices(kind)}, reference]}
            case mi.CustomType(cls=cls) if cls is Duration:
                return {"$ref": "#/$defs/duration"}
            case mi.CustomType(cls=cls) if cls is Secret:
                return {"type": ["string", "number"], "writeOnly": True}
        return {"type": ["string", "number"]}


def _default(field: mi.Field) -> Any:
    """Return a default worth showing, or ``UNSET``: no secrets, no whole structures."""
    value = field.default
    if value is msgspec.NODEFAULT and field.default_factory in (list, dict):
        value = field.default_factory()
    if value is msgspec.NODEFAULT or value is None or isinstance(value, msgspec.Struct | Secret):
        return msgspec.UNSET
    return value if value is msgspec.UNSET else to_plain(value)
