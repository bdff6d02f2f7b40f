"""What ``loadBalancing`` promises: two tiers that find each other, and nobody else's way in."""

from pathlib import Path

import pytest
import yaml

from exporters.loadbalancing import LoadBalancingConfig
from tests.helm.chart import NAMESPACE, Values, find, gateway_pod, typical
from tests.helm.test_config import loaded

VALUES = typical()["load-balancing"]
FRONT = "demo-spangate-front"


def test_the_gateway_takes_both_configurations(tmp_path: Path) -> None:
    """The first tier redacts and spreads, the second decides and sends to MLflow."""
    front, back = loaded(VALUES, tmp_path, "front"), loaded(VALUES, tmp_path)
    first, second = (one.service.pipelines["traces"] for one in (front, back))

    assert ["memory_limiter", "redaction", "resource/tenant"] == first.processors
    assert ["memory_limiter", "mlflow_mapping", "cost", "tail_sampling"] == second.processors
    assert isinstance(front.exporters["loadbalancing"].config, LoadBalancingConfig)
    assert {"mlflow"} == set(back.exporters)
    assert [] == front.warnings + back.warnings


@pytest.mark.parametrize(
    "protocols",
    [{}, {"grpc": None}, {"grpc": {"endpoint": "0.0.0.0:14317"}}, {"http": None}],
    ids=["both", "http", "port", "grpc"],
)
def test_the_first_tier_finds_the_second(protocols: Values, tmp_path: Path) -> None:
    """What it looks up is the headless Service of the second tier, at a port that this opens."""
    values = {**VALUES, "config": {"receivers": {"otlp": {"protocols": protocols}}}}
    config = loaded(values, tmp_path, "front").exporters["loadbalancing"].config
    assert isinstance(config, LoadBalancingConfig)
    assert config.resolver.dns is not None
    name, namespace, kind = config.resolver.dns.hostname.split(".")
    service = find("Service", values, name)["spec"]
    template = gateway_pod(values)

    assert (NAMESPACE, "svc", "None") == (namespace, kind, service["clusterIP"])
    assert service["selector"].items() <= template["metadata"]["labels"].items()
    assert config.resolver.dns.port in {
        port["containerPort"] for port in template["spec"]["containers"][0]["ports"]
    }
    assert {"grpc"} == set(_receiver(values)["protocols"])


def test_senders_reach_the_first_tier() -> None:
    """The Service of the notes leads to it alone, and only it is let in to the second tier."""
    labels = gateway_pod(VALUES, "front")["metadata"]["labels"]
    selector = find("Service", VALUES)["spec"]["selector"]
    policy = find("NetworkPolicy", VALUES)["spec"]

    assert selector.items() <= labels.items()
    assert not selector.items() <= gateway_pod(VALUES)["metadata"]["labels"].items()
    assert [{"podSelector": {"matchLabels": selector}}] == policy["ingress"][0]["from"]


def test_the_first_tier_scales_and_the_second_stays() -> None:
    """Each change of the second tier moves traces, so no autoscaler touches it."""
    target = find("HorizontalPodAutoscaler", VALUES)["spec"]["scaleTargetRef"]

    assert FRONT == target["name"]
    assert "replicas" not in find("StatefulSet", VALUES, FRONT)["spec"]
    assert 3 == find("StatefulSet", VALUES)["spec"]["replicas"]


def test_queue_age_scales_by_the_first_tier_alone() -> None:
    """Traces wait in the second tier on purpose."""
    values = {**VALUES, "autoscaling": {"enabled": False}, "keda": {"enabled": True}}
    triggers = find("ScaledObject", values)["spec"]["triggers"]

    assert all(
        f'pod=~"{FRONT}-.*"' in one["metadata"]["query"]
        for one in triggers if "query" in one["metadata"]
    )  # fmt: skip


