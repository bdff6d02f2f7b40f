"""Score answers with functions of your own and write the scores on the spans."""

import importlib
import json
from collections.abc import Callable
from typing import TypeAlias

from gateway.plugin import Batch, Config, Context, Processor, Span

Score: TypeAlias = Callable[[str, str], float | None]
"""Gets question and answer; ``None`` is no opinion."""


class EvalScoresConfig(Config):
    """Settings of ``eval_scores``."""

    scores: dict[str, str]
    """Name of each score and the function that gives it, such as ``my_scores:politeness``."""

    span_types: tuple[str, ...] = ("CHAT_MODEL", "LLM", "AGENT")
    """Only spans of these types of MLflow's are scored."""

    max_chars: int = 20_000
    """A function sees so much of question and answer."""

    def validate(self) -> None:
        """Refuse what is no ``module:function``."""
        for name, target in self.scores.items():
            if not all(target.partition(":")):
                raise ValueError(f'scores.{name}: expected "module:function", found "{target}"')


class EvalScores(Processor[EvalScoresConfig]):
    """
    Score question and answer of calls of models.

    MLflow takes no assessments over OTLP. So a score is written thrice: as the event
    ``gen_ai.evaluation.result`` of the OpenTelemetry conventions, as the span attribute
    ``eval.<name>``, and on a root as a tag of the trace, to search by.
    """

    on_error = "pass"  # an answer without a score is still an answer

    async def start(self, context: Context) -> None:
        """Import the functions, so that one that is missing stops the start."""
        self._meter = context.meter
        self._functions = {name: _imported(name, at) for name, at in self.config.scores.items()}

    def process(self, batch: Batch) -> Batch:
        """Score each call once; the functions run one after the other."""
        for span in batch:
            if span.attributes.get("mlflow.spanType") in self.config.span_types:
                self._score(span)
        return batch

    def _score(self, span: Span) -> None:
        question, answer = (
            (span.attributes.text(key) or "")[: self.config.max_chars]
            for key in ("mlflow.spanInputs", "mlflow.spanOutputs")
        )
        if not answer:
            return
        for name, function in self._functions.items():
            value = function(question, answer)
            if value is not None:
                self._write(span, name, float(value))

    def _write(self, span: Span, name: str, value: float) -> None:
        span.attributes[f"eval.{name}"] = value
        if span.is_root:
            span.attributes[f"mlflow.traceTag.eval.{name}"] = json.dumps(value)
        event = span.proto.events.add(
            name="gen_ai.evaluation.result", time_unix_nano=span.peek.end_time_unix_nano
        )
        event.attributes.add(key="gen_ai.evaluation.name").value.string_value = name
        event.attributes.add(key="gen_ai.evaluation.score.value").value.double_value = value
        self._meter.gauge("eval_score_last", value, score=name)


def _imported(name: str, target: str) -> Score:
    module, _, function = target.partition(":")
    try:
        found: Score = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"scores.{name}: cannot import {target}: {error}; it must stand beside this plugin or "
            "be installed"
        ) from error
    return found
