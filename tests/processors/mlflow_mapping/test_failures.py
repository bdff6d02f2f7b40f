"""Failures that only attributes tell."""

from gateway.batch import Batch, Span
from gateway.otlp.values import Value
from gateway.testing import batch, processor
from processors.mlflow_mapping import MlflowMapping


def mapped(attributes: dict[str, Value], status: int = 0) -> Span:
    """Return a span after mapping."""
    spans = batch(attributes)
    spans.request.resource_spans[0].scope_spans[0].spans[0].status.code = status  # type: ignore[assignment] # an enum's number
    return Batch(processor(MlflowMapping).process(spans).encode()).spans[0]


def test_an_error_type_shows_in_status_and_as_an_exception() -> None:
    """MLflow's UI shows failures from there alone."""
    span = mapped({"gen_ai.operation.name": "chat", "error.type": "timeout"})

    assert span.is_error
    (event,) = span.peek.events
    assert "exception" == event.name
    assert {"exception.type": "timeout", "exception.message": "timeout"} == {
        field.key: field.value.string_value for field in event.attributes
    }


def test_langfuses_level_is_a_failure() -> None:
    """Its SDK leaves the status unset."""
    span = mapped(
        {
            "langfuse.observation.type": "tool",
            "langfuse.observation.level": "ERROR",
            "langfuse.observation.status_message": "no such city",
        }
    )

    assert span.is_error
    assert "no such city" == span.peek.status.message


def test_other_levels_are_none() -> None:
    """A warning is no failure."""
    span = mapped({"langfuse.observation.type": "tool", "langfuse.observation.level": "WARNING"})

    assert not span.is_error
    assert not span.peek.events


def test_a_status_of_ok_is_not_overruled() -> None:
    """The application said so itself."""
    assert not mapped({"gen_ai.operation.name": "chat", "error.type": "x"}, status=1).is_error


def test_plain_spans_are_left_alone() -> None:
    """An HTTP client error is for its own instrumentation to judge."""
    span = mapped({"http.request.method": "GET", "error.type": "404"})

    assert not span.is_error
    assert not span.peek.events
