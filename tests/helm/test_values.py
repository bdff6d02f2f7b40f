"""What the chart says to wrong values, and of the right ones."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.helm.chart import CHART, Values, helm_python, render


def nested(path: str, value: Any) -> Values:
    """Return values with one set."""
    *parents, last = path.split(".")
    values: Values = {}
    inner = values
    for key in parents:
        inner = inner.setdefault(key, {})
    inner[last] = value
    return values


AUTH = {"enabled": True}
TENANTS = {"enabled": True, "list": [{"name": "search"}]}

WRONG: list[tuple[str, Any, str, str]] = [
    # what is set, to what, and what the message names: the place and the mend
    ("replicas", 2, "replicas", "'replicaCount'"),
    ("replicaCount", "2", "/replicaCount", "want integer"),
    ("replicaCount", -1, "/replicaCount", "minimum"),
    ("image.tag", 1.2, "/image/tag", "want string"),
    ("image.repository", "spangate:1.2", "/image/repository", "match pattern"),
    ("image.pullPolicy", "Sometimes", "/image/pullPolicy", "'IfNotPresent'"),
    ("image.digest", "1234", "/image/digest", "sha256:"),
    ("service.type", "Cluster", "/service/type", "'ClusterIP'"),
    ("service.port", 4317, "/service", "'ports'"),
    ("service.ports.grpc", 99999, "/service/ports/grpc", "65,535"),
    ("persistence.size", "ten", "/persistence/size", "Gi"),
    ("persistence.size", "1Gi", "persistence.size (1Gi)", "raise it"),
    ("persistence.enabled", "yes", "/persistence/enabled", "want boolean"),
    ("persistence.retention.whenScaled", "Keep", "/persistence/retention/whenScaled", "'Retain'"),
    ("podAnnotations.a", 1, "/podAnnotations/a", "want string"),
    ("extraEnv", [{"name": "A", "value": 1}], "/extraEnv/0/value", "want string"),
    ("extraEnv", [{"key": "A"}], "/extraEnv/0", "'name'"),
    ("extraEnv", {"A": "1"}, "/extraEnv", "want array"),
    ("autoscaling.enable", True, "/autoscaling", "'enabled'"),
    ("autoscaling", {"enabled": True, "minReplicas": 20}, "autoscaling.minReplicas", "maxReplicas"),
    ("keda.serverAddress", "prometheus:9090", "/keda/serverAddress", "https?://"),
    ("mlflow.trackingUri", "mlflow:5000", "/mlflow/trackingUri", "https?://"),
    ("mlflow.auth", AUTH, "mlflow.auth.enabled", "mlflow.auth.existingSecret"),
    ("mlflow.auth.type", "bearer", "/mlflow/auth/type", "'token'"),
    ("tenants.enabled", True, "tenants.enabled", "tenants.list"),
    ("tenants", TENANTS, "tenants.list[0] (search)", "tenants.existingSecret"),
    ("tenants.list", [{"name": "a", "token": "b"}], "/tenants/list/0", "'tokens'"),
    (
        "loadBalancing",
        {"enabled": True, "processors": ["redact"]},
        "loadBalancing.processors[0] (redact)",
        "define it there",
    ),
    ("loadBalancing.replicas", 2, "/loadBalancing", "'replicaCount'"),
    ("loadBalancing.config.extensions", {}, "/loadBalancing/config", "'exporters'"),
    ("plugins.enabled", True, "plugins.enabled", "plugins.files"),
    ("redaction.hmacKey.enabled", True, "redaction.hmacKey.enabled", "existingSecret"),
    ("status.auth.enabled", True, "status.auth.enabled", "status.auth.existingSecret"),
    ("status.auth.token", "x", "/status/auth", "'passwordKey'"),
    ("config.extensions", {}, "/config", "'service'"),
    ("config.service.shutdown_timeout", 25, "/config/service/shutdown_timeout", "want string"),
    ("config.service.shutdown_timeout", "25", "/config/service/shutdown_timeout", "ms|s|m|h"),
    ("config.service.shutdown_timeout", "${env:T}", "shutdown_timeout", "terminationGracePeriod"),
    ("config.service.pipelines.logs", {}, "logs", "^traces"),
    ("config.service.data_dir", "data", "/config/service/data_dir", "^/"),
    (
        "config.receivers.otlp.protocols.http.endpoint",
        "127.0.0.1:4318",
        "config.receivers.otlp.protocols.http.endpoint",
        '"0.0.0.0:4318"',
    ),
    (
        "config.service.telemetry.status.endpoint",
        "localhost:13133",
        "config.service.telemetry.status.endpoint",
        '"0.0.0.0:13133"',
    ),
    ("config.service.telemetry.status.port", 1, "/config/service/telemetry/status", "'endpoint'"),
    ("ingress.hosts", [], "/ingress/hosts", "minItems"),
    ("ingress.hosts", [{"host": "a"}], "/ingress/hosts/0", "'paths'"),
    ("updateStrategy.type", "Rolling", "/updateStrategy/type", "'RollingUpdate'"),
    ("podDisruptionBudget.minAvailable", "half", "/podDisruptionBudget/minAvailable", "[0-9]+%"),
    ("resources.limit", {}, "/resources", "'limits'"),
    ("fullnameOverride", "Gate_way", "/fullnameOverride", "a-z"),
    ("terminationGracePeriodSeconds", "35s", "/terminationGracePeriodSeconds", "integer"),
    ("config.exporters.mlfow", {}, "config.exporters.mlfow", "write one of debug, file"),
    ("config.exporters.mlflow.experimet", {}, "/config/exporters/mlflow", "'experiment'"),
    (
        "config.exporters.mlflow.sending_queue.max_size_mib",
        "2Gi",
        "/config/exporters/mlflow/sending_queue/max_size_mib",
        "want integer",
    ),
    (
        "config.exporters.mlflow.retry_on_failure.max_elapsed_time",
        300,
        "/config/exporters/mlflow/retry_on_failure/max_elapsed_time",
        "want string",
    ),
    ("config.processors.redaction", "on", "/config/processors/redaction", "want null or object"),
    (
        "config.processors.tail_sampling",
        {"policies": [{"name": "a", "type": "latency", "latency": {"threshold": "5s"}}]},
        "/config/processors/tail_sampling/policies/0/latency",
        "'threshold_ms'",
    ),
    (
        "config.service.pipelines.traces.exporters",
        ["tempo"],
        "config.service.pipelines.traces.exporters[0] (tempo)",
        "name one of mlflow",
    ),
    (
        "config.receivers.otlp.protocols.grpc.max_size",
        1,
        "/config/receivers/otlp/protocols/grpc",
        "'max_recv_msg_size_mib'",
    ),
    (
        "tenants",
        {**TENANTS, "existingSecret": "t", "list": [{"name": "a"}, {"name": "a"}]},
        "tenants.list[1] (a)",
        "a name of its own",
    ),
    ("tenants.list", [{"name": "a", "quota": {"rps": 1}}], "/tenants/list/0/quota", "'burst'"),
    ("resources.limits.memory", "512MB", "/resources/limits/memory", "Mi|G|Gi"),
    ("readinessProbe.enabled", False, "/readinessProbe", "'httpGet'"),
    ("podSecurityContext.runAsUser", "root", "/podSecurityContext/runAsUser", "integer"),
    ("securityContext.capabilities.drop", "ALL", "/securityContext/capabilities/drop", "array"),
    ("ingress.tls", [{"secret": "a"}], "/ingress/tls/0", "'secretName'"),
    ("networkPolicy.allowFrom", [{"pods": {}}], "/networkPolicy/allowFrom/0", "'podSelector'"),
    ("prometheusRule.disabled", ["Down"], "/prometheusRule/disabled/0", "'SpangateDown'"),
    ("networkPolicy.extraEgress", [{"port": 1}], "/networkPolicy/extraEgress/0", "'ports'"),
    ("updateStrategy.type", "Recreate", "updateStrategy.type (Recreate)", "write RollingUpdate"),
    (
        "service.ports",
        {"grpc": 4317, "http": 4317},
        "service.ports.grpc and service.ports.http",
        "a port of its own",
    ),
    (
        "podLabels",
        {"app.kubernetes.io/name": "a"},
        "podLabels (app.kubernetes.io/name)",
        "leave it out",
    ),
    (
        "config.receivers.otlp.protocols.grpc.endpoint",
        4317,
        "config.receivers.otlp.protocols.grpc.endpoint",
        '"0.0.0.0:4317"',
    ),
    (
        "config.service.telemetry.metrics.endpoint",
        "0.0.0.0:99999",
        "config.service.telemetry.metrics.endpoint",
        '"0.0.0.0:8888"',
    ),
    (
        "config.exporters.mlflow.endpoint",
        "mlflow:5000",
        "config.exporters.mlflow.endpoint",
        "http://backend:4318",
    ),
    (
        "extraEnv",
        [{"name": "A", "valueFrom": {"s": {}}}],
        "/extraEnv/0/valueFrom",
        "'secretKeyRef'",
    ),
]


@pytest.mark.parametrize(("path", "value", "place", "mend"), WRONG, ids=lambda one: str(one)[:40])
def test_a_wrong_value_is_refused(path: str, value: Any, place: str, mend: str) -> None:
    """The message names the key and what to write instead."""
    with pytest.raises(helm_python.HelmError) as caught:
        render(nested(path, value))

    assert place in str(caught.value)
    assert mend in str(caught.value)


def test_types_of_packages_are_taken() -> None:
    """What an image of one's own, or a volume with packages, brings is not known to the chart."""
    values = nested("config.exporters.acme", {"key": "value"})
    packages = {"enabled": True, "packages": {"emptyDir": {}}}

    assert render({**values, "plugins": packages})
    assert render({**values, "image": {"repository": "registry.example/spangate-acme"}})


