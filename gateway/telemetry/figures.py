"""Read the metrics for people: who sent how much, what became of it, what the models cost."""

from collections.abc import Iterable, Iterator

import msgspec
from prometheus_client import Metric
from prometheus_client.samples import Sample

MOST_MODELS = 50
_LLM = "spangate_llm_"
_UNKNOWN_MODELS = f"{_LLM}unknown_models_total"


class ReceiverFigures(msgspec.Struct, kw_only=True):
    """What a receiver took and refused, since the start."""

    receiver: str
    transport: str
    accepted_spans: float = 0
    refused_spans: dict[str, float] = msgspec.field(default_factory=dict[str, float])
    """By reason."""


class ProcessorFigures(msgspec.Struct, kw_only=True):
    """What went through a processor of a pipeline, since the start."""

    pipeline: str
    processor: str
    incoming_spans: float = 0
    outgoing_spans: float = 0
    dropped_spans: float = 0
    refused_spans: float = 0
    """To their senders, those that come again each time."""
    failures: float = 0
    batches: float = 0
    seconds: float = 0


class SamplingFigures(msgspec.Struct, kw_only=True):
    """What the trace processor of a pipeline decided, since the start."""

    pipeline: str
    undecided_traces: float = 0
    """Now."""
    kept_traces: float = 0
    dropped_traces: float = 0
    policies: dict[str, float] = msgspec.field(default_factory=dict[str, float])
    """Traces by the policy that decided."""


class ExporterFigures(msgspec.Struct, kw_only=True):
    """What an exporter delivered and gave up, since the start."""

    exporter: str
    sent_spans: float = 0
    retries: float = 0
    failed_spans: dict[str, float] = msgspec.field(default_factory=dict[str, float])
    """By reason."""


class Figures(msgspec.Struct, kw_only=True):
    """Counts since the start of the gateway."""

    receivers: list[ReceiverFigures] = msgspec.field(default_factory=list[ReceiverFigures])
    processors: list[ProcessorFigures] = msgspec.field(default_factory=list[ProcessorFigures])
    sampling: list[SamplingFigures] = msgspec.field(default_factory=list[SamplingFigures])
    exporters: list[ExporterFigures] = msgspec.field(default_factory=list[ExporterFigures])
    redactions: dict[str, float] = msgspec.field(default_factory=dict[str, float])
    """Values replaced, by type."""
    unknown_models: dict[str, float] = msgspec.field(default_factory=dict[str, float])
    """Calls of models without a price."""
    models: dict[str, dict[str, float]] = msgspec.field(default_factory=dict[str, dict[str, float]])
    """By model, what ``spangate_llm_*`` say: ``tokens_input``, ``cost_usd`` and the like; those
    that cost most."""


