"""What the chart promises of the objects it creates."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.version import __version__
from tests.helm.chart import Manifest, Values, find, gateway_pod, manifests, pods, typical

kubernetes_validate = pytest.importorskip(
    "kubernetes_validate", reason="the schemas of Kubernetes are not installed"
)

TYPICAL = typical()
VERSIONS = ("1.30", "1.34", "1.37")
FOREIGN = {
    "cert-manager.io/v1",
    "gateway.networking.k8s.io/v1",
    "keda.sh/v1alpha1",
    "monitoring.coreos.com/v1",
}
"""Groups whose schemas come with their operators."""

ALL: Values = {
    "bundledMlflow": {"enabled": True, "persistence": {"enabled": True}},
    "tenants": {"enabled": True, "existingSecret": "tenants", "list": [{"name": "search"}]},
}


def containers() -> Iterator[tuple[str, Manifest, Manifest]]:
    for name, values in {**TYPICAL, "all": ALL}.items():
        for pod, spec in pods(values).items():
            for one in spec["containers"]:
                if one["name"] in {"gateway", "mlflow", "test"}:
                    yield f"{name} {pod}", spec, one


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", TYPICAL.values(), ids=TYPICAL)
def test_kubernetes_takes_every_object(values: Values, version: str) -> None:
    """Each object fits the strict schema of each supported version."""
    for one in manifests(values):
        if one["apiVersion"] not in FOREIGN:
            kubernetes_validate.validate(one, version, strict=True)


def test_every_container_is_hardened_alike() -> None:
    """The gateway, the bundled MLflow and the test: no root, no writing, no privileges."""
    for name, pod, container in containers():
        assert {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        } == container["securityContext"], name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["automountServiceAccountToken"] is False, name
        assert "memory" in container["resources"]["limits"], name


def test_a_volume_belongs_to_the_group_of_the_gateway() -> None:
    """The user of the image may write to a fresh volume without a chown."""
    assert 10001 == gateway_pod()["spec"]["securityContext"]["fsGroup"]


def test_every_option_is_off() -> None:
    """Defaults create a StatefulSet, its Services, account and configuration, and the test."""
    kinds = sorted(one["kind"] for one in manifests())

    assert ["ConfigMap", "Pod", "Service", "Service", "ServiceAccount", "StatefulSet"] == kinds


@pytest.mark.parametrize("values", TYPICAL.values(), ids=TYPICAL)
def test_names_lead_somewhere(values: Values) -> None:
    """Ports of Services are ports of pods, mounts have volumes, selectors have pods."""
    found = manifests(values)
    for pod in pods(values).values():
        claims = {"data"} if "data" not in {each["name"] for each in pod["volumes"]} else set()
        volumes = {each["name"] for each in pod["volumes"]} | claims
        for one in pod["containers"]:
            assert volumes >= {mount["name"] for mount in one.get("volumeMounts", [])}
    ports = {
        port["name"] for pod in pods(values).values() for one in pod["containers"]
        for port in one.get("ports", [])
    }  # fmt: skip
    for service in (one for one in found if one["kind"] == "Service"):
        assert ports >= {port["targetPort"] for port in service["spec"]["ports"]}
        assert any(
            service["spec"]["selector"].items() <= labels.items() for labels in _labels(found)
        )


def _labels(found: list[Manifest]) -> list[dict[str, str]]:
    return [
        one["spec"]["template"]["metadata"]["labels"] for one in found
        if "template" in one.get("spec", {})
    ]  # fmt: skip


def test_a_change_of_the_configuration_rolls_out() -> None:
    """The annotation changes with the configuration, whichever value it comes from, only then."""
    values: list[Values] = [
        {},
        {"config": {"service": {"telemetry": {"logs": {"level": "debug"}}}}},
        {"mlflow": {"auth": {"enabled": True, "existingSecret": "mlflow"}}},
        ALL,
    ]
    sums = [gateway_pod(one)["metadata"]["annotations"]["checksum/config"] for one in values]

    assert len(values) == len(set(sums))
    assert sums[0] == gateway_pod({"replicaCount": 3})["metadata"]["annotations"]["checksum/config"]


def test_a_change_of_a_plugin_rolls_out() -> None:
    """The annotation changes with the source of a plugin."""
    sums = {
        gateway_pod({"plugins": {"enabled": True, "files": {"a.py": source}}})["metadata"][
            "annotations"
        ]["checksum/plugins"]
        for source in ("A = 1\n", "A = 2\n")
    }

    assert 2 == len(sums)


@pytest.mark.parametrize(
    ("timeout", "grace"),
    [("25s", 35), ("1m30s", 100), ("500ms", 11), ("1h", 3610), ("0.5m", 40), (0, 10)],
)
def test_a_pod_has_time_to_drain(timeout: str | int, grace: int) -> None:
    """The time to stop is the gateway's own, with the wait before and a margin after."""
    values = {"config": {"service": {"shutdown_timeout": timeout}}}

    assert grace == gateway_pod(values)["spec"]["terminationGracePeriodSeconds"]


