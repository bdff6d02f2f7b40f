"""Policies about the verdicts of others: guardrails that stepped in, and evaluations."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from gateway.plugin import Span, Value
from processors.tail_sampling.about_models import InRange, any_fits
from processors.tail_sampling.model_settings import EvaluationConfig, GuardrailConfig
from processors.tail_sampling.terms import as_number, outputs_of, type_of
from processors.tail_sampling.view import Policy, View

_FINISH_KEYS = (
    "gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "ai.response.finishReason",
    "llm.response.finish_reason", "llm.response.stop_reason", "llm.finish_reason",
)  # fmt: skip
_FILTERED = {
    "content_filter", "content-filter", "guardrail_intervened", "safety", "refusal",
    "prohibited_content", "blocklist",
}  # fmt: skip
"""Why an answer ended, where a filter of the provider ended it."""
_HIT = {
    "triggered", "tripwire_triggered", "blocked", "flagged", "violated", "violation", "intervened",
    "denied", "hit", "detected", "rejected",
}  # fmt: skip
_PASSED = {"passed", "allowed", "safe", "is_safe", "valid", "is_valid", "validation_passed"}
_VERDICT = {"action", "decision", "verdict", "outcome", "result", "status"}
_STEPPED_IN = {
    "block", "blocked", "deny", "denied", "reject", "rejected", "flag", "flagged", "fail", "failed",
    "unsafe", "intervened", "guardrail_intervened", "violation", "triggered",
}  # fmt: skip

_EVALUATION = "gen_ai.evaluation"
_EVENT = f"{_EVALUATION}.result"
_SCORE_KEYS = ("score", "value", "rating")


class Guardrail(Policy):
    """Match where a guardrail stepped in, or a provider's filter ended an answer."""

    def __init__(self, config: GuardrailConfig) -> None:
        self._globs = config.names

    def matches(self, view: View) -> bool:
        """Return whether one did."""
        for span in view.in_terms.spans:
            if type_of(span) == "GUARDRAIL":
                if any_fits({span.name}, self._globs or ("*",)) and _stepped_in(span):
                    return True
            elif not self._globs and _filtered(span):
                return True
        return False


def _stepped_in(span: Span) -> bool:
    own = {key.rpartition(".")[2]: value for key, value in span.attributes.items()}
    return span.is_error or any(_says_so(one) for one in (own, *outputs_of(span)))


def _says_so(found: Mapping[str, Any]) -> bool:
    for key, value in found.items():
        name = key.lower()
        if (name in _HIT and _truth(value) is True) or (name in _PASSED and _truth(value) is False):
            return True
        if name in _VERDICT and isinstance(value, str) and value.lower() in _STEPPED_IN:
            return True
    return False


def _truth(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return bool(value) if isinstance(value, bool | int) else None


def _filtered(span: Span) -> bool:
    for key in _FINISH_KEYS:
        value: Value = span.attributes.get(key)
        if isinstance(value, str):
            value = span.attributes.json(key) or value
        reasons = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(one, str) and one.lower() in _FILTERED for one in reasons):
            return True
    return False


class Score(NamedTuple):
    """The result of one evaluation."""

    name: str
    score: float | None
    label: str


class Evaluation(Policy):
    """Match by the score or the label of an evaluation."""

    def __init__(self, config: EvaluationConfig) -> None:
        self._glob = config.name
        self._labels = {label.lower() for label in config.labels}
        ranged = config.min_score is not None or config.max_score is not None
        self._fits = InRange(config.min_score, config.max_score) if ranged else None

    def matches(self, view: View) -> bool:
        """Return whether one is as wanted."""
        return any(
            fnmatchcase(found.name, self._glob)
            and (
                found.label.lower() in self._labels
                or (self._fits is not None and self._fits(found.score))
            )
            for span in view.in_terms.spans
            for found in _scores(span)
        )


def _scores(span: Span) -> Iterator[Score]:
    """Yield the results in a span's events and attributes, and what an evaluator put out."""
    for event in span.peek.events:
        if event.name == _EVENT:
            yield _score(span, {field.key: _plain(field.value) for field in event.attributes})
    if f"{_EVALUATION}.score.value" in span.attributes or (
        f"{_EVALUATION}.score.label" in span.attributes
    ):
        yield _score(span, span.attributes)
    elif type_of(span) == "EVALUATOR":
        for output in outputs_of(span):
            for key in _SCORE_KEYS:
                score = as_number(output.get(key))
                if score is not None:
                    yield Score(str(output.get("name") or span.name), score, _label(output))
                    break


def _score(span: Span, found: Mapping[str, Value]) -> Score:
    name = found.get(f"{_EVALUATION}.name")
    label = found.get(f"{_EVALUATION}.score.label")
    return Score(
        name if isinstance(name, str) else span.name,
        as_number(found.get(f"{_EVALUATION}.score.value")),
        label if isinstance(label, str) else "",
    )


def _label(output: Mapping[str, Any]) -> str:
    label = output.get("label")
    return label if isinstance(label, str) else ""


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)
