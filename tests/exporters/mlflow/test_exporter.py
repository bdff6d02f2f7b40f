"""What ``mlflow`` promises, shown on a server that answers as MLflow 3.18 does."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from exporters.mlflow import Mlflow, MlflowConfig
from gateway.fake_mlflow import FakeMlflow
from gateway.plugin import Batch, BatchContext, Moved, Reject, Retry
from gateway.tenants import TenantConfig
from gateway.testing import batch
from tests.e2e.sending import ExporterContext, exporting, routed, send

FAR_TOO_MUCH = 10.0


@pytest.fixture
async def server() -> AsyncIterator[FakeMlflow]:
    """Run a server."""
    async with FakeMlflow() as running:
        yield running


def by_id(experiment_id: str) -> BatchContext:
    """Return the context of a sender that chose an experiment."""
    return BatchContext(headers=(("x-mlflow-experiment-id", experiment_id),))


async def refused(server: FakeMlflow, **settings: object) -> Retry | Reject:
    """Return what the exporter makes of the answer that the server has ready."""
    return await refused_batch(server, batch({}), **settings)


async def refused_batch(server: FakeMlflow, sent: Batch, **settings: object) -> Retry | Reject:
    """Return why a batch for experiment 0 is not taken."""
    settings = {"experiment": {"default": 0}, **settings}
    async with exporting(server.url, None, **settings) as exporter:
        with pytest.raises((Retry, Reject)) as caught:
            await send(exporter, sent)
    assert isinstance(caught.value, Retry | Reject)
    return caught.value


async def test_posts_what_mlflow_expects(server: FakeMlflow) -> None:
    """Protobuf, gzipped, under the id of the experiment, byte for byte; nothing needless."""
    sent = batch({"a": 1})
    experiment_id = server.add_experiment("mine")

    async with exporting(server.url, experiment={"default": "mine"}) as exporter:
        await send(exporter, sent)

    asked = server.calls("/v1/traces")[0]
    assert sent.encode() == asked.body
    assert experiment_id == asked.headers["x-mlflow-experiment-id"]
    assert "application/x-protobuf" == asked.headers["Content-Type"]
    assert "gzip" == asked.headers["Content-Encoding"]
    assert not {"Authorization", "X-MLFLOW-WORKSPACE", "x-mlflow-run-id"} & set(asked.headers)


@pytest.mark.parametrize(
    "path", ["", "/", "/v1/traces", "/v1/traces/"], ids=["plain", "slash", "full", "full slash"]
)
async def test_understands_every_way_to_write_the_endpoint(server: FakeMlflow, path: str) -> None:
    """The address may end in a slash or name ``/v1/traces`` itself."""
    async with exporting(server.url + path, experiment={"default": 0}) as exporter:
        await send(exporter, batch({}))

    assert ["/v1/traces"] == [asked.path for asked in server.calls("traces")]


async def test_static_prefix_stands_before_every_path(server: FakeMlflow) -> None:
    """A path in the endpoint is MLflow's ``--static-prefix``: for REST and for traces."""
    for path in ("/server-info", "/version", "/experiments/get"):
        server.answer_next(200, b"{}", path=path)
    server.answer_next(200)

    async with exporting(f"{server.url}/mlf", experiment={"default": 0}) as exporter:
        await send(exporter, batch({}))

    assert server.asked
    assert all(asked.path.startswith("/mlf/") for asked in server.asked)
    assert ["/mlf/v1/traces"] == [asked.path for asked in server.calls("/v1/traces")]


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504, 507, 520])
async def test_comes_back_later(server: FakeMlflow, status: int) -> None:
    """A busy server is tried again, after the delay that it asks for; nobody is called."""
    server.answer_next(status, headers={"Retry-After": "17"})

    failure = await refused(server)

    assert isinstance(failure, Retry)
    assert (17.0, None) == (failure.after, failure.advice)


