"""Say in which settings two configurations differ, by their paths alone: values may be secret."""

from collections.abc import Iterator

from gateway.config.tree import Node


def differences(before: Node, after: Node) -> list[str]:
    """Return the paths of what was added, removed or changed, as ``service.workers``."""
    return sorted(_differences("", before, after))


def _differences(path: str, before: Node, after: Node) -> Iterator[str]:
    old, new = before.value, after.value
    if not (isinstance(old, dict) and isinstance(new, dict)):
        if _plain(before) != _plain(after):
            yield path
        return
    for key in old.keys() | new.keys():
        inside = f"{path}.{key}" if path else key
        if key in old and key in new:
            yield from _differences(inside, old[key], new[key])
        else:
            yield inside


def _plain(node: Node) -> object:
    """Return a value without its places."""
    if isinstance(node.value, dict):
        return {key: _plain(inside) for key, inside in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(inside) for inside in node.value]
    return node.value
