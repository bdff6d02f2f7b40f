"""Read traces back from MLflow over REST, as its own client does."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Self

import aiohttp
import msgspec
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.otlp import values

POLL_S = 0.3


class Trace(msgspec.Struct, kw_only=True):
    """What MLflow holds of one trace."""

    trace_id: str
    """32 hex digits."""

    experiment_id: str
    state: str
    """``OK``, ``ERROR`` or, while no root span has arrived, ``IN_PROGRESS``."""

    service: str = ""
    session: str = ""
    user: str = ""
    tokens: tuple[int, int] | None = None
    """Read and written by models; ``None`` where MLflow found none."""

    cost_usd: float | None = None
    span_ids: frozenset[str] = frozenset()
    root_name: str = ""
    types: Counter[str] = msgspec.field(default_factory=Counter)
    """How many spans of each MLflow type."""

    text: str = ""
    """The answer as it came, to search for what should not be there."""


class TraceReader:
    """A client of MLflow's trace API; use it as an async context manager."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def experiments(self) -> dict[str, str]:
        """Return the names of all experiments by their ids."""
        text = await self._ask(
            "POST", "/api/2.0/mlflow/experiments/search", json={"max_results": 1000}
        )
        found = msgspec.json.decode(text).get("experiments", [])
        return {one["experiment_id"]: one["name"] for one in found}

    async def trace(self, trace_id: str) -> Trace | None:
        """Return a trace by its hex id, or ``None`` while MLflow does not have it."""
        try:
            text = await self._ask(
                "GET", "/api/3.0/mlflow/traces/get", params={"trace_id": f"tr-{trace_id}"}
            )
        except aiohttp.ClientResponseError as error:
            if error.status == 404:
                return None
            raise
        return _trace(trace_id, text)

    async def wait_for(self, spans: Mapping[str, Iterable[str]], timeout_s: float) -> list[Trace]:
        """
        Return the traces that MLflow holds once it has all the spans, or when time is up.

        Args:
            spans: hex ids of the expected spans, by hex trace id.
            timeout_s: how long to wait for all of them.

        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        found: dict[str, Trace] = {}
        missing = {trace_id: set(span_ids) for trace_id, span_ids in spans.items()}
        while missing:
            for trace_id in list(missing):
                trace = await self.trace(trace_id)
                if trace is not None:
                    found[trace_id] = trace
                    if missing[trace_id] <= trace.span_ids:
                        del missing[trace_id]
            if missing and asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(POLL_S if missing else 0)
        return [found[trace_id] for trace_id in spans if trace_id in found]

    async def _ask(self, method: str, path: str, **arguments: Any) -> str:
        if self._session is None:
            raise RuntimeError("use TraceReader in `async with`")
        async with self._session.request(method, self._url + path, **arguments) as answer:
            text = await answer.text()
            answer.raise_for_status()
            return text


def _trace(trace_id: str, text: str) -> Trace:
    body = msgspec.json.decode(text)["trace"]
    info, metadata = body["trace_info"], body["trace_info"].get("trace_metadata", {})
    trace = Trace(
        trace_id=trace_id,
        experiment_id=info["trace_location"]["mlflow_experiment"]["experiment_id"],
        state=info.get("state", ""),
        service=info.get("tags", {}).get("service.name", ""),
        session=metadata.get("mlflow.trace.session", ""),
        user=metadata.get("mlflow.trace.user", ""),
        text=text,
    )
    if usage := metadata.get("mlflow.trace.tokenUsage"):
        counts = msgspec.json.decode(usage)
        trace.tokens = counts["input_tokens"], counts["output_tokens"]
    if cost := metadata.get("mlflow.trace.cost"):
        trace.cost_usd = msgspec.json.decode(cost)["total_cost"]
    _add_spans(trace, body.get("spans", []))
    return trace


def _add_spans(trace: Trace, spans: list[dict[str, Any]]) -> None:
    messages = [json_format.ParseDict(one, Span(), ignore_unknown_fields=True) for one in spans]
    trace.span_ids = frozenset(message.span_id.hex() for message in messages)
    for message in messages:
        if not message.parent_span_id:
            trace.root_name = message.name
        found = {field.key: field.value for field in message.attributes}
        kind = values.decode(found["mlflow.spanType"]) if "mlflow.spanType" in found else None
        trace.types[str(kind or "UNKNOWN")] += 1