@pytest.mark.parametrize("status", [400, 409, 413, 418, 422, 500])
async def test_asks_for_isolation(server: FakeMlflow, status: int) -> None:
    """What MLflow calls wrong may be a single span's fault."""
    server.answer_next(status, '{"error_code": "X", "message": "what is wrong"}')

    failure = await refused(server)

    assert isinstance(failure, Reject)
    assert failure.isolate
    assert "what is wrong" in failure.reason


@pytest.mark.parametrize(
    "message",
    [
        "(psycopg2.errors.UniqueViolation) duplicate key",
        "QueuePool limit of size 5 overflow 10 reached",
        "(sqlite3.IntegrityError) UNIQUE constraint failed",
        "raised as a result of Query-invoked autoflush; (psycopg2.errors.UniqueViolation) x",
    ],
)
async def test_passing_trouble_of_the_database_is_no_ones_fault(
    server: FakeMlflow, message: str
) -> None:
    """Some 400s come from the database under load, and go away."""
    server.answer_next(400, f'{{"error_code": "BAD_REQUEST", "message": "{message}"}}')

    failure = await refused(server)

    assert isinstance(failure, Retry)
    assert failure.advice is None


@pytest.mark.parametrize(
    "message",
    [
        "Query-invoked autoflush; (psycopg2.errors.StringDataRightTruncation) value too long",
        "Query-invoked autoflush",
        "(sqlite3.IntegrityError) NOT NULL constraint failed: spans.name",
        "(psycopg2.errors.CardinalityViolation) cannot affect row a second time",
    ],
)
async def test_value_that_the_database_cannot_hold_is_isolated(
    server: FakeMlflow, message: str
) -> None:
    """What would fail for ever must not be tried for ever: it would hold up all behind it."""
    server.answer_next(400, f'{{"error_code": "BAD_REQUEST", "message": "{message}"}}')

    failure = await refused(server)

    assert isinstance(failure, Reject)
    assert failure.isolate


HTML = "text/html; charset=utf-8"
TEXT = "text/plain"


@pytest.mark.parametrize(
    ("status", "body", "content_type", "advice"),
    [
        (401, "You are not authenticated", TEXT, "exporters.mlflow.auth"),
        (403, "Invalid Host header - possible DNS rebinding", TEXT, "--allowed-hosts"),
        (404, "<!doctype html><title>404</title>", HTML, "uvicorn"),
        (404, "", TEXT, "uvicorn"),
        (404, '{"detail": "Not Found"}', "application/json", "uvicorn"),
        (501, '{"detail": "not supported by FileStore"}', "application/json", "sqlite"),
        (302, "", TEXT, "https://sso.example.com"),
        (405, '{"detail": "Method Not Allowed"}', "application/json", "endpoint"),
    ],
)
async def test_servers_fault_holds_everything(
    server: FakeMlflow, status: int, body: str, content_type: str, advice: str
) -> None:
    """What concerns the server parks the whole exporter, and says what to do."""
    location = {"Location": "https://sso.example.com/login?secret=1"}
    server.answer_next(status, body, content_type, headers=location)

    failure = await refused(server)

    assert isinstance(failure, Retry)
    assert "exporter" == failure.scope
    assert failure.advice is not None
    assert advice in failure.advice
    assert "secret" not in failure.advice


async def test_host_to_allow_is_named(server: FakeMlflow) -> None:
    """The advice for a refused Host header holds exactly what MLflow must allow."""
    server.answer_next(403, "Invalid Host header", TEXT)

    failure = await refused(server)

    assert isinstance(failure, Retry)
    assert failure.advice is not None
    assert server.url.removeprefix("http://") in failure.advice


@pytest.mark.parametrize(
    ("status", "body", "content_type"),
    [
        (403, "Permission denied", TEXT),
        (404, '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No"}', "application/json"),
        (500, '{"error_code": "FEATURE_DISABLED", "message": "No"}', "application/json"),
    ],
)
async def test_fault_of_one_experiment_holds_only_that(
    server: FakeMlflow, status: int, body: str, content_type: str
) -> None:
    """What concerns one experiment parks one destination, and says what to do."""
    server.answer_next(status, body, content_type)

    failure = await refused(server)

    assert isinstance(failure, Retry)
    assert "destination" == failure.scope
    assert failure.advice


