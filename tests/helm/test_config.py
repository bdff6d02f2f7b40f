"""What the chart hands to the gateway is a configuration that it takes."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.loader import load
from gateway.config.settings import (
    AuditConfig,
    DeadLettersConfig,
    LogsConfig,
    PipelineConfig,
    ServiceConfig,
    Settings,
    StatusConfig,
    TelemetryConfig,
)
from gateway.registry import KINDS
from gateway.tenants import TenantConfig
from tests.docs.test_pages import Block, configurations, place
from tests.helm.chart import CHART, Values, find, gateway_pod, manifests, typical

jsonschema = pytest.importorskip("jsonschema")

TYPICAL = typical()


def loaded(values: Values, folder: Path, tier: str = "gateway") -> Settings:
    """Load what the gateway would, with the pod's variables and the chart's plugins."""
    pod = gateway_pod(values, tier)["spec"]
    environ = {
        one["name"]: one.get("value", "from-a-secret") for one in pod["containers"][0]["env"]
    }
    mounted = {one["configMap"]["name"] for one in pod["volumes"] if "configMap" in one}
    maps = {
        one["metadata"]["name"]: one["data"] for one in manifests(values)
        if one["kind"] == "ConfigMap"
    }  # fmt: skip
    for config_map in mounted & set(maps):
        for name, text in maps[config_map].items():
            (folder / name).write_text(
                text.replace("/etc/spangate/plugins", str(folder)), encoding="utf-8"
            )
    return load([folder / "gateway.yaml"], environ=environ)


def config(values: Values) -> Any:
    return yaml.safe_load(find("ConfigMap", values)["data"]["gateway.yaml"])


@pytest.mark.parametrize("values", TYPICAL.values(), ids=TYPICAL)
def test_the_gateway_takes_it(values: Values, tmp_path: Path) -> None:
    """No problem, and nothing that no pipeline uses."""
    settings = loaded(values, tmp_path)

    assert [] == [warning for warning in settings.warnings if "no pipeline uses it" in warning]


def test_the_default_is_that_of_the_gateway(tmp_path: Path) -> None:
    """Without values the chart runs what the gateway runs without files, open to the cluster."""
    ours, builtin = loaded({}, tmp_path), load([], environ={})

    assert builtin.service.pipelines == ours.service.pipelines
    assert set(builtin.processors) == set(ours.processors)
    assert builtin.exporters["mlflow"].config.__class__ is ours.exporters["mlflow"].config.__class__


def test_secrets_stay_out_of_the_configuration() -> None:
    """Credentials are names of variables and files, not values."""
    values: Values = {
        "mlflow": {"auth": {"enabled": True, "existingSecret": "mlflow"}},
        "tenants": {"enabled": True, "existingSecret": "t", "list": [{"name": "a", "key": "b"}]},
        "redaction": {"hmacKey": {"enabled": True, "existingSecret": "r"}},
        "config": {"processors": {"redaction": {"max_value_bytes": 1048576}}},
    }
    found = config(values)

    assert "${env:MLFLOW_TRACKING_PASSWORD}" == found["exporters"]["mlflow"]["auth"]["password"]
    assert [{"name": "a", "tokens_file": "/etc/spangate/tenants/b"}] == (
        found["receivers"]["otlp"]["auth"]["tenants"]
    )
    assert {"hmac_key": "${env:SPANGATE_HMAC_KEY}", "max_value_bytes": 1048576} == (
        found["processors"]["redaction"]
    )


def test_the_status_page_opens_with_a_secret(tmp_path: Path) -> None:
    """User and password come from it, in the form that browsers ask for."""
    auth = {"enabled": True, "existingSecret": "status", "passwordKey": "pass"}
    values = {"status": {"auth": auth}}
    env = {one["name"]: one for one in gateway_pod(values)["spec"]["containers"][0]["env"]}
    found = loaded(values, tmp_path).service.telemetry.status.auth

    assert found is not None
    assert found.basic is not None
    assert {"name": "status", "key": "pass"} == (
        env["SPANGATE_STATUS_PASSWORD"]["valueFrom"]["secretKeyRef"]
    )


def test_settings_of_the_service_are_those_of_the_gateway() -> None:
    """The schema refuses none of them, down to the endpoints."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    service = schema["properties"]["config"]["properties"]["service"]["properties"]
    telemetry = service["telemetry"]["properties"]

    assert set(ServiceConfig.__struct_fields__) == set(service)
    assert set(PipelineConfig.__struct_fields__) == set(
        service["pipelines"]["additionalProperties"]["properties"]
    )
    assert set(TelemetryConfig.__struct_fields__) == set(telemetry)
    assert set(LogsConfig.__struct_fields__) == set(telemetry["logs"]["properties"])
    assert set(AuditConfig.__struct_fields__) == set(telemetry["audit"]["properties"])
    assert set(DeadLettersConfig.__struct_fields__) == set(service["dead_letters"]["properties"])
    assert set(StatusConfig.__struct_fields__) == set(
        schema["definitions"]["endpoint"]["properties"]
    )


@pytest.mark.parametrize("block", list(configurations()), ids=place)
def test_what_the_gateway_takes_the_chart_takes(block: Block) -> None:
    """The schema of the chart refuses no configuration of the documentation."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    config = yaml.safe_load(block.text)
    for kind in {*KINDS} & config.keys():
        whole = {"$ref": f"#/definitions/gateway.{kind}", "definitions": schema["definitions"]}
        jsonschema.Draft7Validator(whole).validate(config[kind])


def test_a_token_is_read_from_a_file() -> None:
    """A new token in the Secret counts without a restart."""
    auth = {"enabled": True, "existingSecret": "mlflow", "type": "token", "tokenKey": "jwt"}
    values = {"mlflow": {"auth": auth}}
    volumes = {each["name"]: each for each in gateway_pod(values)["spec"]["volumes"]}

    assert {"token_file": "/etc/spangate/mlflow/token"} == config(values)["exporters"]["mlflow"][
        "auth"
    ]
    assert [{"key": "jwt", "path": "token"}] == volumes["mlflow-token"]["secret"]["items"]


def test_tenants_know_the_keys_of_the_gateway() -> None:
    """The schema of tenants.list names what the gateway's tenants take, and the Secret's key."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    known = schema["properties"]["tenants"]["properties"]["list"]["items"]["properties"]

    assert {*TenantConfig.__struct_fields__, "key"} == set(known)


def test_null_removes_a_default() -> None:
    """A protocol that is set to null is gone, with its ports."""
    values = {"config": {"receivers": {"otlp": {"protocols": {"grpc": None}}}}}

    assert {"http"} == set(config(values)["receivers"]["otlp"]["protocols"])
    assert ["otlp-http"] == [one["name"] for one in find("Service", values)["spec"]["ports"]]


def test_large_numbers_stay_whole() -> None:
    """A million is written as digits, which YAML reads as a number."""
    batch = {"max_spans": 100_000_000}
    values = {"config": {"exporters": {"mlflow": {"batch": batch}}}}

    assert 100_000_000 == config(values)["exporters"]["mlflow"]["batch"]["max_spans"]
