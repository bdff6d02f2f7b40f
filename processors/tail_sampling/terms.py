"""
What calls of models did, read in MLflow's terms.

Where ``mlflow_mapping`` and ``cost`` are not in the pipeline they are run on a copy, so that
policies understand every dialect that the gateway does.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from gateway.plugin import Batch, Span
from processors.cost import Cost, CostConfig
from processors.mlflow_mapping import MlflowMapping, MlflowMappingConfig
from processors.mlflow_mapping.keys import COST, TOKEN_USAGE

SPAN_TYPE = "mlflow.spanType"
OUTPUTS = "mlflow.spanOutputs"
MODEL = "mlflow.llm.model"


class Mapper:
    """Brings spans into MLflow's terms on a copy; made when it is first needed."""

    @cached_property
    def _mapping(self) -> MlflowMapping:
        return MlflowMapping(MlflowMappingConfig())

    @cached_property
    def _cost(self) -> Cost:
        return Cost(CostConfig())

    def map(self, batch: Batch) -> Batch:
        """Return a copy with span types, tokens, models and outputs in MLflow's attributes."""
        return self._mapping.process(Batch(batch.encode(), batch.context))

    def price(self, batch: Batch) -> Batch:
        """Return the batch where it has costs, else a copy with them."""
        if any(COST in span.attributes for span in batch.spans):
            return batch
        return self._cost.process(Batch(batch.encode(), batch.context))


def text_of(span: Span, key: str) -> str:
    """Return an attribute of MLflow's, which is JSON, where it is a text; else an empty one."""
    text = span.attributes.text(key)
    return "" if text is None else text.strip('"')


def type_of(span: Span) -> str:
    """Return a span's type in capitals."""
    return text_of(span, SPAN_TYPE).upper()


def cost_of(batch: Batch) -> float | None:
    """Return what the calls of models cost in US dollars; None where none is known."""
    totals = [
        total for span in batch.spans if (total := _number(span, COST, "total_cost")) is not None
    ]
    return sum(totals) if totals else None


def tokens_of(batch: Batch, counter: str) -> float | None:
    """Return how many tokens were counted; None where none were."""
    counts = [
        count for span in batch.spans if (count := _number(span, TOKEN_USAGE, counter)) is not None
    ]
    return sum(counts) if counts else None


def _number(span: Span, key: str, field: str) -> float | None:
    if key not in span.attributes:
        return None
    return as_number(as_mapping(span.attributes.json(key)).get(field))


def as_number(value: Any) -> float | None:
    """Return a number, also where it is written as a text; truth values count as 1 and 0."""
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def outputs_of(span: Span) -> Iterator[Mapping[str, Any]]:
    """Yield the mappings that a span put out: the whole, what it is made of, one level deep."""
    whole = span.attributes.json(OUTPUTS)
    for one in whole if isinstance(whole, list) else [whole]:
        mapping = as_mapping(one)
        yield mapping
        for inner in mapping.values():
            yield as_mapping(inner)
