"""What the mapping promises whatever a span holds."""

import json
from typing import Any

from hypothesis import given, settings

from gateway.batch import Batch
from gateway.otlp.values import Value
from gateway.testing import batch, processor
from processors.mlflow_mapping import MlflowMapping
from processors.mlflow_mapping.parts import BY_TYPE
from processors.mlflow_mapping.texts import leaves
from tests.processors.mlflow_mapping.conftest import plain
from tests.processors.mlflow_mapping.rendering import is_conversation, is_tool
from tests.processors.mlflow_mapping.strategies import ATTRIBUTES

COPY = processor(MlflowMapping)
_HYPHENED = ("tool-call", "tool-result", "json")
MOVE = processor(MlflowMapping, keep_source_attributes=False)


def mapped(mapping: MlflowMapping, attributes: dict[str, Value]) -> dict[str, Any]:
    """Return what becomes of a span's attributes."""
    return dict(Batch(mapping.process(batch(attributes)).encode()).spans[0].attributes)


@settings(max_examples=250, deadline=None)
@given(ATTRIBUTES)
def test_writes_only_what_mlflow_takes(attributes: dict[str, Value]) -> None:
    """Types, tokens, costs, sessions and kinds have the form that MLflow reads."""
    out = mapped(COPY, attributes)

    assert isinstance(out["mlflow.spanType"], str)
    assert 0 < len(out["mlflow.spanType"]) <= 250
    usage = out.get("mlflow.chat.tokenUsage")
    if isinstance(usage, str):
        held = json.loads(usage)
        assert isinstance(held, dict)
        assert all(type(held[key]) is int for key in held if key.endswith("_tokens"))
    for key in ("session.id", "gen_ai.conversation.id", "user.id"):
        assert len(str(out.get(key, ""))) <= 250
    for key in ("openinference.span.kind", "gen_ai.operation.name", "span.type"):
        assert isinstance(out.get(key, ""), str)
        assert not str(out.get(key, "")).startswith(("[", "{"))


@settings(max_examples=200, deadline=None)
@given(ATTRIBUTES)
def test_conversations_are_rendered(attributes: dict[str, Value]) -> None:
    """Whatever becomes a conversation passes the checks of MLflow's UI, and so do tools."""
    for key in [key for key in attributes if key.startswith("mlflow.")]:
        del attributes[key]
    out = plain(mapped(COPY, attributes))

    if "mlflow.message.format" in out:
        sides = (out.get("mlflow.spanInputs"), out.get("mlflow.spanOutputs"))
        assert any(is_conversation(side) for side in sides)
    assert all(map(is_tool, out.get("mlflow.chat.tools", ())))


@settings(max_examples=200, deadline=None)
@given(ATTRIBUTES)
def test_copying_takes_nothing_away(attributes: dict[str, Value]) -> None:
    """With ``keep_source_attributes`` each attribute stays, put right where MLflow would fail."""
    out = mapped(COPY, attributes)

    assert attributes.keys() <= out.keys()


@settings(max_examples=500, deadline=None)
@given(ATTRIBUTES)
def test_moving_loses_nothing(attributes: dict[str, Value]) -> None:
    """Each text and number of an attribute that went is found in the result."""
    out = mapped(MOVE, attributes)

    said = [leaf for value in out.values() for leaf in leaves(value)]
    for key in attributes.keys() - out.keys():
        if key.endswith("message_content.type"):
            continue
        for leaf in leaves(attributes[key], but=names_a_part):
            assert leaf in said or any(str(leaf) in str(text) for text in said), key


def test_moving_stands_a_part_whose_type_is_an_object() -> None:
    """A value that no convention knows stays where it is, and breaks nothing."""
    key = "llm.input_messages.0.message.contents.0.message_content.type"

    assert '{"a":"b"}' == mapped(MOVE, {key: '{"a":"b"}'})[key]


def names_a_part(key: str, value: object) -> bool:
    """Whether a field says of what type a part is, which MLflow's shape says in its own words."""
    return key == "type" and isinstance(value, str) and value in {*BY_TYPE, *_HYPHENED}


@settings(max_examples=200, deadline=None)
@given(ATTRIBUTES)
def test_mapping_twice_changes_nothing(attributes: dict[str, Value]) -> None:
    """A span that comes through two gateways says the same as after the first."""
    attributes.pop("ai.prompt.tools", None)  # put right, it says more than before
    once = mapped(COPY, attributes)

    assert repr(once) == repr(mapped(COPY, once))
