"""
A small MLflow server for tests, which answers as MLflow 3.18 does.

Over the real one it has: no start-up time, failures on demand, and a memory of what it was asked.
"""

import asyncio
import base64
import gzip
import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self

import msgspec
from aiohttp import web
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

_PROTOBUF = "application/x-protobuf"


class Asked(NamedTuple):
    """A request as the server saw it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    """Decompressed."""

    @property
    def traces(self) -> ExportTraceServiceRequest:
        """The traces in it."""
        return ExportTraceServiceRequest.FromString(self.body)


class FakeExperiment(msgspec.Struct):
    """An experiment and the spans in it, by trace id and span id."""

    name: str
    deleted: bool = False
    spans: dict[tuple[bytes, bytes], Span] = msgspec.field(default_factory=dict)

    @property
    def traces(self) -> set[bytes]:
        """Ids of the traces."""
        return {trace for trace, _ in self.spans}


class FakeMlflow:
    """
    A server on a free port of the loopback; use it as an async context manager.

    Args:
        basic_auth: ``user:password`` that it insists on.

    """

    def __init__(self, basic_auth: str | None = None) -> None:
        self.url = ""
        self.version = "3.18.0"
        self.store_type = "SqlStore"
        self.workspaces_enabled = False
        self.experiments: dict[str, FakeExperiment] = {"0": FakeExperiment("Default")}
        self.merges = False
        """Whether it adds spans to a trace wherever that is, as before 3.18."""
        self.runs: dict[str, str] = {}
        """Experiment ids by run id."""
        self.asked: list[Asked] = []
        self.poison: Callable[[Span], bool] = lambda _: False
        """Which spans it calls wrong: the whole request fails, as with the real one."""
        self.gate = asyncio.Event()
        """Cleared, it holds every answer back."""
        self.gate.set()
        self._basic_auth = basic_auth
        self._answers: list[tuple[str, web.Response]] = []
        self._ids = itertools.count(1)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def add_experiment(self, name: str, *, deleted: bool = False) -> str:
        """Add an experiment and return its id."""
        experiment_id = str(next(self._ids))
        self.experiments[experiment_id] = FakeExperiment(name, deleted)
        return experiment_id

    def answer_next(
        self,
        status: int,
        body: bytes | str = b"",
        content_type: str = "application/json",
        *,
        path: str = "/v1/traces",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the next request for a path that ends so with this, and do nothing else."""
        data = body.encode() if isinstance(body, str) else body
        sent = {**(headers or {}), "Content-Type": content_type}
        self._answers.append((path, web.Response(status=status, body=data, headers=sent)))

    def forget_answers(self) -> None:
        """Answer by itself again."""
        self._answers.clear()

    def calls(self, path: str) -> list[Asked]:
        """Return the requests so far for a path that ends so."""
        return [asked for asked in self.asked if asked.path.endswith(path)]

    async def _serve(self, request: web.Request) -> web.Response:
        body = await request.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        asked = Asked(
            request.method, request.path, dict(request.query), request.headers.copy(), body
        )
        self.asked.append(asked)
        await self.gate.wait()
        for position, (path, answer) in enumerate(self._answers):
            if request.path.endswith(path):
                del self._answers[position]
                return answer
        if not self._authorized(request):
            return web.Response(
                status=401, text="not authenticated", headers={"WWW-Authenticate": "Basic"}
            )
        handler = self._handler(request.method, request.path)
        return (
            handler(asked)
            if handler
            else web.Response(status=404, text="<html>Not Found</html>", content_type="text/html")
        )

    def _authorized(self, request: web.Request) -> bool:
        if self._basic_auth is None or request.path in ("/health", "/version"):
            return True
        wanted = "Basic " + base64.b64encode(self._basic_auth.encode()).decode()
        return request.headers.get("Authorization") == wanted

    def _handler(self, method: str, path: str) -> Callable[[Asked], web.Response] | None:
        experiments, traces = "/api/2.0/mlflow/experiments", "/api/3.0/mlflow/traces"
        return {
            ("GET", "/health"): lambda _: web.Response(text="OK"),
            ("GET", "/version"): lambda _: web.Response(text=self.version),
            ("GET", "/api/3.0/mlflow/server-info"): self._server_info,
            ("GET", f"{experiments}/get"): self._get,
            ("GET", f"{experiments}/get-by-name"): self._get_by_name,
            ("POST", f"{experiments}/search"): self._search,
            ("POST", f"{experiments}/create"): self._create,
            ("POST", f"{experiments}/delete"): self._delete,
            ("POST", f"{experiments}/restore"): self._restore,
            ("GET", "/api/2.0/mlflow/runs/get"): self._get_run,
            ("GET", f"{traces}/get"): self._get_trace,
            ("POST", f"{traces}/batchGetInfos"): self._get_infos,
            ("POST", "/v1/traces"): self._take,
        }.get((method, path))

    def _server_info(self, _asked: Asked) -> web.Response:
        return web.json_response(
            {"store_type": self.store_type, "workspaces_enabled": self.workspaces_enabled}
        )

    def _get(self, asked: Asked) -> web.Response:
        return self._experiment(asked.query.get("experiment_id", ""))

    def _get_by_name(self, asked: Asked) -> web.Response:
        return self._experiment(self._id_of(asked.query.get("experiment_name", "")))

    def _id_of(self, name: str) -> str:
        return next((i for i, found in self.experiments.items() if found.name == name), "")

    def _experiment(self, experiment_id: str) -> web.Response:
        if experiment_id not in self.experiments:
            return _error(404, "RESOURCE_DOES_NOT_EXIST", "Could not find experiment")
        return web.json_response({"experiment": self._document(experiment_id)})

    def _document(self, experiment_id: str) -> dict[str, str]:
        found = self.experiments[experiment_id]
        stage = "deleted" if found.deleted else "active"
        return {"experiment_id": experiment_id, "name": found.name, "lifecycle_stage": stage}

    def _search(self, _asked: Asked) -> web.Response:
        live = [i for i, found in self.experiments.items() if not found.deleted]
        return web.json_response({"experiments": [self._document(i) for i in live]})

    def _create(self, asked: Asked) -> web.Response:
        name = str(msgspec.json.decode(asked.body)["name"])
        if self._id_of(name):
            return _error(400, "RESOURCE_ALREADY_EXISTS", f"Experiment '{name}' already exists.")
        return web.json_response({"experiment_id": self.add_experiment(name)})

    def _delete(self, asked: Asked) -> web.Response:
        self.experiments[str(msgspec.json.decode(asked.body)["experiment_id"])].deleted = True
        return web.json_response({})

    def _restore(self, asked: Asked) -> web.Response:
        self.experiments[str(msgspec.json.decode(asked.body)["experiment_id"])].deleted = False
        return web.json_response({})

    def _get_run(self, asked: Asked) -> web.Response:
        run_id = asked.query.get("run_id", "")
        if run_id not in self.runs:
            return _error(404, "RESOURCE_DOES_NOT_EXIST", f"Run with id={run_id} not found")
        info = {"run_id": run_id, "experiment_id": self.runs[run_id]}
        return web.json_response({"run": {"info": info, "data": {}}})

    def _home(self, trace: bytes) -> str:
        return next((i for i, found in self.experiments.items() if trace in found.traces), "")

    def _info(self, trace: bytes) -> dict[str, Any]:
        return {
            "trace_id": f"tr-{trace.hex()}",
            "trace_location": {
                "type": "MLFLOW_EXPERIMENT",
                "mlflow_experiment": {"experiment_id": self._home(trace)},
            },
        }

    def _get_trace(self, asked: Asked) -> web.Response:
        trace = bytes.fromhex(asked.query.get("trace_id", "").removeprefix("tr-"))
        if not self._home(trace):
            return _error(404, "RESOURCE_DOES_NOT_EXIST", "Trace not found")
        return web.json_response({"trace": {"trace_info": self._info(trace)}})

    def _get_infos(self, asked: Asked) -> web.Response:
        ids = msgspec.json.decode(asked.body)["trace_ids"]
        traces = [bytes.fromhex(text.removeprefix("tr-")) for text in ids]
        infos = [self._info(trace) for trace in traces if self._home(trace)]
        return web.json_response({"trace_infos": infos})

    def _take(self, asked: Asked) -> web.Response:
        """Store a request: all of it or nothing."""
        if "x-mlflow-experiment-id" not in asked.headers:
            return web.json_response({"detail": "Field required"}, status=422)
        if asked.headers.get("X-MLFLOW-WORKSPACE") and not self.workspaces_enabled:
            return _error(500, "FEATURE_DISABLED", "Workspace APIs are not available")
        experiment_id = asked.headers["x-mlflow-experiment-id"] or "0"
        if experiment_id not in self.experiments:
            text = f"No Experiment with id={experiment_id} exists"
            return _error(404, "RESOURCE_DOES_NOT_EXIST", text)
        try:
            spans = [
                span
                for resource in asked.traces.resource_spans
                for scope in resource.scope_spans
                for span in scope.spans
            ]
        except DecodeError:
            spans = []
        if not spans:
            return web.json_response({"detail": "Invalid OpenTelemetry format"}, status=400)
        if any(self.poison(span) for span in spans):
            text = "Cannot convert OpenTelemetry span to MLflow span"
            return web.json_response({"detail": text}, status=422)
        foreign = sorted(
            {s.trace_id for s in spans if self._home(s.trace_id) not in ("", experiment_id)}
        )
        if foreign and not self.merges:
            text = f"Trace with ID 'tr-{foreign[0].hex()}' already exists in another experiment."
            return _error(400, "INVALID_PARAMETER_VALUE", text)
        for span in spans:
            home = self._home(span.trace_id) or experiment_id
            self.experiments[home].spans[span.trace_id, span.span_id] = span
        return web.Response(content_type=_PROTOBUF)


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error_code": code, "message": message}, status=status)