async def test_sql_and_its_parameters_do_not_show(server: FakeMlflow) -> None:
    """Databases repeat the data in their errors; ours must not."""
    server.answer_next(
        400,
        '{"error_code": "BAD_REQUEST", "message": "(DataError) too long\\n'
        "[SQL: INSERT INTO spans] [parameters: {'content': 'a prompt'}]\"}",
    )

    failure = await refused(server)

    assert "too long" in failure.reason
    assert "prompt" not in failure.reason


async def test_unreadable_success_is_a_success(server: FakeMlflow) -> None:
    """A 200 means stored, whatever stands in its body."""
    server.answer_next(200, b"\xff\xfe<html>", "application/x-protobuf")

    async with exporting(server.url, experiment={"default": 0}) as exporter:
        await send(exporter, batch({}))


async def test_partial_success_is_counted(server: FakeMlflow) -> None:
    """Spans that the server says it refused are logged and counted."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = 2
    server.answer_next(200, response.SerializeToString(), "application/x-protobuf")
    context = ExporterContext()

    async with exporting(server.url, context, experiment={"default": 0}) as exporter:
        await send(exporter, batch({}, {}))

    assert [2] == list(context.meter.counts.values())


async def test_trace_follows_its_first_part(server: FakeMlflow) -> None:
    """A trace that MLflow has in another experiment is sent there, with all others like it."""
    home = server.add_experiment("home")
    traces = batch({}, {}, {}, one_trace=False)
    for span in traces.spans[:2]:
        server.experiments[home].spans[span.trace_id, b"earlier!"] = span.peek

    async with exporting(server.url, experiment={"default": 0}) as exporter:
        with pytest.raises(Moved) as caught:
            await send(exporter, traces)
        for destination in caught.value.homes.values():
            await exporter.export(
                Batch(_only(traces, 2).encode(), BatchContext(destination=destination))
            )

    assert {span.trace_id for span in traces.spans[:2]} == set(caught.value.homes)
    assert 4 == len(server.experiments[home].spans)
    assert not server.experiments["0"].spans


async def test_trace_follows_where_the_server_tells_one_by_one(server: FakeMlflow) -> None:
    """Without the batch call the named trace's home is read by itself."""
    home = server.add_experiment("home")
    sent = batch({})
    server.experiments[home].spans[sent.spans[0].trace_id, b"earlier!"] = sent.spans[0].peek
    server.answer_next(404, "<html>", HTML, path="/batchGetInfos")

    async with exporting(server.url, experiment={"default": 0}) as exporter:
        with pytest.raises(Moved) as caught:
            await send(exporter, sent)

    assert [f'{{"id":"{home}"}}'] == list(caught.value.homes.values())


async def test_trace_whose_home_cannot_be_seen_is_rejected_alone(server: FakeMlflow) -> None:
    """A trace in a workspace that we cannot see is given up; the others of its batch are not."""
    sent = batch({}, {}, one_trace=False)
    hidden = sent.spans[0].trace_id
    server.answer_next(
        400,
        '{"error_code": "INVALID_PARAMETER_VALUE", "message": '
        f"\"Trace with ID 'tr-{hidden.hex()}' already exists in another experiment.\"}}",
    )

    async with exporting(server.url, experiment={"default": 0}) as exporter:
        with pytest.raises(Reject) as caught:
            await send(exporter, sent)

    assert not caught.value.isolate
    assert [hidden] == [span.trace_id for span in caught.value.spans or ()]


@pytest.mark.parametrize("status", [403, 404])
async def test_home_that_may_not_be_read_parks_nothing(server: FakeMlflow, status: int) -> None:
    """One trace that belongs to somebody else does not hold up an experiment."""
    home = server.add_experiment("theirs")
    sent = batch({})
    server.experiments[home].spans[sent.spans[0].trace_id, b"earlier!"] = sent.spans[0].peek
    for path in ("/batchGetInfos", "/traces/get"):
        server.answer_next(status, '{"error_code": "RESOURCE_DOES_NOT_EXIST"}', path=path)

    failure = await refused_batch(server, sent)

    assert isinstance(failure, Reject)
    assert not failure.isolate


