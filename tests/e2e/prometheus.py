"""A real Prometheus beside a test, with the alerts of the chart."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.e2e.conftest import free_port

PROMETHEUS = shutil.which("prometheus")
LABELS = {"namespace": "llm", "pod": "demo-spangate-0"}
PATIENCE_S = 90.0
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Server:
    """The API of a Prometheus."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url = url
        self._http = http

    async def get(self, path: str, **params: str) -> Any:
        """Ask its API."""
        async with self._http.get(f"{self._url}/api/v1/{path}", params=params) as answer:
            said = await answer.json()
        assert "success" == said["status"], (params, said)
        return said["data"]

    async def value(self, query: str) -> list[float]:
        """Return what a query yields now."""
        found = await self.get("query", query=query)
        return [float(one["value"][1]) for one in found["result"]]

    async def firing(self) -> set[str]:
        """Return the names of alerts that fire."""
        found = await self.get("alerts")
        return {a["labels"]["alertname"] for a in found["alerts"] if a["state"] == "firing"}


@asynccontextmanager
async def prometheus(
    folder: Path,
    targets: Sequence[str],
    http: aiohttp.ClientSession,
    alerts: Sequence[dict[str, Any]],
) -> AsyncIterator[Server]:
    """Run one that scrapes targets twice a second as if they were one pod, and knows alerts."""
    (folder / "rules.yaml").write_text(json.dumps({"groups": [{"name": "a", "rules": alerts}]}))
    settings = {
        "global": {"scrape_interval": "500ms", "evaluation_interval": "500ms"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {
                "job_name": "spangate",
                "honor_labels": True,
                "static_configs": [{"targets": list(targets), "labels": LABELS}],
            }
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(settings))
    address = f"127.0.0.1:{free_port()}"
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            str(PROMETHEUS),
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={address}",
            stdout=log,
            stderr=log,
        )
    try:
        yield Server(f"http://{address}", http)
    finally:
        process.terminate()
        await process.wait()


def rules() -> list[dict[str, Any]]:
    """Return the alerts of the chart, which fire at once instead of after minutes."""
    chart = pytest.importorskip("tests.helm.chart", reason="no wheel of the Helm engine fits here")
    found = chart.find("PrometheusRule", {"prometheusRule": {"enabled": True}})
    every: list[dict[str, Any]] = found["spec"]["groups"][0]["rules"]
    return [{key: rule[key] for key in rule if key != "for"} for rule in every]


def quicker(rule: dict[str, Any], factor: float) -> dict[str, Any]:
    """Return a rule for a world in which time passes so many times faster."""

    def shrink(found: re.Match[str]) -> str:
        milliseconds = int(found[2]) * _SECONDS[found[3]] * 1000 / factor
        return f"{found[1]}{milliseconds:.0f}ms"

    expr = re.sub(r"(\[|offset )(\d+)([smhd])\b", shrink, rule["expr"])
    if "_age_seconds{" in expr:
        expr = re.sub(r"> (\d+)$", lambda found: f"> {int(found[1]) / factor}", expr)
    return {**rule, "expr": expr}


async def until(condition: Callable[[], Any], patience_s: float = PATIENCE_S) -> None:
    """Wait for what Prometheus learns at its next scrapes."""
    async with asyncio.timeout(patience_s):
        while True:
            try:
                if await condition():
                    return
            except (aiohttp.ClientConnectionError, aiohttp.ContentTypeError):
                pass  # it has not started yet, or not read its data
            await asyncio.sleep(0.2)
