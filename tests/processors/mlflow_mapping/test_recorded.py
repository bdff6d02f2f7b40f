"""
What some fifty instrumentations really wrote, mapped and priced.

Each file under ``tests/data/recorded`` is one OTLP request: the instrumentation ran over a local
stand-in for the provider's API, which always answers the same. ``tests/data/golden/recorded`` holds
what each span becomes; set ``UPDATE_GOLDEN=1`` to write it anew, and read the difference.
"""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.batch import Batch, Span
from gateway.testing import processor
from processors.cost import Cost
from processors.mlflow_mapping import MlflowMapping
from processors.mlflow_mapping.keys import COST
from processors.mlflow_mapping.texts import leaves
from tests.processors.mlflow_mapping.conftest import plain
from tests.processors.mlflow_mapping.rendering import is_conversation, is_tool
from tests.processors.mlflow_mapping.test_any_span import names_a_part
from tests.processors.mlflow_mapping.test_captures import WRITTEN

DATA = Path(__file__).parents[2] / "data"
GOLDEN = DATA / "golden" / "recorded"
NAMES = sorted(path.name.removesuffix(".bin.gz") for path in (DATA / "recorded").iterdir())


def load(name: str) -> Batch:
    """Return a recorded request."""
    return Batch(gzip.decompress((DATA / "recorded" / f"{name}.bin.gz").read_bytes()))


def mapped(name: str, **settings: object) -> Batch:
    """Return it after mapping."""
    return Batch(processor(MlflowMapping, **settings).process(load(name)).encode())


def priced(batch: Batch) -> Batch:
    """Return a request after pricing."""
    return Batch(processor(Cost).process(batch).encode())


def told(span: Span) -> dict[str, Any]:
    """Return what a reader of MLflow sees of a span."""
    attributes = plain(span.attributes)
    if COST in attributes:
        attributes[COST] = json.loads(attributes[COST])
    found: dict[str, Any] = {"span": span.name}
    found |= {key: attributes[key] for key in sorted(attributes) if key.startswith(WRITTEN)}
    if span.proto.status.code == 2:
        found["error"] = span.proto.status.message
        found["exceptions"] = sum(event.name == "exception" for event in span.proto.events)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_becomes_what_the_golden_file_says(name: str) -> None:
    """Types, contents, tools, tokens, models, costs, sessions, tags and errors are as agreed."""
    found = [told(span) for span in priced(mapped(name))]
    path = GOLDEN / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")

    assert json.loads(path.read_text()) == found


@pytest.mark.parametrize("name", NAMES)
def test_is_rendered(name: str) -> None:
    """Conversations and tools pass the checks of MLflow's UI."""
    for span in mapped(name):
        out = plain(span.attributes)
        sides = (out.get("mlflow.spanInputs"), out.get("mlflow.spanOutputs"))
        if "mlflow.message.format" in out:
            assert any(is_conversation(side) for side in sides), span.name
        assert all(map(is_tool, out.get("mlflow.chat.tools", ()))), span.name


@pytest.mark.parametrize("name", NAMES)
def test_costs_the_same_without_mapping(name: str) -> None:
    """``cost`` reads every dialect by itself."""
    after = {span.span_id: span.attributes.get(COST) for span in priced(mapped(name))}

    assert after == {span.span_id: span.attributes.get(COST) for span in priced(load(name))}


@pytest.mark.parametrize("name", NAMES)
def test_moving_loses_nothing(name: str) -> None:
    """Each text and number of an attribute that goes is found in what was written."""
    after = {
        span.span_id: dict(span.attributes) for span in mapped(name, keep_source_attributes=False)
    }

    for span in load(name):
        out = after[span.span_id]
        said = [leaf for value in out.values() for leaf in leaves(value)]
        for key in set(span.attributes) - out.keys():
            if key.endswith("message_content.type"):
                continue
            for leaf in leaves(span.attributes[key], but=names_a_part):
                assert leaf in said or any(str(leaf) in str(text) for text in said), key
