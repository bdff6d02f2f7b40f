"""Values that make MLflow refuse a request come through in a form that it takes."""

import json

import pytest

from gateway.testing import batch, processor
from processors.mlflow_mapping import MlflowMapping
from tests.processors.mlflow_mapping.conftest import Map


@pytest.mark.parametrize(
    "value", [["LLM"], {"kind": "LLM"}, '["LLM"]', '{"a": "LLM"}'], ids=["list", "map", "j", "k"]
)
@pytest.mark.parametrize("key", ["openinference.span.kind", "span.type", "traceloop.span.kind"])
def test_a_kind_that_is_no_word_becomes_one(mapped: Map, key: str, value: object) -> None:
    """MLflow looks kinds up in tables, which fails on lists and objects."""
    out = mapped({key: value})

    assert "LLM" == out[key]
    assert "LLM" == out["mlflow.spanType"]


@pytest.mark.parametrize(
    ("value", "word"), [("[", ""), (' [{"LLM', '"LLM'), ('["a", "b', '"a", "b')]
)
def test_a_kind_that_was_cut_off_begins_no_list(mapped: Map, value: str, word: str) -> None:
    """What begins like a list and is none is kept apart from what MLflow reads."""
    out = mapped({"gen_ai.operation.name": value})

    assert word == out["gen_ai.operation.name"]
    assert value == out["spangate.original.gen_ai.operation.name"]


@pytest.mark.parametrize(
    ("cost", "mended"),
    [
        ("0.5", {"total_cost": 0.5}),
        (0.5, {"total_cost": 0.5}),
        ("[1]", {}),
        ('{"input_cost":"0.1","total_cost":"0.3","output_cost":null}',
         {"input_cost": 0.1, "total_cost": 0.3}),
    ],
)  # fmt: skip
def test_a_cost_becomes_an_object_of_numbers(
    mapped: Map, cost: object, mended: dict[str, float]
) -> None:
    """The bad value is kept beside it."""
    out = mapped({"mlflow.llm.cost": cost})

    assert mended == json.loads(out["mlflow.llm.cost"])
    assert "spangate.original.mlflow.llm.cost" in out


def test_a_good_cost_stays(mapped: Map) -> None:
    """A cost that MLflow takes is not touched."""
    cost = '{"input_cost": 0.1, "output_cost": 0.2, "total_cost": 0.3}'

    assert cost == mapped({"mlflow.llm.cost": cost})["mlflow.llm.cost"]


def test_tokens_become_whole_numbers(mapped: Map) -> None:
    """Texts and nulls in token usage are put right, and what they said is kept."""
    out = mapped({"mlflow.chat.tokenUsage": '{"input_tokens":"5","output_tokens":null}'})

    assert {"input_tokens": 5, "output_tokens": 0, "total_tokens": 5} == out[
        "mlflow.chat.tokenUsage"
    ]
    assert '"input_tokens":"5"' in out["spangate.original.mlflow.chat.tokenUsage"]


def test_a_long_session_keeps_its_beginning_and_stays_apart_from_others(mapped: Map) -> None:
    """MLflow takes 250 characters; two long sessions with one beginning do not become one."""
    one = mapped({"session.id": "s" * 300 + "1"})
    two = mapped({"gen_ai.conversation.id": "s" * 300 + "2"})

    assert 250 == len(one["session.id"]) == len(two["session.id"])
    assert one["session.id"] != two["session.id"]
    assert 250 == len(two["gen_ai.conversation.id"])
    assert "s" * 300 + "1" == one["spangate.original.session.id"]


def test_a_long_user_is_shortened(mapped: Map) -> None:
    """PostgreSQL refuses long ones."""
    assert 250 == len(mapped({"user.id": "u" * 9000})["user.id"])


def test_tools_that_are_no_list_become_one(mapped: Map) -> None:
    """MLflow walks through Vercel's list of tools."""
    out = mapped({"ai.operationId": "ai.generateText.doGenerate", "ai.prompt.tools": 7})

    assert "[7]" == out["ai.prompt.tools"]


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("chat_model", "CHAT_MODEL"),
        ('"CHAT_MODEL"', "CHAT_MODEL"),
        ("classifier", "CLASSIFIER"),
        ("My Own", "My Own"),
        ("x" * 900, "x" * 250),
        (["TOOL"], "TOOL"),
        ("[1]", "LLM"),
        ("UNKNOWN", "LLM"),
        ("", "LLM"),
    ],
)
def test_an_explicit_type_is_kept_in_a_form_that_mlflow_takes(
    mapped: Map, said: object, written: str
) -> None:
    """MLflow's own attribute wins over any dialect, unless it says UNKNOWN or nothing."""
    out = mapped({"mlflow.spanType": said, "openinference.span.kind": "LLM"})

    assert written == out["mlflow.spanType"]


def test_existing_inputs_and_model_are_kept(mapped: Map) -> None:
    """What MLflow's own SDK wrote wins; only its JSON quotes go."""
    out = mapped(
        {
            "mlflow.spanInputs": '{"q": 1}',
            "mlflow.llm.model": '"gpt-4o"',
            "mlflow.traceTag.mlflow.traceName": "mine",
            "input.value": "other",
            "llm.model_name": "other",
        }
    )

    assert {"q": 1} == out["mlflow.spanInputs"]
    assert "gpt-4o" == out["mlflow.llm.model"]
    assert "mine" == out["mlflow.traceTag.mlflow.traceName"]


def test_a_name_holds_no_nul() -> None:
    """PostgreSQL cannot store one, and the whole request would fail."""
    (span,) = processor(MlflowMapping).process(batch({}, name="a\0b"))

    assert "a\ufffdb" == span.name == span.attributes["mlflow.traceTag.mlflow.traceName"]


def test_a_key_of_a_thousand_steps_is_no_message(mapped: Map) -> None:
    """What no instrumentation writes must not cost the batch its mapping."""
    out = mapped({f"llm.input_messages.0{'.a' * 5000}": "x", "openinference.span.kind": "LLM"})

    assert "LLM" == out["mlflow.spanType"]