def test_two_autoscalers_contradict_each_other() -> None:
    """Only one may set the number of pods."""
    with pytest.raises(helm_python.HelmError, match=r"autoscaling\.enabled and keda\.enabled"):
        render({"autoscaling": {"enabled": True}, "keda": {"enabled": True}})


def test_a_deployment_is_not_replaced_by_hand() -> None:
    """``OnDelete`` is of a StatefulSet; Kubernetes would refuse it for a Deployment."""
    values = {"persistence": {"enabled": False}, "updateStrategy": {"type": "OnDelete"}}

    with pytest.raises(helm_python.HelmError, match=r"updateStrategy\.type \(OnDelete\)"):
        render(values)


def test_a_pipeline_needs_no_processors() -> None:
    """Nor their key: it passes everything through, as the gateway has it."""
    pipeline = {"receivers": ["otlp"], "exporters": ["mlflow"]}

    assert render(nested("config.service.pipelines", {"traces/raw": pipeline}))


def test_a_volume_holds_the_traces_that_are_gathered_too() -> None:
    """``tail_sampling`` adds a queue as large as the largest behind it."""
    values = nested("config.exporters.mlflow.sending_queue.max_size_mib", 6000)
    policies = [{"name": "some", "type": "probabilistic"}]
    values["config"]["processors"] = {"tail_sampling": {"policies": policies}}
    pipeline = {"processors": ["redaction", "tail_sampling"]}
    sampled = values["config"] | {"service": {"pipelines": {"traces": pipeline}}}

    assert render(values)
    with pytest.raises(helm_python.HelmError, match=r"\(10Gi\) is too small .* 12000 MiB"):
        render({"config": sampled})


