"""Which tags of a trace no sender sets."""

import pytest

from exporters.mlflow.own_tags import without_own_tags
from gateway.plugin import Batch
from gateway.testing import batch


@pytest.mark.parametrize(
    "tag",
    [
        "mlflow.artifactLocation",
        "mlflow.trace.spansLocation",
        "mlflow.trace.archiveLocation",
        "mlflow.trace.archivalFailure",
    ],
)
def test_tags_of_mlflows_own_are_set_aside(tag: str) -> None:
    """What would lead MLflow to other files is no tag any more, and still there to be read."""
    key = f"mlflow.traceTag.{tag}"
    sent = batch({"a": 1, key: "file:///elsewhere"}, {"b": 2})

    out = Batch(without_own_tags(sent).encode())

    assert [{"a": 1, f"refused.{key}": "file:///elsewhere"}, {"b": 2}] == [
        dict(span.attributes) for span in out
    ]


def test_a_tag_that_stands_twice_is_set_aside_twice() -> None:
    """MLflow takes the last of several; none is left."""
    sent = batch({"a": 1})
    for place in ("here", "there"):
        field = sent.request.resource_spans[0].scope_spans[0].spans[0].attributes.add()
        field.key, field.value.string_value = "mlflow.traceTag.mlflow.artifactLocation", place

    out = Batch(without_own_tags(sent).encode())

    assert [["a", "refused.mlflow.traceTag.mlflow.artifactLocation"]] == [
        list(span.attributes) for span in out
    ]


def test_other_tags_stay() -> None:
    """Tags of people, and those that MLflow's own clients set, pass byte for byte."""
    text = "it says mlflow.traceTag.mlflow.artifactLocation"
    sent = batch(
        {"mlflow.traceTag.team": "a", "mlflow.traceTag.mlflow.traceName": "b", "text": text},
        {"mlflow.traceTag.mlflow.trace.sourceScorer": "c", "mlflow.artifactLocation": "d"},
    )

    assert sent.encode() == without_own_tags(Batch(sent.encode())).encode()
