"""Provider, session, user, name and tags."""

import pytest

from gateway.testing import batch, processor
from processors.mlflow_mapping import MlflowMapping
from processors.mlflow_mapping.providers import provider_name
from tests.processors.mlflow_mapping.conftest import Map

TAG = "mlflow.traceTag."


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("openai", "openai"),
        ("OpenAI", "openai"),
        ("openai.chat", "openai"),
        ("openai.responses", "openai"),
        ("anthropic.messages", "anthropic"),
        ("azure.ai.openai", "azure"),
        ("azure-openai.chat", "azure"),
        ("aws.bedrock", "bedrock"),
        ("amazon-bedrock", "bedrock"),
        ("gcp.vertex_ai", "vertex_ai"),
        ("google.vertex.chat", "vertex_ai"),
        ("google.generative-ai", "gemini"),
        ("gcp.gemini", "gemini"),
        ("mistral_ai", "mistral"),
        ("xai.chat", "xai"),
        ("My-Own-Gateway", "my-own-gateway"),
        ("langchain", None),
        ("", None),
    ],
)
def test_providers_have_the_names_of_mlflows_catalogue(written: str, name: str | None) -> None:
    """Spellings of one provider become one name; frameworks are no providers."""
    assert name == provider_name(written)


def test_a_framework_in_the_providers_place_is_passed_over(mapped: Map) -> None:
    """The next key is asked."""
    out = mapped({"gen_ai.provider.name": "langchain", "gen_ai.system": "openai"})

    assert "openai" == out["mlflow.llm.provider"]


def test_session_and_user_are_found_in_metadata(mapped: Map) -> None:
    """LangChain's users put them there."""
    out = mapped({"metadata": '{"thread_id": "s", "user_id": 7}', "llm.model_name": "m"})

    assert ("s", "7") == (out["session.id"], out["user.id"])


def test_langsmiths_project_is_no_session(mapped: Map) -> None:
    """``langsmith.trace.session_name`` holds the project."""
    out = mapped({"langsmith.span.kind": "llm", "langsmith.trace.session_name": "default"})

    assert "session.id" not in out


def test_metadata_becomes_tags_without_the_frameworks_own(mapped: Map) -> None:
    """Plain values only; what frameworks add for themselves is left out, as is who asked."""
    out = mapped(
        {
            "llm.model_name": "m",
            "metadata": '{"env":"test","n":1,"ls_provider":"x","langgraph_step":1,"o":{},'
            '"user_id":"u","bad key!":"x"}',
            "tag.tags": ["a", "b"],
        },
        name="root",
    )

    assert {"mlflow.traceName": "root", "env": "test", "n": "1", "tags": "a, b"} == {
        key.removeprefix(TAG): value for key, value in out.items() if key.startswith(TAG)
    }


def test_only_the_root_names_and_tags_the_trace() -> None:
    """MLflow reads tags from roots alone; children would only grow."""
    spans = batch({"tag.tags": ["a"]}, {"tag.tags": ["b"]})

    root, child = processor(MlflowMapping).process(spans)

    assert f"{TAG}tags" in root.attributes
    assert not [key for key in child.attributes if key.startswith(TAG)]


@pytest.mark.parametrize("keep_source_attributes", [True, False])
def test_unwanted_tags_stay_on_the_span_alone(keep_source_attributes: bool) -> None:
    """``drop`` leaves the trace its name, ``keep`` is an exception, and nothing is lost."""
    metadata = '{"env":"test","Step":1}'
    spans = batch({"tag.tags": ["a"], "metadata": metadata}, name="root")
    mapping = processor(
        MlflowMapping,
        trace_tags={"drop": ["*"], "keep": ["ENV"]},
        keep_source_attributes=keep_source_attributes,
    )

    (root,) = mapping.process(spans)

    assert {"mlflow.traceName": "root", "env": "test"} == {
        key.removeprefix(TAG): value
        for key, value in root.attributes.items()
        if key.startswith(TAG)
    }
    assert ["a"] == root.attributes["tag.tags"]
    assert metadata == root.attributes["metadata"]
