"""Lists that were flattened into keys such as ``llm.input_messages.0.message.role``."""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.otlp import values
from gateway.otlp.fields import Fields

Path = tuple[str | int, ...]

_WRAPPERS = ("message", "message_content", "tool_call", "document", "embedding", "tool", "prompt",
             "completion", "image", "audio", "video")  # fmt: skip
"""Names that OpenInference puts around each element."""


_DEEPEST = 30


def parse_path(rest: str) -> Path | None:
    """Return the steps that follow a prefix, or ``None`` where no number comes first."""
    if not rest[:1].isdecimal() or rest.count(".") > _DEEPEST:
        return None
    return tuple(
        int(step) if step.isdecimal() and len(step) < 6 else step for step in rest.split(".")
    )


class Tree:
    """The shape of a list, with the places of its values."""

    __slots__ = ("_is_flat", "_shape", "turn")

    def __init__(self, shape: list[Any]) -> None:
        self._shape = shape
        self._is_flat = all(
            isinstance(node, dict) and all(isinstance(place, int) for place in node.values())
            for node in shape
        )
        self.turn: tuple[int, int] | None = None
        """Where role and content stand of the only message there is, with nothing beside them."""
        if self._is_flat and len(shape) == 1 and shape[0].keys() == {"role", "content"}:
            self.turn = shape[0]["role"], shape[0]["content"]

    def fill(self, fields: Fields) -> list[Any]:
        """Return the list with a span's values in it."""
        if self._is_flat:  # nearly always
            return [
                {key: _held(fields, place) for key, place in node.items()} for node in self._shape
            ]
        return [_fill(node, fields) for node in self._shape]


def plant(places: Iterable[tuple[int, Path, int]]) -> list[Tree]:
    """
    Return the lists that keys spell, best first.

    Args:
        places: rank of the prefix, path after it, and place of the value; one prefix, one rank.

    """
    roots: dict[int, dict[Any, Any]] = {}
    for rank, path, place in places:
        if not path:
            continue
        node = roots.setdefault(rank, {})
        for step in path[:-1]:
            inner = node.get(step)
            if not isinstance(inner, dict):
                inner = node[step] = {}
            node = inner
        node[path[-1]] = place
    return [Tree(_as_list(roots[rank])) for rank in sorted(roots)]


def _as_list(tree: Mapping[Any, Any]) -> list[Any]:
    return [_close(tree[number]) for number in sorted(n for n in tree if isinstance(n, int))]


def _close(node: Any) -> Any:
    """Take away the wrappers' names, and make lists of what is numbered."""
    if not isinstance(node, dict):
        return node
    if len(node) == 1:
        (key, inner), *_ = node.items()
        if key in _WRAPPERS and isinstance(inner, dict):
            return _close(inner)
    if all(isinstance(key, int) for key in node):
        return _as_list(node)
    return {str(key): _close(inner) for key, inner in node.items()}


def _held(fields: Fields, place: int) -> Any:
    text = fields.text(place)
    if text:
        return text
    value = fields.value(place)
    return value.double_value or values.decode(value)


def _fill(node: Any, fields: Fields) -> Any:
    if isinstance(node, int):
        return _held(fields, node)
    if isinstance(node, dict):
        return {key: _fill(inner, fields) for key, inner in node.items()}
    return [_fill(inner, fields) for inner in node]
