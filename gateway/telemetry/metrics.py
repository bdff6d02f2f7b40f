"""
Every metric of the gateway, declared once, each with what a rise means.

Update them once a batch or a request, never once a span.
"""

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
)

from gateway.telemetry.histogram import BatchHistogram
from gateway.telemetry.quick import Counter, Histogram

disable_created_metrics()  # type: ignore[no-untyped-call] # the library lacks the annotation
REGISTRY = CollectorRegistry()

receiver_accepted_spans = Counter(
    "spangate_receiver_accepted_spans_total",
    "Spans that were queued for every exporter and acknowledged to the sender.",
    ("receiver", "transport"),
    registry=REGISTRY,
)
receiver_refused_spans = Counter(
    "spangate_receiver_refused_spans_total",
    "Spans refused to the sender; a rise means that senders retry (busy, unavailable) or lose "
    "spans (invalid, forbidden). Spans of a body that could not be read count as one.",
    ("receiver", "transport", "reason"),
    registry=REGISTRY,
)
receiver_discarded_requests = Counter(
    "spangate_receiver_discarded_requests_total",
    "Requests with metrics or logs that were taken and thrown away (other_signals: discard).",
    ("receiver", "transport", "signal"),
    registry=REGISTRY,
)
tls_certificate_expiry = Gauge(
    "spangate_receiver_tls_certificate_expiry_timestamp_seconds",
    "When the certificate ends that an endpoint shows, in seconds since 1970; renew its file "
    "before, it is read again by itself.",
    ("endpoint",),
    registry=REGISTRY,
)
processor_incoming_spans = Counter(
    "spangate_processor_incoming_spans_total",
    "Spans that entered a processor.",
    ("pipeline", "processor"),
    registry=REGISTRY,
)
processor_outgoing_spans = Counter(
    "spangate_processor_outgoing_spans_total",
    "Spans that left a processor.",
    ("pipeline", "processor"),
    registry=REGISTRY,
)
processor_dropped_spans = Counter(
    "spangate_processor_dropped_spans_total",
    "Spans that a processor took out, or that on_error: drop dropped.",
    ("pipeline", "processor"),
    registry=REGISTRY,
)
processor_refused_spans = Counter(
    "spangate_processor_refused_spans_total",
    "Spans whose batch a processor refused to the sender, for good or to come back, by itself, by "
    "on_error: reject or while it is not asked.",
    ("pipeline", "processor"),
    registry=REGISTRY,
)
processor_failures = Counter(
    "spangate_processor_failures_total",
    "Batches on which a processor failed; its on_error policy decided what became of them.",
    ("pipeline", "processor", "policy"),
    registry=REGISTRY,
)
processor_duration = Histogram(
    "spangate_processor_duration_seconds",
    "Time a processor took for one batch.",
    ("pipeline", "processor"),
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5),
    registry=REGISTRY,
)
redactions = Counter(
    "spangate_redactions_total",
    "Values replaced by redaction; a jump says that senders leak, redaction_failed that values "
    "could not be processed.",
    ("type",),
    registry=REGISTRY,
)
llm_unknown_models = Counter(
    "spangate_llm_unknown_models_total",
    "Calls of a model that nobody has a price for; give it one in the prices_file of cost. At "
    "most 200 names are kept apart.",
    ("model",),
    registry=REGISTRY,
)
llm_cost_differences = Counter(
    "spangate_llm_cost_differences_total",
    "Calls whose reported cost differs from ours by more than 1 % (cost with reported: compare); "
    "a steady rise means that one of the price lists is out of date.",
    registry=REGISTRY,
)
_LLM = ("model", "service", "experiment", "tenant")
_TOKEN_BUCKETS = (64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576)
llm_tokens = Counter(
    "spangate_llm_tokens_total",
    "Tokens of calls of models, as counted by the provider; input includes what was cached. All "
    "spangate_llm figures are of what came in, before sampling, each span once.",
    ("direction", *_LLM),
    registry=REGISTRY,
)
llm_cost_usd = Counter(
    "spangate_llm_cost_usd_total",
    "US dollars that calls of models cost, where the cost processor knows a price.",
    _LLM,
    registry=REGISTRY,
)
llm_errors = Counter(
    "spangate_llm_errors_total",
    "Calls of models that failed.",
    _LLM,
    registry=REGISTRY,
)
llm_truncated = Counter(
    "spangate_llm_truncated_total",
    "Answers of models that were cut off at the limit of tokens.",
    _LLM,
    registry=REGISTRY,
)
llm_duration = BatchHistogram(
    "spangate_llm_duration_seconds",
    "How long calls of models took; their number is the number of calls.",
    _LLM,
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160),
    registry=REGISTRY,
)
llm_prompt_tokens = BatchHistogram(
    "spangate_llm_prompt_tokens",
    "Input tokens of a call, where it says so.",
    _LLM,
    buckets=_TOKEN_BUCKETS,
    registry=REGISTRY,
)
llm_completion_tokens = BatchHistogram(
    "spangate_llm_completion_tokens",
    "Output tokens of a call, where it says so.",
    _LLM,
    buckets=_TOKEN_BUCKETS,
    registry=REGISTRY,
)
sampling_traces = Counter(
    "spangate_sampling_traces_total",
    "Traces decided in stage 2, by the policy that decided; the policy evicted or stopping says "
    "that a processor had to keep what it could not judge yet.",
    ("pipeline", "decision", "policy"),
    registry=REGISTRY,
)
sampling_dropped_spans = Counter(
    "spangate_sampling_dropped_spans_total",
    "Spans dropped with their traces, late ones too, by the policy that decided.",
    ("pipeline", "policy"),
    registry=REGISTRY,
)
sampling_late_spans = Counter(
    "spangate_sampling_late_spans_total",
    "Spans that came after their trace was decided, and followed the decision; a high share says "
    "that decision_wait is too short.",
    ("pipeline", "decision"),
    registry=REGISTRY,
)
sampling_early_traces = Counter(
    "spangate_sampling_early_traces_total",
    "Traces decided before their time because too many were undecided; raise num_traces, or "
    "shorten decision_wait.",
    ("pipeline",),
    registry=REGISTRY,
)
sampling_open_traces = Gauge(
    "spangate_sampling_open_traces",
    "Traces that are undecided.",
    ("pipeline",),
    registry=REGISTRY,
)
sampling_decision_age = Histogram(
    "spangate_sampling_decision_age_seconds",
    "Age of a trace when it was decided, from its first span; far above decision_wait the gateway "
    "is too slow or the exporters' queues are full.",
    ("pipeline",),
    buckets=(0.1, 0.5, 1, 2, 5, 10, 15, 20, 30, 45, 60, 120, 300, 900),
    registry=REGISTRY,
)
exporter_sent_spans = Counter(
    "spangate_exporter_sent_spans_total",
    "Spans that the destination took.",
    ("exporter",),
    registry=REGISTRY,
)
exporter_send_failed_spans = Counter(
    "spangate_exporter_send_failed_spans_total",
    "Spans given up, each once; they are dead letters unless the reason says otherwise.",
    ("exporter", "reason"),
    registry=REGISTRY,
)
exporter_retries = Counter(
    "spangate_exporter_retries_total",
    "Requests to a destination that failed and are tried again.",
    ("exporter",),
    registry=REGISTRY,
)
exporter_parked = Gauge(
    "spangate_exporter_parked_destinations",
    "Destinations that hold their spans until a person mends something; see the status page.",
    ("exporter",),
    registry=REGISTRY,
)
queue_size_bytes = Gauge(
    "spangate_queue_size_bytes",
    "Bytes that wait for an exporter.",
    ("exporter",),
    registry=REGISTRY,
)
queue_limit_bytes = Gauge(
    "spangate_queue_limit_bytes",
    "Bytes that may wait for an exporter (sending_queue.max_size_mib); beyond, senders are told "
    "to come back.",
    ("exporter",),
    registry=REGISTRY,
)
queue_spans = Gauge(
    "spangate_queue_spans",
    "Spans that wait for an exporter.",
    ("exporter",),
    registry=REGISTRY,
)
queue_oldest_age = Gauge(
    "spangate_queue_oldest_age_seconds",
    "Age of the oldest span that waits; a steady rise means that the destination is too slow.",
    ("exporter",),
    registry=REGISTRY,
)
queue_damaged_records = Counter(
    "spangate_queue_damaged_records_total",
    "Records of the disk queue that could not be read back; any rise means that the disk or its "
    "file system lost or changed data.",
    registry=REGISTRY,
)
dead_letters = Counter(
    "spangate_dead_letters_total",
    "Spans kept as dead letters.",
    ("exporter", "reason"),
    registry=REGISTRY,
)
dead_letters_dropped = Counter(
    "spangate_dead_letters_dropped_total",
    "Dead letters that had to make room for younger ones (service.dead_letters.max_size_mib).",
    registry=REGISTRY,
)
workers = Gauge(
    "spangate_workers",
    "Worker processes that take requests; fewer than service.workers means that some fail.",
    registry=REGISTRY,
)
worker_restarts = Counter(
    "spangate_worker_restarts_total",
    "Workers that ended by themselves, or hung, and were replaced; the log says why.",
    registry=REGISTRY,
)
part_faults = Counter(
    "spangate_part_faults_total",
    "Unforeseen faults in what goes on beside the requests: measuring memory, the memory of the "
    "status page, asking MLflow about itself, looking up backends. It begins again; the log says "
    "why.",
    ("part",),
    registry=REGISTRY,
)
worker_passed_on = Counter(
    "spangate_worker_passed_on_requests_total",
    "Requests that a worker with more to do passed on to another: done there, refused there, or "
    "done by itself after all, since the other was stopping (declined), had ended (broken) or did "
    "not answer (late).",
    ("outcome",),
    registry=REGISTRY,
)
config_reloads = Counter(
    "spangate_config_reloads_total",
    "Reloads of the configuration: done, or refused, so that the old one runs; the log says why.",
    ("outcome",),
    registry=REGISTRY,
)
config_last_reload_successful = Gauge(
    "spangate_config_last_reload_successful",
    "1 while the configuration on disk was taken up when it was last read, else 0.",
    registry=REGISTRY,
)
# The library's own: CPU time, memory, open files and start of a process; Linux only.
process = ProcessCollector(namespace="spangate", registry=REGISTRY)
process_memory_used = Gauge(
    "spangate_process_memory_used_bytes",
    "Anonymous and shared memory of all the gateway's processes, as memory_limiter measures it.",
    registry=REGISTRY,
)
process_memory_soft_limit = Gauge(
    "spangate_process_memory_soft_limit_bytes",
    "Memory above which memory_limiter refuses requests.",
    registry=REGISTRY,
)