def test_credentials_go_only_where_they_are_needed() -> None:
    """The first tier knows no credentials of MLflow, the second no tenant's."""
    values = {**VALUES, "mlflow": {"auth": {"enabled": True, "existingSecret": "mlflow"}}}
    front, back = (
        {one["name"] for one in gateway_pod(values, tier)["spec"]["containers"][0]["env"]}
        for tier in ("front", "gateway")
    )
    volumes = {one["name"] for one in gateway_pod(values)["spec"]["volumes"]}

    assert {"SPANGATE_HMAC_KEY"} == front - back
    assert {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"} == back - front
    assert "tenants" not in volumes


def test_the_tiers_show_certificates(tmp_path: Path) -> None:
    """The first asks for the name of the second's Service; the second for a certificate."""
    front, back = loaded(VALUES, tmp_path, "front"), loaded(VALUES, tmp_path)
    asked = front.exporters["loadbalancing"].config
    grpc = _receiver(VALUES)["protocols"]["grpc"]
    assert isinstance(asked, LoadBalancingConfig)
    assert asked.resolver.dns is not None

    assert asked.resolver.dns.hostname == asked.protocol.otlp.tls.server_name_override
    assert {"cert_file", "key_file", "client_ca_file"} == set(grpc["tls"])
    assert {"spangate-front-tls"} == _certificates(VALUES, "front")
    assert {"spangate-tls"} == _certificates(VALUES, "gateway")
    assert back.service.pipelines["traces"].redacted_upstream


def test_a_tier_without_a_certificate_gets_no_key(tmp_path: Path) -> None:
    """Where TLS is not mutual, all that the first tier has is the authority."""
    tls = {"enabled": True, "existingSecret": "second"}
    values = {"loadBalancing": {"enabled": True, "tls": tls}}
    config = loaded(values, tmp_path, "front").exporters["loadbalancing"].config
    volumes = {one["name"]: one for one in gateway_pod(values, "front")["spec"]["volumes"]}
    assert isinstance(config, LoadBalancingConfig)

    assert [{"key": "ca.crt", "path": "ca.crt"}] == volumes["tier-tls"]["secret"]["items"]
    assert config.protocol.otlp.tls.cert_file is None
    assert {"cert_file", "key_file"} == set(_receiver(values)["protocols"]["grpc"]["tls"])


def test_who_has_not_redacted_is_warned(tmp_path: Path) -> None:
    """Only where the first tier redacts does the second say that somebody has."""
    values: Values = {
        "loadBalancing": {"enabled": True, "processors": ["memory_limiter"]},
        "config": {"service": {"pipelines": {"traces": {"processors": ["mlflow_mapping"]}}}},
    }

    assert any("has no redaction" in one for one in loaded(values, tmp_path).warnings)


def test_each_tier_rolls_by_its_own_configuration() -> None:
    """A change of the first tier's queue restarts no gateway of the second."""
    changed = {**VALUES, "loadBalancing": {**VALUES["loadBalancing"], "config": {}}}
    front, back = (
        {
            gateway_pod(values, tier)["metadata"]["annotations"]["checksum/config"]
            for values in (VALUES, changed)
        }
        for tier in ("front", "gateway")
    )

    assert (2, 1) == (len(front), len(back))


def test_names_leave_room_for_the_ordinal() -> None:
    """The longest name gives a workload of at most 52 characters."""
    values = {**VALUES, "fullnameOverride": "a" * 52}

    assert find("StatefulSet", values, f"{'a' * 46}-front")


def _certificates(values: Values, tier: str) -> set[str]:
    volumes = gateway_pod(values, tier)["spec"]["volumes"]
    return {one["secret"]["secretName"] for one in volumes if one["name"] == "tier-tls"}


def _receiver(values: Values) -> Values:
    config = yaml.safe_load(find("ConfigMap", values)["data"]["gateway.yaml"])
    receiver: Values = config["receivers"]["otlp"]
    return receiver
