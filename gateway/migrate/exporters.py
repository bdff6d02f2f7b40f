"""Exporters of the Collector."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from gateway.migrate.auth import Authenticators
from gateway.migrate.source import Report, Section, named, type_of

_MLFLOW_PORT = 5000
_MLFLOW_HEADERS = ("x-mlflow-", "x-databricks-uc-")
_MAX_LANES = 16
_LARGEST_BATCH = 2000
_ELSEWHERE = {
    "kafka": "a Collector that takes OTLP from here can write to Kafka",
    "prometheus": "figures of the gateway and of calls of models are at service.telemetry.metrics",
    "prometheusremotewrite": "figures are served at service.telemetry.metrics",
    "nop": "leave it out",
}


class Migrated:
    """The exporters that were found, and what their ids were."""

    def __init__(self) -> None:
        self.settings: dict[str, dict[str, Any]] = {}
        self.names: dict[str, str] = {}
        """Ids there to ids here."""
        self.to_mlflow: set[str] = set()
        """Ids here of those that send to MLflow."""


def migrate(given: Mapping[str, Any], authenticators: Authenticators, report: Report) -> Migrated:
    """Return the exporters; those that have no counterpart are noted."""
    found = Migrated()
    for exporter_id, settings in given.items():
        path = ("exporters", exporter_id)
        kind = type_of(exporter_id)
        make = _KINDS.get(kind)
        if make is None:
            where = _ELSEWHERE.get(kind, "send OTLP to a Collector that has it (otlp_grpc)")
            report.note(path, f"no counterpart: {where}")
            continue
        section = Section(settings, path, report)
        component_type, ours = make(section, authenticators)
        section.finish()
        new_id = named(component_type, exporter_id)
        found.settings[new_id] = ours
        found.names[exporter_id] = new_id
        if component_type == "mlflow":
            found.to_mlflow.add(new_id)
    return found


def _otlp_http(section: Section, authenticators: Authenticators) -> tuple[str, dict[str, Any]]:
    headers = dict(section.take("headers") or {})
    endpoint = section.take("endpoint") or ""
    traces = section.take("traces_endpoint")
    for signal in ("metrics", "logs", "profiles"):
        section.note(f"{signal}_endpoint", "only traces are sent")
    if traces:
        endpoint = str(traces).removesuffix("/v1/traces")
    is_mlflow = _is_mlflow(str(endpoint), headers)
    if is_mlflow:
        endpoint = str(endpoint).removesuffix("/").removesuffix("/api/2.0/otel")
    ours: dict[str, Any] = {"endpoint": endpoint}
    if is_mlflow:
        ours |= _routing(headers)
        if not {"experiment", "databricks"} & ours.keys():
            section.report.note(
                section.path, "no experiment is named: set experiment.default and experiment.rules"
            )
    ours |= {"headers": headers} if headers else {}
    _client(section, ours, authenticators, is_mlflow=is_mlflow)
    section.note("encoding", "requests are protobuf")
    return ("mlflow" if is_mlflow else "otlp_http"), ours


def _is_mlflow(endpoint: str, headers: Mapping[str, Any]) -> bool:
    if any(name.lower().startswith(_MLFLOW_HEADERS) for name in headers):
        return True
    return "mlflow" in endpoint.lower() or _port(endpoint) == _MLFLOW_PORT


def _port(endpoint: str) -> int | None:
    try:
        return urlsplit(endpoint).port
    except ValueError:
        return None


def _routing(headers: dict[str, Any]) -> dict[str, Any]:
    """Take the headers out by which MLflow is told where traces go."""
    found: dict[str, Any] = {}
    for name in list(headers):
        match name.lower():
            case "x-mlflow-experiment-id":
                found["experiment"] = {"default": headers.pop(name)}
            case "x-mlflow-run-id":
                found["run_id"] = headers.pop(name)
            case "x-mlflow-workspace":
                found["workspace"] = headers.pop(name)
            case "x-databricks-uc-table-name":
                found["databricks"] = {"table": headers.pop(name)}
            case "authorization" if str(headers[name]).startswith("Bearer "):
                found["auth"] = {"token": str(headers.pop(name)).removeprefix("Bearer ")}
    if "databricks" in found:
        found.pop("experiment", None)  # the table is linked to one
    return found


def _otlp_grpc(section: Section, authenticators: Authenticators) -> tuple[str, dict[str, Any]]:
    ours: dict[str, Any] = {}
    section.move(ours, "endpoint", "headers")
    _client(section, ours, authenticators, is_mlflow=False)
    if ours.get("tls", {}).pop("insecure_skip_verify", False):
        section.report.note(
            (*section.path, "tls", "insecure_skip_verify"),
            "gRPC cannot skip the check: set tls.ca_file, or tls.insecure for no TLS at all",
        )
    section.note("balancer_name", "requests go to every address of the name in turn")
    section.note("wait_for_ready", "spans wait in the queue until the backend is there")
    return "otlp_grpc", ours


def _client(
    section: Section, ours: dict[str, Any], authenticators: Authenticators, *, is_mlflow: bool
) -> None:
    """Take what clients of both protocols share."""
    section.move(ours, "timeout", "compression", proxy_url="proxy")
    if "tls" in section:
        tls = section.section("tls")
        ours["tls"] = {}
        tls.move(
            ours["tls"], "ca_file", "cert_file", "key_file", "server_name_override",
            "insecure_skip_verify", "insecure",
        )  # fmt: skip
        tls.take("reload_interval")  # renewed files are noticed without it
        tls.finish()
    given = authenticators.client(section.section("auth"), is_mlflow=is_mlflow)
    if "headers" in given:
        given["headers"] = {**ours.get("headers", {}), **given["headers"]}
    ours |= given
    shared(section, ours)
    section.note("keepalive", "connections are kept alive by themselves")
    for size in ("read_buffer_size", "write_buffer_size"):
        section.take(size)
    for limit in ("max_idle_conns", "max_idle_conns_per_host", "max_conns_per_host"):
        section.take(limit)
    section.note("idle_conn_timeout", "idle connections end before the server would end them")


def shared(section: Section, ours: dict[str, Any]) -> None:
    """Take what every exporter has: queue, batches, retries."""
    queue = section.section("sending_queue")
    lanes = queue.take("num_consumers")
    if lanes is not None:
        ours.setdefault("sending_queue", {})["num_lanes"] = max(1, min(int(lanes), _MAX_LANES))
    if "storage" in queue and queue.take("storage"):
        ours.setdefault("sending_queue", {})["storage"] = "disk"
    if queue.take("enabled") is False:
        queue.report.note(
            (*queue.path, "enabled"), "there is always a queue: a success answer means durable"
        )
    if queue.take("block_on_overflow"):
        ours.setdefault("sending_queue", {})["on_full"] = "reject"
    batches(queue.section("batch"), ours, "max_size", "min_size", "flush_timeout")
    queue.finish()
    retry = section.section("retry_on_failure")
    policy: dict[str, Any] = {}
    retry.move(
        policy, "enabled", "initial_interval", "multiplier", "max_interval", "max_elapsed_time"
    )
    retry.take("randomization_factor")
    retry.finish()
    if policy:
        ours["retry_on_failure"] = policy


def batches(section: Section, ours: dict[str, Any], largest: str, least: str, wait: str) -> None:
    """Take sizes of batches; those of a Collector are often too large for MLflow."""
    spans = section.take(largest) or section.take(least)
    section.take(least)
    timeout = section.take(wait)
    sizer = section.take("sizer")
    batch: dict[str, Any] = {}
    if spans and sizer in (None, "items"):
        if int(spans) <= _LARGEST_BATCH:
            batch["max_spans"] = int(spans)
        else:
            section.report.note(
                section.path, f"{spans} spans are too many for one request: the default is taken"
            )
    if timeout:
        batch["flush_timeout"] = timeout
    section.take("partition")
    section.finish()
    if batch:
        ours["batch"] = {**batch, **ours.get("batch", {})}


def _debug(section: Section, _: Authenticators) -> tuple[str, dict[str, Any]]:
    ours: dict[str, Any] = {}
    section.move(ours, "verbosity")
    level = section.take("loglevel")
    if level == "debug":
        ours["verbosity"] = "detailed"
    for key in ("sampling_initial", "sampling_thereafter", "use_internal_logger"):
        section.take(key)
    return "debug", ours


def _file(section: Section, _: Authenticators) -> tuple[str, dict[str, Any]]:
    ours: dict[str, Any] = {}
    section.move(ours, "path")
    rotation = section.section("rotation")
    rotation.move(ours, "max_backups", max_megabytes="max_size_mib")
    rotation.finish()
    if section.take("format") not in (None, "json"):
        section.report.note(section.path, "traces are written as OTLP JSON lines")
    return "file", ours


def _loadbalancing(section: Section, authenticators: Authenticators) -> tuple[str, dict[str, Any]]:
    ours: dict[str, Any] = {}
    section.move(ours, "resolver", "routing_key")
    otlp = section.section("protocol").section("otlp")
    protocol: dict[str, Any] = {}
    otlp.take("endpoint")
    otlp.move(protocol, "headers")
    _client(otlp, protocol, authenticators, is_mlflow=False)
    otlp.finish()
    for key in ("sending_queue", "retry_on_failure", "batch"):
        if key in protocol:
            ours[key] = protocol.pop(key)
    ours["protocol"] = {"otlp": protocol}
    shared(section, ours)
    return "loadbalancing", ours


_KINDS: dict[str, Callable[[Section, Authenticators], tuple[str, dict[str, Any]]]] = {
    "otlp": _otlp_grpc,
    "otlp_grpc": _otlp_grpc,
    "otlphttp": _otlp_http,
    "otlp_http": _otlp_http,
    "debug": _debug,
    "logging": _debug,
    "file": _file,
    "loadbalancing": _loadbalancing,
}
