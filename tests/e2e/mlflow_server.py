"""Talk to a real MLflow server in tests: experiments, and traces as it holds them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

import aiohttp
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import Span

_EXPERIMENTS = "/api/2.0/mlflow/experiments"
_TRACES = "/api/3.0/mlflow/traces"
_POLL_S = 0.1


class MlflowApi:
    """
    A client of one server; use it as an async context manager.

    Args:
        url: the server's address.
        auth: user and password.
        headers: sent with every call, such as the workspace.

    """

    def __init__(
        self,
        url: str,
        auth: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.url = url
        self._auth = aiohttp.encode_basic_auth(*auth) if auth else None
        self._headers = dict(headers or {})
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = self._headers | ({"Authorization": self._auth} if self._auth else {})
        self._session = aiohttp.ClientSession(headers=headers)
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """Make a REST call that must succeed."""
        assert self._session is not None
        async with self._session.request(method, self.url + path, **arguments) as answer:
            text = await answer.text()
            assert answer.status == 200, f"{path}: {answer.status} {text}"
            document: dict[str, Any] = await answer.json()
            return document

    async def create_experiment(self, name: str) -> str:
        """Create an experiment and return its id."""
        answer = await self.call("POST", f"{_EXPERIMENTS}/create", json={"name": name})
        return str(answer["experiment_id"])

    async def delete_experiment(self, experiment_id: str) -> None:
        """Delete an experiment."""
        body = {"experiment_id": experiment_id}
        await self.call("POST", f"{_EXPERIMENTS}/delete", json=body)

    async def restore_experiment(self, experiment_id: str) -> None:
        """Restore a deleted experiment."""
        body = {"experiment_id": experiment_id}
        await self.call("POST", f"{_EXPERIMENTS}/restore", json=body)

    async def experiment(self, name: str) -> dict[str, Any]:
        """Return an experiment by its name."""
        params = {"experiment_name": name}
        answer = await self.call("GET", f"{_EXPERIMENTS}/get-by-name", params=params)
        found: dict[str, Any] = answer["experiment"]
        return found

    async def trace_infos(self, experiment_id: str) -> list[dict[str, Any]]:
        """Return what MLflow knows of every trace of an experiment."""
        found: list[dict[str, Any]] = []
        place = {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": experiment_id},
        }
        body: dict[str, Any] = {"locations": [place], "max_results": 500}
        while True:
            answer = await self.call("POST", f"{_TRACES}/search", json=body)
            found += answer.get("traces", [])
            if not answer.get("next_page_token"):
                return found
            body["page_token"] = answer["next_page_token"]

    async def trace_ids(self, experiment_id: str) -> set[str]:
        """Return the hex ids of the traces of an experiment."""
        infos = await self.trace_infos(experiment_id)
        return {str(info["trace_id"]).removeprefix("tr-") for info in infos}

    async def trace(self, trace_id: bytes) -> dict[str, Any] | None:
        """Return a trace's info, ``None`` where MLflow does not have it."""
        return (await self._get(trace_id)).get("trace_info")

    async def spans(self, trace_id: bytes) -> list[Span]:
        """Return the spans that MLflow holds of a trace."""
        found = (await self._get(trace_id)).get("spans", [])
        return [json_format.ParseDict(span, Span(), ignore_unknown_fields=True) for span in found]

    async def _get(self, trace_id: bytes) -> dict[str, Any]:
        assert self._session is not None
        params = {"trace_id": f"tr-{trace_id.hex()}"}
        async with self._session.get(f"{self.url}{_TRACES}/get", params=params) as answer:
            document = await answer.json()
        trace: dict[str, Any] = document.get("trace", {})
        return trace


async def eventually(
    check: Callable[[], Awaitable[bool]], *, timeout_s: float = 30.0, what: str = "it"
) -> None:
    """Return once a check holds; fail where it does not in time."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await check():
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise AssertionError(f"{what} did not happen within {timeout_s:g} s") from None
