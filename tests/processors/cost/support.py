"""Calls of models, and what the processor says of them."""

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from gateway.batch import Batch
from gateway.otlp.values import Value
from gateway.testing import batch, processor
from processors.cost import Cost

COST = "mlflow.llm.cost"
AT_NS = 1_795_000_000_000_000_000
"""18 November 2026."""

_DEFAULT = processor(Cost)


def call(
    provider: str, model: str, usage: Mapping[str, int], **attributes: Value
) -> dict[str, Value]:
    """Return the attributes of a call as mapping writes them."""
    return {
        "mlflow.spanType": "CHAT_MODEL",
        "mlflow.llm.provider": provider,
        "mlflow.llm.model": model,
        "mlflow.chat.tokenUsage": json.dumps(dict(usage)),
        **attributes,
    }


def at(given: Batch, unix_ns: int = AT_NS) -> Batch:
    """Return the batch with spans that began at a time."""
    for span in given:
        span.proto.start_time_unix_nano = unix_ns
    return given


def priced(
    attributes: Mapping[str, Value], cost: Cost = _DEFAULT, unix_ns: int = AT_NS
) -> dict[str, Any]:
    """Return the attributes of a span after pricing, its cost decoded."""
    out = cost.process(at(batch(attributes), unix_ns))
    found = dict(next(iter(Batch(out.encode()))).attributes)
    if isinstance(text := found.get(COST), str):
        with contextlib.suppress(ValueError):
            found[COST] = json.loads(text)
    return found


def cost_of(
    provider: str, model: str, usage: Mapping[str, int], **attributes: Value
) -> dict[str, float] | None:
    """Return the cost of a call, or ``None`` where none was written."""
    return priced(call(provider, model, usage, **attributes)).get(COST)