async def test_trace_that_came_here_meanwhile_is_tried_again(server: FakeMlflow) -> None:
    """Between MLflow's refusal and our question the trace's home may have become the right one."""
    sent = batch({})
    server.experiments["0"].spans[sent.spans[0].trace_id, b"earlier!"] = sent.spans[0].peek
    trace = sent.spans[0].trace_id.hex()
    server.answer_next(
        400, f'{{"message": "Trace with ID \'tr-{trace}\' already exists in another experiment."}}'
    )

    failure = await refused_batch(server, sent)

    assert isinstance(failure, Reject)
    assert failure.isolate


async def test_tenant_cannot_follow_a_trace_out_of_its_experiments(server: FakeMlflow) -> None:
    """Somebody else's trace id opens no experiment that the tenant's allow list closes."""
    home = server.add_experiment("payroll")
    tenants = {"search": TenantConfig(name="search", experiments=["search-*"])}
    sent = batch(
        {}, resource={"mlflow.experiment": "search-a"}, context=BatchContext(tenant="search")
    )
    server.experiments[home].spans[sent.spans[0].trace_id, b"earlier!"] = sent.spans[0].peek

    async with exporting(server.url, ExporterContext(tenants)) as exporter:
        with pytest.raises(Reject) as caught:
            await send(exporter, sent)

    assert not isinstance(caught.value, Moved)
    assert 1 == len(server.experiments[home].spans)
    assert "payroll" not in caught.value.reason


async def test_tenants_ids_are_checked_by_name_from_the_start(server: FakeMlflow) -> None:
    """Where a tenant has an allow list, the names of all experiments are learnt at start."""
    allowed, closed = server.add_experiment("search-a"), server.add_experiment("payroll")
    tenants = {"search": TenantConfig(name="search", experiments=["search-*"])}

    async with exporting(server.url, ExporterContext(tenants)) as exporter:
        for experiment_id, may in ((allowed, True), (closed, False)):
            context = BatchContext(tenant="search", headers=by_id(experiment_id).headers)
            if may:
                await send(exporter, batch({}, context=context))
            else:
                with pytest.raises(Reject):
                    await send(exporter, batch({}, context=context))

    assert 1 == len(server.experiments[allowed].spans)


async def test_concurrent_batches_share_one_lookup(server: FakeMlflow) -> None:
    """Eight batches for a new experiment make it once, and ask for it once or twice."""
    async with exporting(server.url, experiment={"default": 0}) as exporter:
        batches = [batch({}, resource={"mlflow.experiment": "new"}) for _ in range(8)]
        await asyncio.gather(*(send(exporter, one) for one in batches))

    assert 1 == len(server.calls("/experiments/create"))
    assert 2 == len(server.calls("/experiments/get-by-name"))


async def test_experiment_that_somebody_else_just_created_is_used(server: FakeMlflow) -> None:
    """Losing the race to create an experiment is no failure."""
    server.add_experiment("new")
    missing = '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "not yet"}'
    server.answer_next(404, missing, path="/get-by-name")

    async with exporting(server.url, experiment={"default": "new"}) as exporter:
        await send(exporter, batch({}))

    assert 1 == len(server.calls("/experiments/create"))
    assert 1 == len(server.experiments["1"].spans)


async def test_experiments_are_created_up_to_the_cap(server: FakeMlflow) -> None:
    """At most 100 an hour and tenant are created; the next waits for its turn."""
    context = ExporterContext({name: TenantConfig(name=name) for name in "ab"})

    def named(number: int, tenant: str = "a") -> Batch:
        resource = {"mlflow.experiment": f"e-{tenant}-{number}"}
        return batch({}, resource=resource, context=BatchContext(tenant=tenant))

    async with exporting(server.url, context, experiment={"default": 0}) as exporter:
        for number in range(100):
            await send(exporter, named(number))
        with pytest.raises(Retry) as caught:
            await send(exporter, named(100))
        await send(exporter, named(0))
        await send(exporter, named(100, "b"))
        context.clock.advance(3601)
        await send(exporter, named(100))

    assert ("destination", 3600.0) == (caught.value.scope, caught.value.after)
    assert caught.value.advice is not None
    assert 102 == len(server.calls("/experiments/create"))


