"""``--set a.b.c=value``: single settings from the command line, above all files."""

from pathlib import Path

from gateway.config.problems import KeyPath, Mark, Problems
from gateway.config.reader import Reader
from gateway.config.tree import Node


def apply(root: Node, override: str, reader: Reader, problems: Problems) -> Node:
    """
    Return the tree with one setting replaced; the value is YAML.

    Dots part the keys, so a key that has dots itself can be set only as a part of a YAML value.
    """
    key, equals, text = override.partition("=")
    key = key.strip()
    mark = Mark(f"--set {key}" if equals else "--set", 0, Path())
    path: KeyPath = tuple(key.split("."))
    if not equals or not all(path):
        what = "expected --set a.b.c=value" + ("" if equals else f', found "{override}"')
        problems.add(mark, (), what, "for example --set exporters.mlflow.timeout=10s")
        return root
    value = reader.read_text(text, mark.source, Path(), lines=False)
    value.mark = mark
    return _set(root, path, value, problems, ())


def _set(node: Node, rest: KeyPath, value: Node, problems: Problems, done: KeyPath) -> Node:
    if not rest:
        return value
    if not isinstance(node.value, dict | None):
        kind = "list" if isinstance(node.value, list) else "value"
        hint = "set the whole list: key=[a, b]" if kind == "list" else "set it as a whole"
        problems.add(value.mark, done, f"there is a {kind} at this place, with no keys in it", hint)
        return node
    entries = dict(node.value or {})
    key = str(rest[0])
    inside = entries.get(key, Node(None, value.mark))
    entries[key] = _set(inside, rest[1:], value, problems, (*done, key))
    return Node(entries, node.mark if node.value is not None else value.mark)
