"""Ask MLflow which experiments hold traces."""

from collections.abc import Collection
from typing import Any

from exporters.http_client import Answer
from exporters.mlflow.answers import document_of, is_missing
from exporters.mlflow.server import Server, expect

_API = "/api/3.0/mlflow/traces"


async def find_homes(
    server: Server, traces: Collection[bytes], *, named: bytes, workspace: str
) -> dict[bytes, str]:
    """
    Return the experiment ids of those traces that MLflow has.

    Args:
        server: MLflow.
        traces: to ask for, all at once where the server can.
        named: the one to ask for where it cannot.
        workspace: where to look; what other workspaces hold cannot be seen, nor what the
            gateway's user may not read.

    Raises:
        Retry: MLflow cannot be asked.

    """
    answer = await _ask_for_all(server, {named, *traces}, workspace)
    if answer.status == 200:
        homes = _found(answer)
        if named in homes:
            return homes
    answer = await server.call(
        "GET", f"{_API}/get", workspace=workspace, params={"trace_id": _text(named)}
    )
    if answer.status == 403 or is_missing(answer):
        return {}
    trace = expect(answer, server).get("trace")
    return _homes([trace.get("trace_info")] if isinstance(trace, dict) else [])


async def homes_of(
    server: Server, traces: Collection[bytes], *, workspace: str
) -> dict[bytes, str]:
    """
    Return the experiment ids of those traces that MLflow has and shows to the gateway.

    Raises:
        Retry: MLflow cannot be asked.

    """
    answer = await _ask_for_all(server, traces, workspace)
    if answer.status in (403, 404):
        return {}
    expect(answer, server)
    return _found(answer)


async def _ask_for_all(server: Server, traces: Collection[bytes], workspace: str) -> Answer:
    ids = [_text(trace) for trace in traces]
    return await server.call(
        "POST", f"{_API}/batchGetInfos", workspace=workspace, json={"trace_ids": ids}
    )


def _found(answer: Answer) -> dict[bytes, str]:
    found = document_of(answer).get("trace_infos")
    return _homes(found if isinstance(found, list) else [])


def _text(trace: bytes) -> str:
    return f"tr-{trace.hex()}"


def _homes(infos: list[Any]) -> dict[bytes, str]:
    homes: dict[bytes, str] = {}
    for info in infos:
        try:
            trace = bytes.fromhex(info["trace_id"].removeprefix("tr-"))
            homes[trace] = str(info["trace_location"]["mlflow_experiment"]["experiment_id"])
        except (KeyError, TypeError, AttributeError, ValueError):
            continue
    return homes
