"""One MLflow server: its address, credentials and REST calls, and what it says about itself."""

from collections.abc import Mapping

import msgspec
from yarl import URL

from exporters.http_client import KIB, Answer, HttpClient
from exporters.mlflow import answers
from exporters.mlflow.credentials import Credentials
from exporters.mlflow.line import Line
from exporters.mlflow.settings import MlflowConfig, addresses, is_databricks
from gateway.errors import Flow, Retry
from gateway.plugin import Clock

OLDEST_VERSION = (3, 17)

HEAVY_BYTES = 256 * KIB
"""What a process of MLflow is busy with for so long that the next request should find another."""

_INFO_LIFETIME_S = 300.0
_HEALTH_PATH = "/health"
_INFO_PATH = "/api/3.0/mlflow/server-info"


class ServerInfo(msgspec.Struct, kw_only=True):
    """What a server says about itself; ``None`` where it does not say."""

    version: str | None = None
    store_type: str | None = None
    workspaces_enabled: bool | None = None

    def warnings(self, workspace: str) -> list[tuple[str, str]]:
        """Return what will go wrong with it, and what to do."""
        found: list[tuple[str, str]] = []
        if self.store_type == "FileStore":
            found.append(("MLflow keeps its data in files", answers.STORE_ADVICE))
        if self.version is not None and _is_old(self.version):
            oldest = ".".join(map(str, OLDEST_VERSION))
            found.append(
                (f"MLflow {self.version} is older than {oldest}", f"use MLflow {oldest} or later")
            )
        if workspace and self.workspaces_enabled is False:
            found.append(
                (
                    f"MLflow has no workspaces, so that {workspace} is ignored",
                    answers.WORKSPACES_ADVICE,
                )
            )
        return found


def _is_old(version: str) -> bool:
    try:
        major, minor = (int(part) for part in version.split(".")[:2])
    except ValueError:
        return False
    return (major, minor) < OLDEST_VERSION


class Server:
    """
    Talk to the server that ``endpoint`` names.

    Raises:
        ValueError: the address or a header cannot be used.

    """

    def __init__(self, config: MlflowConfig) -> None:
        base, self._traces_path = addresses(config)
        self._client = HttpClient(config, base)
        self._auth = config.auth
        self._spreads = not is_databricks(config)
        self._host = _host_header(URL(base))
        self.base = base
        self.clock: Clock | None = None
        self._credentials = Credentials(config.auth, self._monotonic)
        self._line = Line(self._monotonic)
        self._info: ServerInfo | None = None
        self._info_at = 0.0

    async def start(self, clock: Clock) -> None:
        """Make ready to connect."""
        self.clock = clock
        await self._client.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._client.stop()

    async def post_traces(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """
        Send an encoded trace request; a heavy one is the last on its connection.

        A kept connection stays with one of MLflow's processes, or with one of several servers
        behind an address, and two of them may stay with the same, while others have nothing to do.

        Raises:
            Retry: there was no answer.

        """
        async with self._line.turn():
            sent = {**headers, **await self._credentials.headers()}
            if self._spreads and len(body) >= HEAVY_BYTES:
                sent["Connection"] = "close"
            answer = self._seen(await self._client.post(self._traces_path, body, headers=sent))
        if answers.is_locked(answer):
            self._line.form()
        return answer

    async def call(
        self,
        method: str,
        path: str,
        *,
        workspace: str = "",
        json: object = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """
        Make a REST call.

        Raises:
            Retry: there was no answer.

        """
        headers = {**await self.workspace_headers(workspace), **await self._credentials.headers()}
        return self._seen(
            await self._client.request(method, path, json=json, params=params, headers=headers)
        )

    async def workspace_headers(self, workspace: str) -> dict[str, str]:
        """Return the header for a workspace; nothing where the server says it has none."""
        if not workspace or (await self.info()).workspaces_enabled is False:
            return {}
        return {"X-MLFLOW-WORKSPACE": workspace}

    async def answers(self) -> bool:
        """Return whether the server answers: no proxy without one, nor one that turns all away."""
        try:
            answer = await self._client.request("GET", _HEALTH_PATH)
        except Retry:
            return False
        return answer.status < 500 and answer.status != 429

    async def info(self) -> ServerInfo:
        """
        Ask the server about itself, every five minutes at the most.

        Raises:
            Retry: there was no answer.

        """
        if self._info is None or self._monotonic() - self._info_at > _INFO_LIFETIME_S:
            self._info = await self._ask()
            self._info_at = self._monotonic()
        return self._info

    def failure(self, answer: Answer) -> Flow:
        """Return what to do after an answer that is no success."""
        now = self.clock.time_ns() / 1e9 if self.clock else 0.0
        return answers.failure(answer, address=self._client.address, host=self._host, now=now)

    def describe(self, answer: Answer) -> str:
        """Return an answer in one line."""
        return answers.describe(answer, self._client.address)

    async def _ask(self) -> ServerInfo:
        info = ServerInfo()
        headers = await self._credentials.headers()
        answer = self._seen(await self._client.request("GET", _INFO_PATH, headers=headers))
        if answer.status in (429, 502, 503, 504):
            raise self.failure(answer)
        if answer.status == 200:
            document = answers.document_of(answer)
            store, workspaces = document.get("store_type"), document.get("workspaces_enabled")
            info.store_type = store if isinstance(store, str) else None
            info.workspaces_enabled = workspaces if isinstance(workspaces, bool) else None
        answer = await self._client.request("GET", "/version", headers=headers)
        text = answer.body[:40].decode(errors="replace").strip()
        if answer.status == 200 and text[:1].isdigit():
            info.version = text
        return info

    def _seen(self, answer: Answer) -> Answer:
        if answer.status == 401:
            self._credentials.doubt()
        if answer.status == 500 and answers.code_of(answer) == "FEATURE_DISABLED":
            self._info = None
        return answer

    def _monotonic(self) -> float:
        return self.clock.monotonic() if self.clock else 0.0


def _host_header(url: URL) -> str:
    """Return what we send as ``Host``, which is what MLflow must allow."""
    host = url.host_subcomponent or ""
    return host if url.is_default_port() else f"{host}:{url.port}"


def expect(answer: Answer, server: Server) -> dict[str, object]:
    """
    Return the document of a REST answer.

    Raises:
        Retry: it is no success; a REST call carries no spans, so that nothing is to be isolated.

    """
    if 200 <= answer.status < 300:
        return answers.document_of(answer)
    flow = server.failure(answer)
    if isinstance(flow, Retry):
        raise flow
    advice = None if answer.status >= 500 else "correct the experiment's name, or see MLflow's log"
    raise Retry(flow.reason, advice=advice)