class _Reader:
    """Sorts samples into figures."""

    def __init__(self) -> None:
        self._receivers: dict[tuple[str, str], ReceiverFigures] = {}
        self._processors: dict[tuple[str, str], ProcessorFigures] = {}
        self._sampling: dict[str, SamplingFigures] = {}
        self._exporters: dict[str, ExporterFigures] = {}
        self._figures = Figures()

    def read(self, samples: Iterable[Sample]) -> Figures:
        for sample in samples:
            if sample.name.startswith("spangate_receiver_"):
                self._receiver(sample)
            elif sample.name.startswith("spangate_processor_"):
                self._processor(sample)
            elif sample.name.startswith("spangate_sampling_"):
                self._sampled(sample)
            elif sample.name.startswith("spangate_exporter_"):
                self._exporter(sample)
            elif sample.name == "spangate_redactions_total":
                _add(self._figures.redactions, sample.labels["type"], sample.value)
            elif sample.name == _UNKNOWN_MODELS:
                _add(self._figures.unknown_models, sample.labels["model"], sample.value)
            elif sample.name.startswith(_LLM) and "model" in sample.labels:
                self._model(sample)
        return self._whole()

    def _whole(self) -> Figures:
        figures = self._figures
        figures.receivers = list(self._receivers.values())
        figures.processors = list(self._processors.values())
        figures.sampling = list(self._sampling.values())
        figures.exporters = list(self._exporters.values())
        dearest = sorted(figures.models, key=lambda model: _weight(figures.models[model]))
        figures.models = {model: figures.models[model] for model in dearest[:MOST_MODELS]}
        return figures

    def _receiver(self, sample: Sample) -> None:
        if "receiver" not in sample.labels or "transport" not in sample.labels:
            return
        key = sample.labels["receiver"], sample.labels["transport"]
        one = self._receivers.get(key)
        if one is None:
            one = self._receivers[key] = ReceiverFigures(receiver=key[0], transport=key[1])
        if sample.name == "spangate_receiver_accepted_spans_total":
            one.accepted_spans += sample.value
        elif sample.name == "spangate_receiver_refused_spans_total":
            _add(one.refused_spans, sample.labels["reason"], sample.value)

    def _processor(self, sample: Sample) -> None:
        if "pipeline" not in sample.labels or "processor" not in sample.labels:
            return
        key = sample.labels["pipeline"], sample.labels["processor"]
        one = self._processors.get(key)
        if one is None:
            one = self._processors[key] = ProcessorFigures(pipeline=key[0], processor=key[1])
        if sample.name == "spangate_processor_incoming_spans_total":
            one.incoming_spans += sample.value
        elif sample.name == "spangate_processor_outgoing_spans_total":
            one.outgoing_spans += sample.value
        elif sample.name == "spangate_processor_dropped_spans_total":
            one.dropped_spans += sample.value
        elif sample.name == "spangate_processor_refused_spans_total":
            one.refused_spans += sample.value
        elif sample.name == "spangate_processor_failures_total":
            one.failures += sample.value
        elif sample.name == "spangate_processor_duration_seconds_count":
            one.batches += sample.value
        elif sample.name == "spangate_processor_duration_seconds_sum":
            one.seconds += sample.value

    def _sampled(self, sample: Sample) -> None:
        name = sample.labels.get("pipeline")
        if name is None:
            return
        one = self._sampling.get(name)
        if one is None:
            one = self._sampling[name] = SamplingFigures(pipeline=name)
        if sample.name == "spangate_sampling_open_traces":
            one.undecided_traces += sample.value
        elif sample.name == "spangate_sampling_traces_total":
            _add(one.policies, sample.labels["policy"], sample.value)
            if sample.labels["decision"] == "kept":
                one.kept_traces += sample.value
            else:
                one.dropped_traces += sample.value

    def _exporter(self, sample: Sample) -> None:
        name = sample.labels.get("exporter")
        if name is None:
            return
        one = self._exporters.get(name)
        if one is None:
            one = self._exporters[name] = ExporterFigures(exporter=name)
        if sample.name == "spangate_exporter_sent_spans_total":
            one.sent_spans += sample.value
        elif sample.name == "spangate_exporter_retries_total":
            one.retries += sample.value
        elif sample.name == "spangate_exporter_send_failed_spans_total":
            _add(one.failed_spans, sample.labels["reason"], sample.value)

    def _model(self, sample: Sample) -> None:
        """Take any figure of a model: its name is that of the metric, and the direction."""
        if sample.name.endswith("_bucket"):
            return
        name = sample.name.removeprefix(_LLM).removesuffix("_total")
        direction = sample.labels.get("direction")
        values = self._figures.models.setdefault(sample.labels["model"], {})
        _add(values, f"{name}_{direction}" if direction else name, sample.value)


def read(families: Iterable[Metric]) -> Figures:
    """Return what metrics say, wherever they were collected."""
    return _Reader().read(_samples(families))


def _samples(families: Iterable[Metric]) -> Iterator[Sample]:
    for family in families:
        if family.name.startswith("spangate_"):
            yield from family.samples


def _add(counts: dict[str, float], key: str, value: float) -> None:
    counts[key] = counts.get(key, 0) + value


def _weight(model: dict[str, float]) -> tuple[float, float]:
    tokens = sum(value for name, value in model.items() if name.startswith("tokens"))
    return -model.get("cost_usd", 0), -tokens
