"""
Keep README.md and values.schema.json in step with values.yaml and with the gateway's settings.

    python helm/document.py           # write them
    python helm/document.py --check   # say what is out of step, and exit with 1
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from gateway_schema import PREFIX, definitions, types

CHART = Path(__file__).parent
BEGIN, END = "<!-- values: begin -->", "<!-- values: end -->"
_LINE = re.compile(r"(?P<indent> *)(?:(?P<key>[A-Za-z]\w*):|# ?(?P<comment>.*))")


class Value(NamedTuple):
    """A value that can be set."""

    path: tuple[str, ...]
    description: str
    default: str


def values(text: str) -> Iterator[Value]:
    """Yield each key of values.yaml that has a description, in order."""
    defaults = yaml.safe_load(text)
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        found = _LINE.fullmatch(line) or _LINE.match(line)
        if found is None:
            comment = []
        elif found["comment"] is not None:
            comment = _continued(comment, found["comment"])
        elif found["key"]:
            path = [*path[: len(found["indent"]) // 2], found["key"]]
            if comment:
                yield _value(tuple(path), comment, defaults)
            comment = []


def _continued(comment: list[str], text: str) -> list[str]:
    if text.startswith("-- "):
        return [text[3:]]
    return [*comment, text] if comment else []


def _value(path: tuple[str, ...], comment: list[str], defaults: Any) -> Value:
    default = defaults
    for key in path:
        default = default[key]
    shown = f"`{json.dumps(default, ensure_ascii=False)}`"
    if comment[-1].startswith("@default "):
        shown = comment.pop().removeprefix("@default ")
    return Value(path, " ".join(comment), shown)


def table(found: list[Value]) -> str:
    """Return the values as a table of Markdown."""
    rows = [
        f"| `{'.'.join(value.path)}` | {value.default} | {value.description} |".replace(
            "\\", "\\\\"
        )
        for value in found
    ]
    return "\n".join(["| value | default | what it does |", "|---|---|---|", *rows])


def readme(text: str, found: list[Value]) -> str:
    """Return README.md with the table of today."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(found)}\n{END}{after}"


def schema(text: str, found: list[Value]) -> str:
    """Return values.schema.json with today's descriptions, settings and known names."""
    whole = json.loads(text)
    kept = {
        name: part for name, part in whole["definitions"].items() if not name.startswith(PREFIX)
    }
    whole["definitions"] = kept | definitions()
    for value in found:
        part = whole
        for key in value.path:
            part = part["properties"][key]
        part["description"] = value.description
    _name_the_known(whole)
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _name_the_known(part: Any) -> None:
    """Let the error on an unknown key say which ones there are."""
    if isinstance(part, list):
        for each in part:
            _name_the_known(each)
    elif isinstance(part, dict):
        if part.get("additionalProperties") is False:
            part["propertyNames"] = {"enum": sorted(part["properties"])}
        for each in part.values():
            _name_the_known(each)


def known_types(_text: str, _found: list[Value]) -> str:
    """Return the component types that the image has, for the templates to check ids by."""
    return json.dumps(types(), indent=2) + "\n"


def main(arguments: list[str]) -> str:
    """Write the files, or return what is out of step."""
    found = list(values((CHART / "values.yaml").read_text(encoding="utf-8")))
    stale = []
    makers = {"README.md": readme, "values.schema.json": schema, "files/types.json": known_types}
    for name, make in makers.items():
        path = CHART / name
        before = path.read_text(encoding="utf-8")
        after = make(before, found)
        if before != after:
            stale.append(name)
            if "--check" not in arguments:
                path.write_text(after, encoding="utf-8")
    if "--check" in arguments and stale:
        return f"out of step: {', '.join(stale)}; run python helm/document.py"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) or None)