def test_a_route_leads_to_a_protocol_that_is_served() -> None:
    """A route without its protocol would lead to a port that the Service has not."""
    protocols = nested("config.receivers.otlp.protocols.http", None)

    with pytest.raises(helm_python.HelmError, match=r"httpRoute\.enabled needs config\.receivers"):
        render({**protocols, "httpRoute": {"enabled": True}})


def test_every_object_of_the_schema_is_closed() -> None:
    """Where keys are listed, others are refused; what is described has a description."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    undescribed = []

    def walk(part: dict[str, Any], path: tuple[str, ...]) -> None:
        for key, inner in part.get("properties", {}).items():
            if "description" in inner:
                continue
            if "properties" not in inner:
                undescribed.append((*path, key))
                continue
            assert inner.get("additionalProperties") is False, (*path, key)
            walk(inner, (*path, key))

    walk(schema, ())

    assert schema["additionalProperties"] is False
    assert [] == undescribed


def test_a_parent_chart_may_set_its_switches() -> None:
    """Charts that depend on this one pass global values and their condition."""
    assert render({"global": {"any": "thing"}, "enabled": True})


@pytest.mark.parametrize("script", ["document.py", "dashboard.py"])
def test_what_is_written_is_in_step(script: str) -> None:
    """README.md and schema say what values.yaml says, the dashboard what dashboard.yaml says."""
    done = subprocess.run(
        [sys.executable, str(CHART / script), "--check"],
        check=False,
        capture_output=True,
        text=True,
    )

    assert (0, "") == (done.returncode, done.stderr)


def test_notes_warn_of_what_is_given_up() -> None:
    """Without volumes the notes say what is lost, and when."""
    assert (
        "persistence.enabled is false" in render({"persistence": {"enabled": False}})["NOTES.txt"]
    )
    assert "WARNING" not in render()["NOTES.txt"]


def test_notes_hold_what_senders_need() -> None:
    """The variables of every OpenTelemetry SDK, ready to paste."""
    notes = render({"service": {"ports": {"grpc": 14317}}})["NOTES.txt"]

    assert "value: http://demo-spangate.llm.svc:14317" in notes
    assert "value: http://demo-spangate.llm.svc:4318" in notes
    assert "OTEL_EXPORTER_OTLP_PROTOCOL" in notes


def test_notes_warn_of_too_little_time_to_drain() -> None:
    """A grace period of one's own may be shorter than what the gateway is told to use."""
    assert "less than the 30 seconds" in render({"terminationGracePeriodSeconds": 20})["NOTES.txt"]


