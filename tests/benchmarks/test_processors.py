"""What ``python -m benchmarks.processors`` measures."""

import pytest

from benchmarks import processors, requests
from gateway.batch import Batch


@pytest.mark.parametrize(("kind", "size"), [("llm", 6500), ("plain", 400)])
def test_made_requests_have_the_size_that_is_said(kind: str, size: int) -> None:
    """Spans of agents have about 6.5 KB, those of services 0.4 KB."""
    made = requests.bodies(kind)
    spans = sum(len(Batch(body)) for body in made)
    assert size == pytest.approx(sum(map(len, made)) / spans, rel=0.1)


def test_all_recorded_requests_are_measured() -> None:
    """Each capture is there, repeated with traces of its own."""
    recorded = requests.bodies("recorded")
    assert 16 == len(recorded)
    for body in recorded:
        ids = [(span.trace_id, span.span_id) for span in Batch(body)]
        assert len(set(ids)) == len(ids)
        assert 50 < len(ids) <= 100


def test_every_step_has_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processors alone and together, and the way from the body to the bytes that are sent."""
    monkeypatch.setattr(processors, "ROUNDS", 2)
    monkeypatch.setattr(processors, "KINDS", ("plain",))

    text = processors.report()

    for step in ("redaction alone", "mlflow_mapping + cost", "decode", "commit", "gzip", "**sum**"):
        assert f"| {step} | " in text
