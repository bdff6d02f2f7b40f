"""What compose.yaml promises: its parts fit together, and the gateway takes its configuration."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.loader import load
from gateway.config.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]


def settings() -> Settings:
    """Load the gateway's configuration as the container would."""
    return load(
        [ROOT / "deploy" / "compose" / "gateway.yaml"],
        environ=SERVICES["gateway"]["environment"],
    )


def container_port(published: str) -> int:
    return int(published.rpartition(":")[2])


def test_the_gateway_takes_its_configuration() -> None:
    """No mistake, and MLflow at the address that compose gives it."""
    exporter: Any = settings().exporters["mlflow"].config

    assert "http://mlflow:5000" == exporter.endpoint


def test_published_ports_are_served() -> None:
    """Each published port is one that the gateway listens on, on this machine only."""
    receiver: Any = settings().receivers["otlp"].config
    telemetry = settings().service.telemetry
    served = {
        int(endpoint.rpartition(":")[2])
        for endpoint in (
            receiver.grpc.endpoint,
            receiver.http.endpoint,
            telemetry.metrics.endpoint,
            telemetry.status.endpoint,
        )
    }

    assert served >= {container_port(one) for one in SERVICES["gateway"]["ports"]}
    for service in SERVICES.values():
        assert all(one.startswith("127.0.0.1:") for one in service.get("ports", []))


def test_there_is_time_to_drain() -> None:
    """Compose waits longer for the gateway than the gateway takes."""
    grace = int(SERVICES["gateway"]["stop_grace_period"].removesuffix("s"))

    assert float(settings().service.shutdown_timeout) < grace


def test_mlflow_answers_to_the_name_the_gateway_uses() -> None:
    """Without it MLflow answers 403 to every span."""
    option = next(one for one in SERVICES["mlflow"]["command"] if "allowed-hosts" in one)

    assert {"mlflow:*", "localhost:*"} <= set(option.removeprefix("--allowed-hosts=").split(","))
    assert not SERVICES["mlflow"]["environment"]["MLFLOW_MODEL_CATALOG_URI"]


def test_mlflow_names_the_driver_it_has() -> None:
    """The scheme alone means another driver to newer versions of SQLAlchemy."""
    uri = SERVICES["mlflow"]["environment"]["MLFLOW_BACKEND_STORE_URI"]

    assert uri.startswith("postgresql+psycopg2://mlflow:")
    assert uri.endswith("@postgres:5432/mlflow")


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_exists(name: str) -> None:
    """Files of the repository are there, volumes are declared, services depended on are defined."""
    for mount in SERVICES[name].get("volumes", []):
        source = mount.split(":")[0]
        if source.startswith("."):
            assert (ROOT / source).exists()
        else:
            assert source in COMPOSE["volumes"]
    assert set(SERVICES) >= set(SERVICES[name].get("depends_on", []))


@pytest.mark.parametrize("name", ["gateway", "mlflow", "prometheus", "grafana"])
def test_services_are_hardened(name: str) -> None:
    """Nothing is written but volumes and scratch space, and no privilege is left."""
    service = SERVICES[name]

    assert service["read_only"]
    assert ["ALL"] == service["cap_drop"]
    assert ["no-new-privileges:true"] == service["security_opt"]


def test_prometheus_scrapes_the_gateway() -> None:
    """The target is the metrics endpoint of the configuration."""
    path = ROOT / "deploy" / "compose" / "prometheus.yaml"
    target = yaml.safe_load(path.read_text())["scrape_configs"][0]["static_configs"][0]["targets"]

    assert [f"gateway:{settings().service.telemetry.metrics.endpoint.rpartition(':')[2]}"] == target


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    """The data source leads to Prometheus, the provider to the mounted folder."""
    folder = ROOT / "deploy" / "compose" / "grafana"
    source = yaml.safe_load((folder / "datasources.yaml").read_text())["datasources"][0]
    provider = yaml.safe_load((folder / "dashboards.yaml").read_text())["providers"][0]

    assert "http://prometheus:9090" == source["url"]
    assert f"./helm/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
