"""What the examples with conditions promise: they keep and change what their comments say."""

from collections.abc import Sequence
from pathlib import Path

from gateway.config.loader import load
from gateway.plugin import Batch, BatchContext, Processor
from gateway.testing import batch

CONFIGS = Path(__file__).parents[2] / "examples" / "configs"


def run(name: str, pipeline: str, made: Batch, *, without: Sequence[str] = ("redaction",)) -> Batch:
    """Return what a pipeline's processors make of a batch."""
    settings = load([CONFIGS / name], environ={})
    for one in settings.service.pipelines[pipeline].processors:
        if one not in without:
            component = settings.processors[one].component(settings.processors[one].config)
            assert isinstance(component, Processor)
            result = component.process(made)
            assert isinstance(result, Batch)
            made = result
    return made


def test_mlflow_gets_ai_spans_and_roots() -> None:
    """Spans of the web framework and the database stay out of MLflow, probes everywhere do."""
    made = batch(
        {"http.route": "/chat"},
        {"db.system": "postgresql"},
        {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o"},
        {"http.route": "/health"},
        {"url.path": "/metrics"},
    )

    ai = run("ai-spans-only.yaml", "traces/ai", Batch(made.encode()))
    everything = run("ai-spans-only.yaml", "traces/all", Batch(made.encode()))

    assert [True, False] == [span.is_root for span in ai]
    assert "gpt-4o" == ai.spans[1].attributes["llm.model_name"]
    assert 5 == len(everything)


def test_teams_are_named_alike() -> None:
    """The tenant is the team, routes name spans, and what is not allowed is marked."""
    made = batch(
        {
            "http.request.method": "GET",
            "http.route": "/users/{id}",
            "http.request.header.cookie": ["x"],
            "http.response.status_code": "200",
        },
        name="GET /users/0123456789abcdef",
        resource={"service.name": "checkout-web", "deployment.environment.name": "moon"},
        context=BatchContext(tenant="search"),
    )
    made.spans[0].proto.kind = made.spans[0].peek.SPAN_KIND_SERVER

    [span] = run("team-rules.yaml", "traces", made)

    assert ("GET /users/{id}", 200) == (span.name, span.attributes["http.response.status_code"])
    assert "http.request.header.cookie" not in span.attributes
    assert "search" == span.resource.attributes["team"] == span.attributes["mlflow.traceTag.team"]
    assert "development" == span.attributes["mlflow.traceTag.environment"]
