"""
Trace with MLflow's own SDK and export by OTLP to the gateway.

No tracking server is named here: with an OTLP endpoint in the environment MLflow's SDK sends its
spans there, with their types, inputs, outputs and tags.
"""

import mlflow
from mlflow.entities import SpanType


def tag_trace(**tags: str) -> None:
    """
    Tag the current trace; call it in the root span.

    ``mlflow.update_current_trace(tags=...)`` does the same with opentelemetry-sdk up to 1.42; with
    later ones MLflow 3.17 then fails to end the root span, and loses it.
    """
    root = mlflow.get_current_active_span()
    if root is not None:
        root.set_attributes({f"mlflow.traceTag.{name}": value for name, value in tags.items()})


@mlflow.trace(span_type=SpanType.RETRIEVER)
def search(question: str) -> list[dict[str, object]]:
    return [{"page_content": f"All about: {question}", "metadata": {"doc_uri": "sky.md"}}]


@mlflow.trace(span_type=SpanType.TOOL, attributes={"unit": "nm"})
def wavelength(colour: str) -> int:
    return {"blue": 470}[colour]


@mlflow.trace(name="answer", span_type=SpanType.AGENT)
def answer(question: str) -> str:
    tag_trace(team="physics", environment="demo")
    documents = search(question)
    with mlflow.start_span("chat", span_type=SpanType.CHAT_MODEL) as span:
        span.set_inputs({"messages": [{"role": "user", "content": question}]})
        reply = f"Rayleigh scattering at {wavelength('blue')} nm ({len(documents)} source)"
        span.set_outputs({"choices": [{"message": {"role": "assistant", "content": reply}}]})
    return reply


if __name__ == "__main__":
    answer("Why is the sky blue?")
    mlflow.flush_trace_async_logging()
