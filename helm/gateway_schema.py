"""
The gateway's own schema of its configuration, in the form in which Helm checks values by it.

Helm up to 3.17 reads draft-07 of JSON Schema. Its messages are read by people: alternatives are
avoided where one of them is meant, since each would be a line of its own.
"""

from typing import Any

from gateway.config.schema import schema
from gateway.registry import KINDS, Registry

PREFIX = "gateway."
_LEFT_OUT = ("description", "default", "writeOnly", "$schema", "title")


def definitions() -> dict[str, Any]:
    """Return the definitions of receivers, processors and exporters, and what they refer to."""
    whole = schema(Registry())
    found = {PREFIX + name: _of(part) for name, part in whole["$defs"].items()}
    for part in found.values():
        if part.get("type") == "object":
            part["type"] = ["object", "null"]
    duration = found[PREFIX + "duration"]["pattern"]
    found[PREFIX + "duration"] = {"anyOf": [{"type": "string", "pattern": duration}, {"const": 0}]}
    for kind in KINDS:
        found[PREFIX + kind] = _components(whole["properties"][kind])
    return found


def types() -> dict[str, list[str]]:
    """Return the component types that the image has."""
    registry = Registry()
    return {kind: sorted(registry.types(kind)) for kind in KINDS}


def _components(part: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of components by id; types that are not known here are left alone."""
    patterns = {}
    for pattern, body in part["patternProperties"].items():
        own, replaced = (_of(one) for one in body["anyOf"])
        loaded = {"type": "object", "required": ["use"]}
        patterns[pattern] = {"if": loaded, "then": replaced, "else": own}
    return {"type": ["object", "null"], "patternProperties": patterns}


def _of(part: Any) -> Any:
    if isinstance(part, list):
        return [_of(each) for each in part]
    if not isinstance(part, dict):
        return part
    if isinstance(part.get("$ref"), str):
        return {"$ref": part["$ref"].replace("#/$defs/", f"#/definitions/{PREFIX}")}
    found = {
        key: {name: _of(each) for name, each in value.items()}
        if key == "properties"
        else _of(value)
        for key, value in part.items()
        if key not in _LEFT_OUT
    }
    return _without_null(found)


def _without_null(part: dict[str, Any]) -> dict[str, Any]:
    """Leave out the choice of ``null`` beside a definition, which allows it itself."""
    options = part.get("anyOf")
    if options is None or len(options) != 2 or {"type": "null"} not in options:
        return part
    (other,) = (one for one in options if one != {"type": "null"})
    return (
        other if "$ref" in other and not other["$ref"].endswith(("reference", "duration")) else part
    )
