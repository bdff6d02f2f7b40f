"""What the figures of calls of models promise."""

import itertools
from collections.abc import Mapping

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from gateway.batch import Batch, LlmCall
from gateway.plugin import Resource
from gateway.telemetry import llm_calls, llm_figures
from gateway.telemetry.llm_figures import OTHER, Figures
from gateway.telemetry.metrics import REGISTRY
from gateway.telemetry.once import Once
from gateway.testing import batch

_serial = itertools.count()


@pytest.fixture
def model() -> str:
    """Name a model that no other test counts."""
    return f"model-{next(_serial)}"


def calls(some: Batch, model: str, **facts: float) -> Batch:
    """Note every span of a batch as a call."""
    some.calls += [
        LlmCall(
            span,
            model,
            int(facts.get("input", 10)),
            int(facts.get("output", 5)),
            facts.get("cost"),
            bool(facts.get("cut_off")),
        )
        for span in some
    ]
    return some


def count(figures: Figures, some: Batch, tenant: str = "", experiment: str = "shop") -> None:
    def home(resource: Resource) -> str:
        del resource
        return experiment

    figures.count(llm_calls.read(some), tenant, home)


def figure(name: str, model: str, **labels: str) -> float | None:
    known: Mapping[str, str] = {"service": "", "experiment": "shop", "tenant": "", **labels}
    return REGISTRY.get_sample_value(f"spangate_llm_{name}", {"model": model, **known})


def test_a_call_moves_every_figure(model: str) -> None:
    """Tokens by direction, dollars, seconds and sizes, under the names of who called."""
    count(
        Figures(Once()),
        calls(batch({}, resource={"service.name": "web"}), model, input=100, output=7, cost=0.25),
        tenant="search",
    )
    who = {"service": "web", "tenant": "search"}
    assert 100 == figure("tokens_total", model, direction="input", **who)
    assert 7 == figure("tokens_total", model, direction="output", **who)
    assert 0.25 == figure("cost_usd_total", model, **who)
    assert 1 == figure("duration_seconds_count", model, **who)
    assert 0.0005 == figure("duration_seconds_sum", model, **who)
    assert 100 == figure("prompt_tokens_sum", model, **who)
    assert 7 == figure("completion_tokens_sum", model, **who)
    assert 0 == figure("errors_total", model, **who)
    assert 0 == figure("truncated_total", model, **who)


def test_failed_and_cut_off_calls_are_counted(model: str) -> None:
    """An error status is an error, and the limit of tokens is a cut."""
    failed = batch({}, {})
    next(iter(failed)).proto.status.code = Status.STATUS_CODE_ERROR
    count(Figures(Once()), calls(failed, model, cut_off=1))
    assert 1 == figure("errors_total", model)
    assert 2 == figure("truncated_total", model)


def test_what_is_sent_again_counts_once(model: str) -> None:
    """An SDK that retries a request moves nothing the second time."""
    figures, some = Figures(Once()), calls(batch({}, {}), model)
    count(figures, some)
    count(figures, calls(Batch(some.encode()), model))
    assert 20 == figure("tokens_total", model, direction="input")


def test_workers_count_a_call_once_between_them(model: str) -> None:
    """An SDK that retries with another worker moves nothing there."""
    memory = memoryview(bytearray(1024))
    some = calls(batch({}, {}), model)
    for figures in (Figures(Once(memory)), Figures(Once(memory))):
        count(figures, calls(Batch(some.encode()), model))
    assert 20 == figure("tokens_total", model, direction="input")


def test_the_memory_of_spans_has_an_end(model: str) -> None:
    """The newest spans are known again; older ones are forgotten, so that memory stays flat."""
    figures = Figures(Once(memoryview(bytearray(16))))
    some = [calls(batch({}), model) for _ in range(5)]
    for one in some:
        count(figures, one)
    count(figures, some[-1])
    assert 5 == figure("duration_seconds_count", model)
    count(figures, some[0])
    assert 6 == figure("duration_seconds_count", model)


def test_labels_have_an_end(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound everything new is counted together, and what is known stays apart."""
    monkeypatch.setattr(llm_figures, "LABELS_KEPT", 1)
    figures = Figures(Once())
    other = {"service": OTHER, "experiment": OTHER, "tenant": OTHER}
    before = figure("duration_seconds_count", OTHER, **other) or 0
    for name in (model, f"{model}-b", f"{model}-c", model):
        count(figures, calls(batch({}), name))
    assert 2 == figure("duration_seconds_count", model)
    assert before + 2 == figure("duration_seconds_count", OTHER, **other)


def test_long_names_are_cut(model: str) -> None:
    """A name of a thousand letters does not come into the metrics as it is."""
    count(Figures(Once()), calls(batch({}), model + "x" * 1000))
    assert 1 == figure("duration_seconds_count", (model + "x" * 1000)[:120])
