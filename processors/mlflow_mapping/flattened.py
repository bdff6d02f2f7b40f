"""Lists that were flattened into keys such as ``llm.input_messages.0.message.role``."""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.otlp import values
from processors.mlflow_mapping.plan import Hit

_WRAPPERS = ("message", "message_content", "tool_call", "document", "embedding", "tool", "prompt",
             "completion")  # fmt: skip
_MOST = 10_000


def rebuild(hits: Iterable[Hit]) -> list[Any]:
    """Return the list that flattened keys spell, without the names that only wrap an element."""
    tree: dict[Any, Any] = {}
    for hit in hits:
        node = tree
        path = hit.detail
        if not path:
            continue
        for step in path[:-1]:
            inner = node.get(step)
            if not isinstance(inner, dict):
                inner = node[step] = {}
            node = inner
        node[path[-1]] = values.decode(hit.value)
    return _as_list(tree)


def _as_list(tree: Mapping[Any, Any]) -> list[Any]:
    return [_close(tree[number]) for number in sorted(n for n in tree if isinstance(n, int))]


def _close(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if len(node) == 1:
        (key, inner), *_ = node.items()
        if key in _WRAPPERS and isinstance(inner, dict):
            return _close(inner)
    if all(isinstance(key, int) for key in node):
        return _as_list(node)
    return {str(key): _close(inner) for key, inner in node.items()}


def groups(hits: Iterable[Hit]) -> list[list[Hit]]:
    """Return the hits of each prefix, best first; those of one prefix share their rank."""
    by_rank: dict[int, list[Hit]] = {}
    for hit in hits:
        by_rank.setdefault(hit.rank, []).append(hit)
    return [by_rank[rank] for rank in sorted(by_rank)]
