"""Definitions of tools in any vendor's shape, as OpenAI's, which MLflow's UI lists."""

from collections.abc import Iterable
from typing import Any

from processors.mlflow_mapping.parts import first
from processors.mlflow_mapping.texts import reparse

Tool = dict[str, Any]

_LISTS = ("tools", "function_tools", "functions", "builtin_tools", "output_tools", "native_tools")
_SCHEMAS = (
    "parameters", "input_schema", "inputSchema", "parameters_json_schema", "json_schema",
    "args_schema", "parametersJsonSchema", "schema",
)  # fmt: skip


def read_tools(value: Any) -> list[Tool]:
    """Return the tools that a value defines; an empty list where it defines none."""
    value = reparse(value)
    if isinstance(value, dict):
        for inner in ("config", "tool_config", "toolConfig"):
            held = value.get(inner)
            if isinstance(held, dict) and "tools" in held:
                value = held
        lists = [value[key] for key in _LISTS if isinstance(value.get(key), list)]
        items: Iterable[Any] = [item for held in lists for item in held]
        if not lists:
            items = [value] if "name" in value or "function" in value else []
    else:
        items = value if isinstance(value, list) else []
    return [tool for item in items for tool in _read(reparse(item))]


def _read(item: Any) -> list[Tool]:
    if isinstance(item, str) and item:
        return [_tool(item, None, None)]
    if not isinstance(item, dict):
        return []
    declared = first(item, "function_declarations", "functionDeclarations")
    if isinstance(declared, list):
        return [tool for one in declared for tool in _read(one)]
    inner = first(item, "function", "toolSpec", "tool")
    if isinstance(inner, dict):
        item = {**inner, "strict": item["strict"]} if "strict" in item else inner
    schema = reparse(first(item, *_SCHEMAS))
    if isinstance(schema, dict):
        wrapped = schema.get("json", schema.get("jsonSchema"))  # Bedrock, Vercel
        schema = reparse(wrapped) if isinstance(wrapped, dict | str) else schema
        function = schema.get("function") if isinstance(schema, dict) else None
        if isinstance(function, dict):  # OpenInference: json_schema is the whole tool
            return _read(schema)
        if isinstance(schema, dict) and _is_tool(schema):
            return _read(schema)
    name = first(item, "name", "type", "id") or (
        schema.get("name", schema.get("title")) if isinstance(schema, dict) else None
    )
    if not isinstance(name, str):
        return []
    return [_tool(name, item.get("description"), schema, strict=item.get("strict"))]


def _is_tool(schema: dict[str, Any]) -> bool:
    """Whether a schema is a tool itself: Anthropic's, the Responses API's or Gemini's."""
    return isinstance(schema.get("name"), str) and isinstance(first(schema, *_SCHEMAS), dict)


def _tool(name: str, description: Any, schema: Any, *, strict: Any = None) -> Tool:
    function: Tool = {"name": name}
    if isinstance(description, str):
        function["description"] = description
    if isinstance(schema, dict):
        function["parameters"] = schema
    if isinstance(strict, bool):
        function["strict"] = strict
    return {"type": "function", "function": function}
