"""One span through the processor, as plain values."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gateway.batch import Batch
from gateway.otlp.values import Value, key_value
from gateway.testing import batch, processor
from processors.mlflow_mapping import MlflowMapping

Map = Callable[..., dict[str, Any]]

_JSON = ("mlflow.spanInputs", "mlflow.spanOutputs", "mlflow.chat.tools", "mlflow.chat.tokenUsage")


def plain(attributes: Mapping[str, Value]) -> dict[str, Any]:
    """Return attributes with MLflow's JSON values parsed, as its server does."""
    found: dict[str, Any] = dict(attributes)
    for key in _JSON:
        if isinstance(found.get(key), str):
            try:
                found[key] = json.loads(found[key])
            except ValueError:
                continue
    return found


@pytest.fixture
def mapped() -> Map:
    """Map one span and return all its attributes."""

    def run(
        attributes: Mapping[str, Value],
        *events: tuple[str, Mapping[str, Value]],
        name: str = "span",
        scope: str = "test",
        resource: Mapping[str, Value] | None = None,
        **settings: object,
    ) -> dict[str, Any]:
        one = batch(attributes, name=name, scope=scope, resource=resource)
        for event_name, held in events:
            event = one.request.resource_spans[0].scope_spans[0].spans[0].events.add()
            event.name = event_name
            event.attributes.extend(key_value(key, value) for key, value in held.items())
        mapping = processor(MlflowMapping, **settings)
        out = Batch(mapping.process(Batch(one.encode())).encode())
        return plain(out.spans[0].attributes)

    return run