def test_the_grace_period_can_be_set() -> None:
    """A number given wins over the computed one."""
    values = {"terminationGracePeriodSeconds": 7}

    assert 7 == gateway_pod(values)["spec"]["terminationGracePeriodSeconds"]


def test_probes_ask_the_status_endpoint() -> None:
    """Live and ready are asked on 13133."""
    container = gateway_pod()["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}

    assert "/live" == container["livenessProbe"]["httpGet"]["path"]
    assert "/ready" == container["readinessProbe"]["httpGet"]["path"]
    assert 13133 == ports[container["readinessProbe"]["httpGet"]["port"]]


def test_ports_follow_the_configuration() -> None:
    """Who moves an endpoint moves the port of the container; the Service keeps its own."""
    protocols = {"grpc": {"endpoint": "0.0.0.0:14317"}}
    values = {"config": {"receivers": {"otlp": {"protocols": protocols}}}}
    ports = {
        port["name"]: port["containerPort"]
        for port in gateway_pod(values)["spec"]["containers"][0]["ports"]
    }

    assert 14317 == ports["otlp-grpc"]
    assert 4317 == find("Service", values)["spec"]["ports"][0]["port"]


@pytest.mark.parametrize("option", ["autoscaling", "keda"])
def test_the_autoscaler_owns_the_number_of_pods(option: str) -> None:
    """No number stands in the StatefulSet, which each upgrade would set back."""
    values = {option: {"enabled": True}}

    assert "replicas" not in find("StatefulSet", values)["spec"]
    assert 1 == find("StatefulSet")["spec"]["replicas"]


def test_without_persistence_it_is_a_deployment() -> None:
    """Scratch space takes the place of the volume."""
    values = {"persistence": {"enabled": False}}
    volumes = {each["name"]: each for each in gateway_pod(values)["spec"]["volumes"]}

    assert "10Gi" == volumes["data"]["emptyDir"]["sizeLimit"]
    assert 1 == find("Deployment", values)["spec"]["replicas"]


def test_scaling_down_keeps_what_was_not_sent() -> None:
    """Volumes stay, of removed pods and of a removed release."""
    policy = find("StatefulSet")["spec"]["persistentVolumeClaimRetentionPolicy"]

    assert {"whenDeleted": "Retain", "whenScaled": "Retain"} == policy


def test_mlflow_answers_to_its_names() -> None:
    """The bundled MLflow takes the address that the gateway uses, and fetches no prices."""
    values = {"bundledMlflow": {"enabled": True}}
    container = pods(values)["demo-spangate-mlflow"]["containers"][0]
    hosts = next(one for one in container["args"] if "allowed-hosts" in one)
    env = {one["name"]: one["value"] for one in container["env"]}
    gateway = {
        one["name"]: one.get("value") for one in gateway_pod(values)["spec"]["containers"][0]["env"]
    }

    assert "http://demo-spangate-mlflow:5000" == gateway["MLFLOW_TRACKING_URI"]
    assert {"demo-spangate-mlflow:*", "demo-spangate-mlflow.llm.svc.cluster.local:*"} <= set(
        hosts.removeprefix("--allowed-hosts=").split(",")
    )
    assert not env["MLFLOW_MODEL_CATALOG_URI"]


def test_queue_age_scales_only_while_sends_succeed() -> None:
    """KEDA does not add gateways because MLflow is away."""
    triggers = find("ScaledObject", {"keda": {"enabled": True}})["spec"]["triggers"]
    query = next(one for one in triggers if one.get("name") == "queue-age")["metadata"]["query"]

    assert "and on() (sum(rate(spangate_exporter_sent_spans_total{" in query
    assert "unless on() (sum(rate(spangate_exporter_retries_total{" in query


def test_there_is_no_test_where_it_could_not_pass() -> None:
    """Without MLflow, or with TLS on each protocol, `helm test` has nothing to run."""
    tls = {"tls": {"cert_file": "/tls.crt", "key_file": "/tls.key"}}
    debug: Values = {
        "exporters": {"mlflow": None, "debug": {}},
        "service": {"pipelines": {"traces": {"exporters": ["debug"]}}},
    }

    assert "demo-spangate-test" in pods()
    assert "demo-spangate-test" not in pods({"config": debug})
    assert "demo-spangate-test" not in pods(
        {"config": {"receivers": {"otlp": {"protocols": {"grpc": tls, "http": tls}}}}}
    )


def test_memory_can_be_scaled_on_too() -> None:
    """A target for it is added to that for the CPU."""
    values = {"autoscaling": {"enabled": True, "targetMemoryUtilizationPercentage": 80}}
    metrics = find("HorizontalPodAutoscaler", values)["spec"]["metrics"]

    assert ["cpu", "memory"] == [one["resource"]["name"] for one in metrics]
    assert 80 == metrics[1]["resource"]["target"]["averageUtilization"]


def test_a_plugin_may_have_the_token_of_its_account() -> None:
    """Only gateways get it, and only where that is said."""
    values = {**ALL, "serviceAccount": {"automount": True}}

    assert find("ServiceAccount", values)["automountServiceAccountToken"]
    assert {"demo-spangate"} == {
        name for name, pod in pods(values).items() if pod["automountServiceAccountToken"]
    }


def test_extra_environment_comes_last() -> None:
    """Of two variables of one name the user's counts."""
    values = {"extraEnv": [{"name": "MLFLOW_TRACKING_URI", "value": "http://other:5000"}]}
    env = gateway_pod(values)["spec"]["containers"][0]["env"]

    assert {"name": "MLFLOW_TRACKING_URI", "value": "http://other:5000"} == env[-1]


def test_annotations_and_labels_reach_the_pod() -> None:
    """PodAnnotations and podLabels are added to ours."""
    pod = gateway_pod({"podAnnotations": {"a": "1"}, "podLabels": {"b": "2"}})

    assert "1" == pod["metadata"]["annotations"]["a"]
    assert "2" == pod["metadata"]["labels"]["b"]
    assert "checksum/config" in pod["metadata"]["annotations"]


def test_the_image_is_that_of_the_chart() -> None:
    """The tag is the chart's version of the gateway, unless tag or digest is given."""

    def image(**values: str) -> Any:
        return gateway_pod({"image": values})["spec"]["containers"][0]["image"]

    assert f"ghcr.io/spangate/spangate:{__version__}" == image()
    assert "ghcr.io/spangate/spangate:9" == image(tag="9")
    digest = "sha256:" + "0" * 64
    assert f"ghcr.io/spangate/spangate@{digest}" == image(digest=digest, tag="9")


def test_the_dashboard_is_whole() -> None:
    """Grafana's sidecar gets the JSON of the repository."""
    values = {"dashboard": {"enabled": True}}
    data = find("ConfigMap", values, "demo-spangate-dashboard")["data"]

    assert "Spangate" == json.loads(data["spangate.json"])["title"]
