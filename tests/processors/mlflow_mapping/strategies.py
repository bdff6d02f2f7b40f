"""Spans such as nobody would write: every key that a table names, with any value."""

import json
from typing import Any

from hypothesis import strategies as st

from processors.mlflow_mapping.dialect import Dialect
from processors.mlflow_mapping.dialects import ALL
from processors.mlflow_mapping.plan import SUSPECTS, Plan

_PLAN = Plan(ALL)
KEYS = sorted(
    {
        *_PLAN._known,
        *SUSPECTS,
        *(
            f"{prefix}0.{rest}"
            for prefix, _, _ in _PLAN._prefixes
            for rest in ("message.role", "message.content", "role", "content", "document.content",
                         "tool_calls.0.tool_call.function.name", "message.contents.0.x", "1", "")
        ),
        "mlflow.spanInputs", "mlflow.spanOutputs", "other.key",
    }
)  # fmt: skip

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)

_WORDS = st.sampled_from([
    "role", "content", "parts", "type", "text", "messages", "user", "assistant", "tool", "system",
    "tool_calls", "id", "name", "arguments", "function", "choices", "message", "candidates",
    "generations", "input", "output", "image_url", "url", "data", "kwargs", "lc", "tool_result",
    "image", "source", "reasoning", "tools", "parameters", "usage", "input_tokens", "value",
])  # fmt: skip

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS | TEXTS, inner, max_size=5),
    max_leaves=20,
)

VALUES = (
    TEXTS
    | _WORDS
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.booleans()
    | st.binary(max_size=5)
    | JSON.map(lambda value: json.dumps(value, ensure_ascii=False))
    | st.lists(TEXTS, max_size=3)
    | st.dictionaries(TEXTS, TEXTS, max_size=3)
)

_IDS = st.sampled_from(["c1", "c2"])
_PARTS = st.one_of(
    st.fixed_dictionaries({"type": st.just("text")}, optional={"text": TEXTS, "content": TEXTS}),
    st.fixed_dictionaries({"type": st.just("tool_call"), "name": TEXTS}, optional={
        "id": _IDS, "arguments": JSON}),
    st.fixed_dictionaries({"type": st.just("tool_result"), "tool_use_id": _IDS, "content": JSON}),
    st.fixed_dictionaries({"type": st.just("image_url"), "image_url": st.just({"url": "http://i"})}),
    st.fixed_dictionaries({"type": TEXTS}, optional={"data": JSON, "text": JSON}),
    st.fixed_dictionaries({"functionCall": st.fixed_dictionaries({"name": TEXTS, "args": JSON})}),
    st.fixed_dictionaries({"toolResult": st.fixed_dictionaries({"content": JSON})}),
    JSON,
)  # fmt: skip
_MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "tool", "model", "critic", ""])},
        optional={
            "content": TEXTS | st.lists(_PARTS, max_size=3) | JSON,
            "parts": st.lists(_PARTS, max_size=3),
            "tool_calls": st.lists(_PARTS, max_size=2),
            "tool_call_id": _IDS,
            "reasoning": TEXTS,
            "finish_reason": TEXTS,
            "extra": JSON,
        },
    )
    | JSON,
    max_size=3,
)
_HELD = _MESSAGES.flatmap(
    lambda messages: st.sampled_from([
        messages, {"messages": messages}, {"choices": [{"message": one} for one in messages]},
        {"outputs": {"messages": messages}, "kwargs": {"name": "x"}}, {"output": messages},
        [{"graph": None, "update": {"messages": messages}}], {"contents": messages, "config": {}},
        {"type": "chat_messages", "value": messages}, {"input": messages, "instructions": "be"},
        {"text": "sunny", "toolCalls": messages}, {"documents": messages},
    ])
)  # fmt: skip
_FLAT = ("message.role", "message.content", "message.contents.0.message_content.text", "role",
         "message.tool_calls.0.tool_call.function.name", "content", "document.content",
         "message.tool_calls.0.tool_call.function.arguments", "document.score",
         "tool_calls.0.name", "tool_calls.0.arguments", "finish_reason", "user",
         "embedding.text", "embedding.vector", "tool.json_schema", "document.metadata")  # fmt: skip


_NO_KEYS = ("name", "only_with", "scopes", "exclusive", "span_names")


def _speaking(dialect: Dialect) -> st.SearchStrategy[dict[str, Any]]:
    """Return spans that one instrumentation could write: its kinds, keys and conversations."""
    fields = [getattr(dialect, name) for name in dialect.__struct_fields__
              if name not in _NO_KEYS]  # fmt: skip
    plain = sorted({key for held in fields for key in held} | set(dialect.only_with))
    groups = (*dialect.input_groups, *dialect.output_groups, *dialect.documents, *dialect.texts,
              *dialect.input_documents, *dialect.tool_groups)  # fmt: skip
    flat = [f"{group}.{number}.{rest}" for group in groups for number in (0, 1) for rest in _FLAT]
    kinds = {
        key: st.sampled_from(sorted(table)) for key, table in dialect.kinds.items()
    }  # fmt: skip
    texts = _HELD.map(lambda held: json.dumps(held, ensure_ascii=False)) | VALUES
    held = st.dictionaries(st.sampled_from([*plain, *flat] or ["other.key"]), texts, max_size=10)
    return st.tuples(held, st.fixed_dictionaries({}, optional=kinds)).map(
        lambda both: {**both[0], **both[1]}
    )


ATTRIBUTES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=12) | st.sampled_from(
    ALL
).flatmap(_speaking)
