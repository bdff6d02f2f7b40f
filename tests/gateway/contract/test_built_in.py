"""Every component that ships keeps the promises that plugins are held to."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.registry import KINDS, Kind, Registry
from gateway.testing import FakeMlflow, check_contract

REGISTRY = Registry()
ALL = [(kind, name) for kind in KINDS for name in REGISTRY.types(kind)]
NOWHERE = "127.0.0.1:1"
NEEDED: dict[str, dict[str, Any]] = {
    "otlp": {
        "protocols": {"grpc": {"endpoint": "127.0.0.1:0"}, "http": {"endpoint": "127.0.0.1:0"}}
    },
    "attributes": {"actions": [{"key": "input.value", "action": "hash"}]},
    "resource": {"attributes": [{"key": "team", "action": "insert", "value": "x"}]},
    "filter": {"traces": {"span": ['span.name == "health"']}},
    "probabilistic_sampler": {"sampling_percentage": 50},
    "tail_sampling": {"policies": [{"name": "all", "type": "always_sample"}]},
    "transform": {"statements": [{"set": {"feature": "assistant"}}]},
    "loadbalancing": {"resolver": {"static": {"hostnames": [NOWHERE]}}},
    "otlp_http": {"endpoint": f"http://{NOWHERE}"},
    "otlp_grpc": {"endpoint": NOWHERE, "tls": {"insecure": True}},
}


@pytest.mark.parametrize(("kind", "name"), ALL)
async def test_keeps_the_contract(kind: Kind, name: str, tmp_path: Path) -> None:
    """The same check that plugin authors run on theirs."""
    settings = dict(NEEDED.get(name, {}))
    async with FakeMlflow() as server:
        if name == "mlflow":
            settings["endpoint"] = server.url
        if name == "file":
            settings["path"] = str(tmp_path / "traces.jsonl")
        await asyncio.to_thread(check_contract, REGISTRY.find(kind, name), **settings)
