"""What is written onto spans that say nothing about models: the same onto all of one name."""

from typing import Final, cast

from gateway.otlp.ready import text_attribute
from processors.mlflow_mapping import keys
from processors.mlflow_mapping.identity import trace_name
from processors.mlflow_mapping.plan import Plan
from processors.mlflow_mapping.span_types import type_by_name

Added = dict[str, str | bytes | bool | None]
Appended = tuple[bytes, Added]
"""Attributes as they are added to a span: encoded, and told."""

_LONGEST_NAME: Final = 300
"""Letters of the longest name by which is remembered what was added."""
_REMEMBERED: Final = 4096
"""Names by which it is remembered, of spans and instrumentations."""


class ScopeTypes:
    """What is remembered of the spans of one instrumentation, by their names."""

    __slots__ = ("others", "roots", "scope")

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.roots: dict[bytes, Appended] = {}
        self.others: dict[bytes, Appended] = {}


class SilentTypes:
    """
    Say what is written onto spans that say nothing.

    Args:
        plan: the tables.

    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._known: dict[str, ScopeTypes] = {}
        self._remembered = 0

    def of(self, scope: str) -> ScopeTypes:
        """Return what is remembered of an instrumentation's spans."""
        scope = scope[:_LONGEST_NAME]
        known = self._known.get(scope)
        return self._remember(scope) if known is None else known

    def find(self, types: ScopeTypes, name: bytes, *, is_root: bool) -> Appended | None:
        """Return what is written onto spans of a name; ``None``: none of those remembered."""
        added = (types.roots if is_root else types.others).get(name)
        return self._learn(types, name, is_root=is_root) if added is None else added

    def _learn(self, types: ScopeTypes, encoded: bytes, *, is_root: bool) -> Appended | None:
        name = encoded.decode()
        if len(name) > _LONGEST_NAME or "\0" in name:
            return None
        kind = self._plan.named_type(types.scope, name) or type_by_name(name)
        texts: dict[str, str] = {keys.SPAN_TYPE: kind}
        if is_root and name:
            texts[keys.TRACE_NAME] = trace_name(name)
        parts = [text_attribute(key, text) for key, text in texts.items()]
        added = b"".join(parts), cast("Added", texts)
        (types.roots if is_root else types.others)[encoded] = added
        self._count()
        return added

    def _remember(self, scope: str) -> ScopeTypes:
        types = ScopeTypes(scope)
        self._count()
        self._known[scope] = types
        return types

    def _count(self) -> None:
        """Forget all once too many names are remembered: senders may choose endless ones."""
        self._remembered += 1
        if self._remembered > _REMEMBERED:
            self._known.clear()
            self._remembered = 0
