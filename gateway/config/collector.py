"""What users of the OpenTelemetry Collector look for, and where it is here."""

from gateway.config.problems import KeyPath

_NO_EXTENSIONS = (
    "there are no extensions: health_check is service.telemetry.status, file_storage is "
    "sending_queue: {storage: disk}, authenticators are auth of a receiver or an exporter"
)
_RATE = "half of each wait is random; set initial_interval, multiplier and max_interval"
_SIZES = "the queue is bounded in bytes: max_size_mib"
_BATCH = "batching is each exporter's own: exporters.<id>.batch {max_spans, flush_timeout}"
_NO_OTTL = (
    "there is no OTTL: write statements: [{when: CONDITION, set: {key: value}}]; spangate migrate "
    "rewrites those of a Collector"
)
_ONLY_TRACES = "only traces are taken; remove it"
_TLS_TEXT = "name a file, or use ${file:PATH}"

_KEYS: dict[tuple[str, str], str] = {
    ("", "extensions"): _NO_EXTENSIONS,
    ("", "connectors"): (
        "there are no connectors: list several exporters in a pipeline; figures of LLM calls are "
        "served at service.telemetry.metrics"
    ),
    ("service", "extensions"): _NO_EXTENSIONS,
    ("telemetry", "traces"): (
        "the gateway does not trace itself; see service.telemetry.metrics and .logs"
    ),
    ("telemetry", "resource"): "the gateway's own telemetry has no resource attributes",
    ("metrics", "level"): "every metric is always served; only endpoint can be set",
    ("metrics", "address"): "write endpoint: host:port",
    ("metrics", "readers"): "metrics are served for Prometheus; write endpoint: host:port",
    ("metrics", "views"): "every metric is always served; only endpoint can be set",
    ("logs", "encoding"): "write format: console or format: json",
    ("logs", "processors"): "logs go to standard error; write format: json and collect them there",
    ("logs", "output_paths"): "logs go to standard error",
    ("sending_queue", "queue_size"): _SIZES,
    ("sending_queue", "sizer"): _SIZES,
    ("sending_queue", "num_consumers"): "write num_lanes: how many requests may be in flight",
    ("sending_queue", "block_on_overflow"): "write on_full: reject or on_full: drop_oldest",
    ("sending_queue", "wait_for_result"): "a success answer means that the spans are queued",
    ("sending_queue", "batch"): "batch stands beside sending_queue, not inside it",
    ("batch", "timeout"): "write flush_timeout",
    ("batch", "send_batch_size"): "write max_spans",
    ("batch", "send_batch_max_size"): "write max_spans",
    ("batch", "min_size"): "write max_spans and flush_timeout",
    ("batch", "max_size"): "write max_spans or max_size_mib",
    ("batch", "sizer"): "max_spans counts spans, max_size_mib bytes; the first limit reached sends",
    ("retry_on_failure", "randomization_factor"): _RATE,
    ("grpc", "max_recv_msg_size"): "write max_recv_msg_size_mib",
    (
        "tail_sampling",
        "num_shards",
    ): "lanes share the work: sending_queue.num_lanes of the exporters",
    (
        "tail_sampling",
        "block_on_overflow",
    ): "beyond num_traces the oldest is decided early, counted; "
    "senders are held back by sending_queue.max_size_mib of the exporters",
    ("transform", "trace_statements"): _NO_OTTL,
    ("transform", "metric_statements"): _ONLY_TRACES,
    ("transform", "log_statements"): _ONLY_TRACES,
    ("filter", "metrics"): _ONLY_TRACES,
    ("filter", "logs"): _ONLY_TRACES,
    ("resource", "actions"): "write attributes",
    ("probabilistic_sampler", "attribute_source"): "spans are chosen by trace id; remove it",
    ("probabilistic_sampler", "from_attribute"): "spans are chosen by trace id; remove it",
    ("probabilistic_sampler", "sampling_priority"): "the attribute sampling.priority always counts",
    ("redaction", "allow_all_keys"): "every key is kept; transform with keep deletes others",
    ("redaction", "allowed_keys"): "every key is kept; transform with keep deletes others",
    ("redaction", "ignored_keys"): "write keys: {allow: [...]}",
    ("redaction", "ignored_key_patterns"): "write keys: {allow: [...]}, with globs",
    ("redaction", "blocked_key_patterns"): "write keys: {block: [...]}, with globs",
    ("redaction", "blocked_values"): "write custom: [{name: ..., pattern: ...}]",
    ("redaction", "allowed_values"): "write allow_values",
    ("redaction", "hash_function"): "write operators: {default: {method: hmac}}",
    ("redaction", "summary"): "findings are counted in spangate_redactions_total",
    ("http", "max_request_body_size"): "write max_request_body_size_mib",
    ("http", "traces_url_path"): "write traces_url_paths: [/v1/traces]",
    ("http", "metrics_url_path"): "only traces are taken; see other_signals of the receiver",
    ("http", "logs_url_path"): "only traces are taken; see other_signals of the receiver",
    ("auth", "authenticator"): "credentials stand here: a receiver's auth.tenants, an exporter's "
    "auth {token} or {username, password}",
    ("tls", "ca_pem"): _TLS_TEXT,
    ("tls", "cert_pem"): _TLS_TEXT,
    ("tls", "key_pem"): _TLS_TEXT,
}
_ANYWHERE: dict[str, str] = {
    "include_metadata": "the routing headers are always kept",
    "middlewares": "limits are the receiver's own settings",
    "auth": "credentials of senders stand in receivers.otlp.auth",
}
_TYPES: dict[tuple[str, str], str] = {
    ("processors", "batch"): _BATCH,
    ("processors", "queuebatch"): _BATCH,
    ("processors", "groupbytrace"): "traces are kept together by the engine; remove it",
    ("processors", "gen_ai_normalizer"): "mlflow_mapping does this",
    ("processors", "tailsampling"): "write tail_sampling",
    ("exporters", "otlp"): "write otlp_grpc",
    ("exporters", "otlphttp"): "write otlp_http",
    ("exporters", "logging"): "write debug",
    ("receivers", "jaeger"): "only OTLP is received: send OTLP, or put a Collector in front",
    ("receivers", "zipkin"): "only OTLP is received: send OTLP, or put a Collector in front",
}


def advice(path: KeyPath) -> str:
    """Return what to do about an unknown key that the Collector has, or nothing."""
    names = [part for part in path if isinstance(part, str)]
    key = names[-1] if names else ""
    parent = names[-2].partition("/")[0] if len(names) > 1 else ""
    return _KEYS.get((parent, key)) or (_ANYWHERE.get(key, "") if len(names) > 1 else "")


def advice_on_type(kind: str, type_name: str) -> str:
    """Return what to use instead of a component type of the Collector, or nothing."""
    return _TYPES.get((kind, type_name), "")


def advice_on_value(path: KeyPath, text: str | None) -> str:
    """Return what to write instead of a value that the Collector takes, or nothing."""
    if path[-2:] == ("sending_queue", "storage") and (text or "").startswith("file_storage"):
        return "write storage: disk; files are kept under service.data_dir"
    return ""


def advice_on_pipeline(name: str) -> str:
    """Return what to do about a pipeline that is not for traces."""
    signal = name.partition("/")[0]
    if signal in ("metrics", "logs", "profiles"):
        return (
            f"only traces are taken: send {signal} to a Collector; other_signals of the "
            "receiver can discard them"
        )
    return "name it traces or traces/NAME"