async def test_answer_about_an_experiment_counts_for_seconds(server: FakeMlflow) -> None:
    """An experiment is not looked up for every batch, but again after ten seconds."""
    context = ExporterContext()
    async with exporting(server.url, context, experiment={"default": "Default"}) as exporter:
        for _ in range(5):
            await send(exporter, batch({}))
        before = len(server.calls("/get-by-name"))
        context.clock.advance(11)
        await send(exporter, batch({}))

    assert (1, 2) == (before, len(server.calls("/get-by-name")))


async def test_missing_experiment_is_looked_up_again_at_once(server: FakeMlflow) -> None:
    """A 404 for an experiment that was there voids what is known of it."""
    server.add_experiment("mine")
    async with exporting(server.url, experiment={"default": "mine"}) as exporter:
        await send(exporter, batch({}))
        del server.experiments["1"]
        with pytest.raises(Retry):
            await send(exporter, batch({}))
        await send(exporter, batch({}))

    assert 1 == len(server.experiments["2"].spans)


@pytest.mark.parametrize("status", [403, 404, 405, 501])
async def test_id_is_used_where_it_cannot_be_looked_up(server: FakeMlflow, status: int) -> None:
    """A proxy that lets through nothing but /v1/traces is no reason to hold an id back."""
    async with exporting(
        server.url, experiment={"default": "x", "create_missing": False}
    ) as exporter:
        server.answer_next(status, "<html>no</html>", HTML, path="/experiments/get")
        await send(exporter, batch({}, context=by_id("0")))

    assert 1 == len(server.experiments["0"].spans)


async def test_basic_credentials_are_sent(server: FakeMlflow) -> None:
    """User and password go with REST calls and traces alike."""
    password = "not-a-real-" + "password"
    async with FakeMlflow(basic_auth=f"ada:{password}") as closed:
        auth = {"username": "ada", "password": password}
        async with exporting(closed.url, auth=auth) as exporter:
            await send(exporter, batch({}))

        assert 1 == len(closed.experiments["1"].spans)


async def test_token_file_is_read_again_when_it_changes(server: FakeMlflow, tmp_path: Path) -> None:
    """A rotated token counts without a restart."""
    path = tmp_path / "token"
    path.write_text("first\n")
    context = ExporterContext()
    auth = {"token_file": str(path)}

    async with exporting(server.url, context, experiment={"default": 0}, auth=auth) as exporter:
        await send(exporter, batch({}))
        path.write_text("second-token\n")
        context.clock.advance(2)
        await send(exporter, batch({}))
        path.unlink()
        context.clock.advance(2)
        with pytest.raises(Retry) as caught:
            await send(exporter, batch({}))

    sent = [asked.headers["Authorization"] for asked in server.calls("/v1/traces")]
    assert ["Bearer first", "Bearer second-token"] == sent
    assert "exporter" == caught.value.scope


async def test_workspace_goes_with_every_call(server: FakeMlflow) -> None:
    """On a server with workspaces REST calls and traces name the same one."""
    server.workspaces_enabled = True
    server.add_experiment("mine")
    async with exporting(server.url, experiment={"default": "mine"}, workspace="w") as exporter:
        await send(exporter, batch({}))

    for path in ("/get-by-name", "/v1/traces"):
        assert {"w"} == {asked.headers["X-MLFLOW-WORKSPACE"] for asked in server.calls(path)}