def test_notes_say_where_tls_is() -> None:
    """Senders get an address that works, and the tiers the name that a certificate needs."""
    tls = {"tls": {"cert_file": "/tls.crt", "key_file": "/tls.key"}}
    notes = render(
        {
            "config": {"receivers": {"otlp": {"protocols": {"http": tls}}}},
            "loadBalancing": {"enabled": True, "tls": {"enabled": True, "existingSecret": "t"}},
        }
    )["NOTES.txt"]

    assert "value: http://demo-spangate.llm.svc:4317" in notes
    assert "value: https://demo-spangate.llm.svc:4318" in notes
    assert "Secret t must be for demo-spangate-headless.llm.svc." in notes


def test_notes_warn_of_replicas_that_disagree() -> None:
    """Pseudonyms need a common key, tail sampling whole traces."""
    values: Values = {
        "replicaCount": 2,
        "config": {
            "processors": {"redaction": {}, "tail_sampling": {}},
            "service": {"pipelines": {"traces": {"processors": ["redaction", "tail_sampling"]}}},
        },
    }
    notes = render(values)["NOTES.txt"]

    assert "redaction.hmacKey.enabled" in notes
    assert "Set loadBalancing.enabled" in notes
    assert (
        "Set loadBalancing.enabled"
        not in render({**values, "loadBalancing": {"enabled": True}})["NOTES.txt"]
    )


TIERS: Values = {"loadBalancing": {"enabled": True}}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tenants": {**TENANTS, "existingSecret": "t"}}, r"needs loadBalancing\.token\.existing"),
        (
            nested("config.receivers.otlp.auth.tenants", [{"name": "a"}]),
            r"move its .* tenants\.list",
        ),
        (nested("config.receivers.mine", {"use": "a:B"}), r"cannot run config\.receivers\.mine"),
        (
            {
                **nested("config.processors.tail_sampling", {"policies": []}),
                "loadBalancing": {"enabled": True, "processors": ["tail_sampling"]},
            },
            r"loadBalancing\.processors\[0\] \(tail_sampling\) needs whole traces",
        ),
        (
            {
                "loadBalancing": {
                    "enabled": True,
                    "config": nested("exporters.loadbalancing.sending_queue.max_size_mib", 20000),
                }
            },
            r"persistence\.size \(10Gi\) is too small for queues of 20000 MiB",
        ),
        (
            nested("loadBalancing", {"enabled": True, "tls": AUTH}),
            r"needs loadBalancing\.tls\.existingSecret",
        ),
        (
            nested(
                "loadBalancing",
                {"enabled": True, "tls": {**AUTH, "existingSecret": "t", "mutual": AUTH}},
            ),
            r"needs loadBalancing\.tls\.mutual\.existingSecret",
        ),
        (
            nested("loadBalancing", {"enabled": True, "tls": {"mutual": AUTH}}),
            r"needs loadBalancing\.tls\.enabled",
        ),
    ],
    ids=["token", "tenants", "receiver", "sampling", "queue", "tls", "mutual", "plain"],
)
def test_two_tiers_are_held_to_what_they_can(values: Values, message: str) -> None:
    """What would not reach the second tier, or makes no sense in the first, is refused."""
    with pytest.raises(helm_python.HelmError, match=message):
        render({**TIERS, **values})
