"""
Count calls of models once their request is committed.

Neither what was refused nor what a sender repeats counts twice.
"""

from collections.abc import Callable, Iterable, Sequence

from gateway.batch import Resource
from gateway.telemetry import metrics
from gateway.telemetry.llm_calls import Call
from gateway.telemetry.once import Once

LABELS_KEPT = 300
"""Combinations of labels; senders choose names, so there must be an end."""
OTHER = "other"
_MAX_LABEL = 120

Labels = tuple[str, str, str, str]
"""Model, service, experiment and tenant."""

ExperimentOf = Callable[[Resource], str]


class Figures:
    """
    Count calls of models, each once though its sender sends it again; on the event loop only.

    Args:
        once: knows which were counted.

    """

    def __init__(self, once: Once) -> None:
        self._is_new = once.is_new
        self._series: dict[Labels, _Series] = {}

    def count(self, calls: Iterable[Call], tenant: str, experiment: ExperimentOf) -> None:
        """
        Add a committed batch's calls to the metrics.

        Args:
            calls: what was read from it.
            tenant: whose they are.
            experiment: names where the spans of a resource go.

        """
        groups: dict[_Series, list[Call]] = {}
        names: dict[int, tuple[str, str]] = {}
        for call in calls:
            if not self._is_new(call.span):
                continue
            resource = call.resource
            if id(resource) not in names:
                service = resource.attributes.text("service.name") or ""
                names[id(resource)] = service, experiment(resource)
            series = self._find((call.model, *names[id(resource)], tenant))
            groups.setdefault(series, []).append(call)
        for series, some in groups.items():
            series.add(some)

    def _find(self, labels: Labels) -> "_Series":
        known = self._series.get(labels)
        if known is None:
            if len(self._series) >= LABELS_KEPT:
                labels = (OTHER, OTHER, OTHER, OTHER)
            known = self._series.setdefault(labels, _Series(labels))
        return known


class _Series:
    """The metrics under the same labels."""

    def __init__(self, labels: Labels) -> None:
        model, service, experiment, tenant = (label[:_MAX_LABEL] for label in labels)
        self._labels = model, service, experiment, tenant
        self._input = metrics.llm_tokens.labels("input", *self._labels)
        self._output = metrics.llm_tokens.labels("output", *self._labels)
        self._cost = metrics.llm_cost_usd.labels(*self._labels)
        self._errors = metrics.llm_errors.labels(*self._labels)
        self._truncated = metrics.llm_truncated.labels(*self._labels)

    def add(self, calls: Sequence[Call]) -> None:
        """Add calls of one batch."""
        inputs = [call.input_tokens for call in calls]
        outputs = [call.output_tokens for call in calls]
        self._input.inc(sum(inputs))
        self._output.inc(sum(outputs))
        self._cost.inc(sum(call.cost_usd for call in calls))
        self._errors.inc(sum(call.is_error for call in calls))
        self._truncated.inc(sum(call.is_cut_off for call in calls))
        metrics.llm_duration.add(self._labels, [call.duration_s for call in calls])
        metrics.llm_prompt_tokens.add(self._labels, filter(None, inputs))
        metrics.llm_completion_tokens.add(self._labels, filter(None, outputs))
