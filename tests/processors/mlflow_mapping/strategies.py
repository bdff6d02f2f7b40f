"""Spans such as nobody would write: every key that a table names, with any value."""

import json
from typing import Any

from hypothesis import strategies as st

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

ATTRIBUTES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=12)