async def test_databricks_gets_its_table_and_nothing_of_experiments(server: FakeMlflow) -> None:
    """Databricks takes spans for a table, with a bearer token, and is asked nothing else."""
    server.answer_next(200)
    token = "dapi-" + "not-a-real-token"
    settings = {"databricks": {"table": "main.llm.app_otel_spans"}, "auth": {"token": token}}

    async with exporting(server.url, None, **settings) as exporter:
        await send(exporter, batch({}))

    (asked,) = server.asked
    assert "/api/2.0/otel/v1/traces" == asked.path
    assert "main.llm.app_otel_spans" == asked.headers["X-Databricks-UC-Table-Name"]
    assert f"Bearer {token}" == asked.headers["Authorization"]
    assert "x-mlflow-experiment-id" not in asked.headers


async def test_databricks_is_known_by_its_address(server: FakeMlflow) -> None:
    """The full address with the header among ``headers`` means the same."""
    server.answer_next(200)
    headers = {"X-Databricks-UC-Table-Name": "main.llm.app_otel_spans"}

    async with exporting(f"{server.url}/api/2.0/otel/v1/traces", headers=headers) as exporter:
        await send(exporter, batch({}))

    (asked,) = server.asked
    assert "/api/2.0/otel/v1/traces" == asked.path
    assert "x-mlflow-experiment-id" not in asked.headers


async def test_server_is_greeted_with_warnings(server: FakeMlflow) -> None:
    """At start a file store and an old version are reported, with what to do."""
    server.store_type, server.version = "FileStore", "3.9.0"
    context = ExporterContext()

    async with exporting(server.url, context):
        pass

    warnings = [event for level, event, _ in context.logger.lines if level == "warning"]
    assert 2 == len(warnings)
    assert any("3.9.0" in event for event in warnings)


async def test_start_does_not_wait_for_a_silent_server(
    server: FakeMlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that accepts and says nothing does not hold the gateway up for long."""
    monkeypatch.setattr("exporters.mlflow.exporter.START_WAIT_S", 0.05)
    server.gate.clear()
    async with asyncio.timeout(FAR_TOO_MUCH), exporting(server.url) as exporter:
        page = exporter.pages()["experiment llm-traces"]
    server.gate.set()

    assert f"{server.url}/#/experiments" == page


async def test_asking_goes_on_after_an_unforeseen_fault(
    server: FakeMlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server says of itself is heard all the same."""
    context, greeted = ExporterContext(), asyncio.Event()
    greet, left = Mlflow._greet, [ValueError("unforeseen")]

    async def faulty(exporter: Mlflow, *given: object) -> bool:
        if left:
            raise left.pop()
        greeted.set()
        return await greet(exporter, *given)  # type: ignore[arg-type] # passed on as they come

    monkeypatch.setattr(Mlflow, "_greet", faulty)
    async with exporting(server.url, context):
        await greeted.wait()

    assert ["MLflow"] == [
        told["part"] for level, _, told in context.logger.lines if level == "error"
    ]


async def test_stop_is_safe_without_start() -> None:
    """As every component's."""
    exporter = Mlflow(MlflowConfig())
    await exporter.stop()
    await exporter.stop()


def _only(traces: Batch, count: int) -> Batch:
    """Return the first spans of a batch."""
    for span in traces.spans[count:]:
        traces.drop(span)
    return traces


async def test_destination_survives_a_restart(server: FakeMlflow) -> None:
    """A key made by one process is understood by the next one."""
    sent = batch({})
    async with exporting(server.url, experiment={"default": 0}) as first:
        waiting = routed(first, sent)
    async with exporting(server.url, experiment={"default": 5}) as second:
        await second.export(waiting)

    assert 1 == len(server.experiments["0"].spans)


async def test_answers_while_something_stands_for_the_server(server: FakeMlflow) -> None:
    """MLflow answers; a proxy that has lost it or lets nobody in, and a closed port, do not."""
    async with exporting(server.url, experiment={"default": 0}) as exporter:
        assert await exporter.answers()
        for status in (502, 429):
            server.answer_next(status, "not now", "text/html", path="/health")
            assert not await exporter.answers()
        assert await exporter.answers()
    async with exporting("http://127.0.0.1:1", experiment={"default": 0}) as exporter:
        assert not await exporter.answers()
