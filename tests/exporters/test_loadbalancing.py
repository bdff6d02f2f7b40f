"""What ``loadbalancing`` promises, shown against real gRPC servers."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest

from exporters import loadbalancing
from exporters.loadbalancing import LoadBalancing
from exporters.resolving import DnsConfig, ResolverConfig, StaticConfig, resolve
from gateway.plugin import Batch, BatchContext, Reject, Retry
from gateway.testing import FakeClock, batch, component
from tests.exporters.backends import FakeContext, GrpcSink, grpc_sink

Code = grpc.StatusCode


@pytest.fixture
async def sinks() -> AsyncIterator[list[GrpcSink]]:
    """Run three backends."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(grpc_sink()) for _ in range(3)]


def address(sink: GrpcSink) -> str:
    return f"127.0.0.1:{sink.port}"


@asynccontextmanager
async def exporter_to(*sinks: GrpcSink) -> AsyncIterator[LoadBalancing]:
    """Run an exporter with these backends."""
    names = [address(sink) for sink in sinks]
    exporter = component(LoadBalancing, resolver={"static": {"hostnames": names}})
    await exporter.start(FakeContext())
    try:
        yield exporter
    finally:
        await exporter.stop()


class Looking(FakeContext):
    """A context whose clock stands still, so that a name is looked up when a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = StillClock()


class StillClock(FakeClock):
    """A clock on which nobody wakes up."""

    async def sleep(self, seconds: float) -> None:
        """Wait for ever."""
        del seconds
        await asyncio.Event().wait()


def traces(sink: GrpcSink) -> Counter[bytes]:
    """Return how many spans of each trace a backend has."""
    return Counter(span.trace_id for body in sink.received for span in Batch(body))


def many(traces: int, spans: int = 3) -> Batch:
    """Return traces of several spans each, mixed."""
    some = [batch(*({} for _ in range(spans))) for _ in range(traces)]
    request = some[0].request
    for other in some[1:]:
        request.MergeFrom(other.request)
    return Batch(request.SerializeToString())


async def test_traces_stay_whole_and_spread(sinks: list[GrpcSink]) -> None:
    """Every span arrives once, all of a trace at one place, and no place is left out."""
    async with exporter_to(*sinks) as exporter:
        await exporter.export(many(120))

    found = [traces(sink) for sink in sinks]
    assert {3} == set(sum(found, Counter()).values())
    assert 120 == sum(len(one) for one in found)
    assert all(20 < len(one) < 60 for one in found)


async def test_later_spans_follow(sinks: list[GrpcSink]) -> None:
    """Another gateway with the same backends, in any order, sends a trace to the same place."""
    sent = many(30, spans=1)
    async with exporter_to(*sinks) as exporter:
        await exporter.export(sent)
    async with exporter_to(*reversed(sinks)) as exporter:
        await exporter.export(Batch(sent.encode()))

    assert {2} == {count for sink in sinks for count in traces(sink).values()}


async def test_one_that_goes_moves_only_its_own(
    sinks: list[GrpcSink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The traces of the others keep their place when the name loses an address."""
    found = [[address(sink) for sink in sinks], [address(sink) for sink in sinks[:2]]]

    async def look_up(_config: ResolverConfig) -> list[str]:
        return sorted(found.pop(0) if len(found) > 1 else found[0])

    monkeypatch.setattr(loadbalancing, "resolve", look_up)
    sent = many(60, spans=1)
    exporter = component(
        LoadBalancing, resolver={"dns": {"hostname": "backends", "interval": "1h"}}
    )
    context = Looking()
    await exporter.start(context)
    await exporter.export(Batch(sent.encode()))
    before = [set(traces(sink)) for sink in sinks]
    await exporter._look_up(context)
    await exporter.export(Batch(sent.encode()))
    await exporter.stop()

    for sink, had in zip(sinks[:2], before[:2], strict=True):
        assert all(2 == traces(sink)[trace] for trace in had)
    assert before[2] <= set(traces(sinks[0])) | set(traces(sinks[1]))


async def test_a_backend_that_is_away_gets_its_part_alone(sinks: list[GrpcSink]) -> None:
    """What the others have taken is not sent again when the request is tried again."""
    sent = many(60, spans=1)
    sinks[0].answers.append((Code.UNAVAILABLE, "restarting", ()))
    async with exporter_to(*sinks) as exporter:
        with pytest.raises(Retry, match="restarting"):
            await exporter.export(Batch(sent.encode()))
        await exporter.export(Batch(sent.encode()))

    assert [2, 1, 1] == [len(sink.received) for sink in sinks]
    assert 60 == len(traces(sinks[0]) | traces(sinks[1]) | traces(sinks[2]))


async def test_what_is_wrong_comes_before_what_is_away(sinks: list[GrpcSink]) -> None:
    """The engine is to find the guilty trace, though another backend is away."""
    sinks[0].answers.append((Code.UNAVAILABLE, "restarting", ()))
    sinks[1].answers.append((Code.INVALID_ARGUMENT, "no", ()))
    async with exporter_to(*sinks) as exporter:
        with pytest.raises(Reject) as caught:
            await exporter.export(many(60))

    assert caught.value.isolate


async def test_routing_headers_go_along(sinks: list[GrpcSink]) -> None:
    """The next gateway decides by the headers that the client sent to this one."""
    headers = (("x-mlflow-experiment-id", "7"), ("x-mlflow-run-id", "a&b=c"))
    async with exporter_to(sinks[0]) as exporter:
        destination = exporter.route(BatchContext(headers=headers), batch({}).resources[0])
        await exporter.export(Batch(batch({}).encode(), BatchContext(destination=destination)))

    sent = sinks[0].metadata[0]
    assert headers == tuple((name, sent[name]) for name, _ in headers)


def test_tenants_are_kept_apart() -> None:
    """What a backend says of one tenant's spans is said of no other's."""
    exporter = component(LoadBalancing, resolver={"static": {"hostnames": ["a"]}})
    resource = batch({}).resources[0]
    tenants = ("", "search", "checkout")

    assert 3 == len({exporter.route(BatchContext(tenant=one), resource) for one in tenants})


async def test_a_tenant_is_no_header(sinks: list[GrpcSink]) -> None:
    """Who the next gateway believes the sender to be is not for this one to say in a header."""
    async with exporter_to(sinks[0]) as exporter:
        destination = exporter.route(BatchContext(tenant="search"), batch({}).resources[0])
        await exporter.export(Batch(batch({}).encode(), BatchContext(destination=destination)))

    assert "tenant" not in sinks[0].metadata[0]


async def test_a_forbidden_experiment_concerns_its_trace_alone(sinks: list[GrpcSink]) -> None:
    """The engine is to find the trace; holding all others back would help nobody."""
    sinks[0].answers.append((Code.PERMISSION_DENIED, "not yours", ()))
    async with exporter_to(sinks[0]) as exporter:
        with pytest.raises(Reject, match="not yours") as caught:
            await exporter.export(many(2))

    assert caught.value.isolate


async def test_wrong_credentials_are_no_fault_of_the_spans(sinks: list[GrpcSink]) -> None:
    """They wait until somebody has mended the settings."""
    sinks[0].answers.append((Code.UNAUTHENTICATED, "who?", ()))
    async with exporter_to(sinks[0]) as exporter:
        with pytest.raises(Retry) as caught:
            await exporter.export(many(2))

    assert caught.value.advice


async def test_a_backend_that_goes_while_it_is_sent_to(sinks: list[GrpcSink]) -> None:
    """The request is tried again, by then with the others; nobody's task is cancelled."""
    sinks[0].gate.clear()
    context = Looking()
    async with exporter_to(sinks[0]) as exporter:
        sending = asyncio.create_task(exporter.export(many(2)))
        await sinks[0].came.wait()
        await exporter._use([address(sinks[1])], context)
        with pytest.raises(Retry, match="no backend any more"):
            await sending
        sinks[0].gate.set()


async def test_without_a_backend_spans_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that cannot be looked up yet is no reason not to start."""

    async def look_up(_config: ResolverConfig) -> list[str]:
        raise OSError("no such name")

    monkeypatch.setattr(loadbalancing, "resolve", look_up)
    exporter = component(LoadBalancing, resolver={"dns": {"hostname": "backends"}})
    context = Looking()
    await exporter.start(context)
    with pytest.raises(Retry, match="no backend"):
        await exporter.export(batch({}))
    await exporter.stop()
    assert "backends cannot be looked up; those of before stay" in {
        event for _, event, _ in context.logger.lines
    }


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "set either static"),
        ({"resolver": {"static": {"hostnames": ["a"]}, "dns": {"hostname": "b"}}}, "either static"),
        ({"resolver": {"static": {}}}, "at least one backend"),
        ({"resolver": {"dns": {}}}, r"dns\.hostname"),
        ({"resolver": {"dns": {"hostname": "b", "interval": "0s"}}}, "above 0s"),
        (
            {
                "resolver": {"dns": {"hostname": "b"}},
                "protocol": {"otlp": {"headers": {"grpc-x": "1"}}},
            },
            "headers.grpc-x",
        ),
    ],
    ids=str,
)
def test_wrong_settings_are_refused(settings: dict[str, object], says: str) -> None:
    """Each says which key is wrong and what would be right."""
    with pytest.raises(ValueError, match=says):
        component(LoadBalancing, **settings)


async def test_names_and_ports() -> None:
    """Port 4317 where none is named; IPv6 in brackets; a name yields all its addresses."""
    names = ("b", "a:4000", "::1", "[::1]", "[::1]:4000")
    found = await resolve(ResolverConfig(static=StaticConfig(hostnames=names)))
    assert ["[::1]:4000", "[::1]:4317", "a:4000", "b:4317"] == found
    dns = ResolverConfig(dns=DnsConfig(hostname="127.0.0.1", port=4000))
    assert ["127.0.0.1:4000"] == await resolve(dns)


async def test_a_name_without_addresses_is_an_error() -> None:
    """Reserved names never resolve."""
    with pytest.raises(OSError, match=r".+"):
        await resolve(ResolverConfig(dns=DnsConfig(hostname="nothing.invalid")))


async def test_looking_goes_on_after_an_unforeseen_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Backends that come later are found all the same."""
    found, looked = [["127.0.0.1:1"], None, ["127.0.0.1:2"]], asyncio.Event()

    async def look_up(_config: ResolverConfig) -> list[str]:
        if not found:
            looked.set()
            await asyncio.Event().wait()
        addresses = found.pop(0)
        if addresses is None:
            raise ValueError("unforeseen")
        return addresses

    monkeypatch.setattr(loadbalancing, "resolve", look_up)
    exporter = component(LoadBalancing, resolver={"dns": {"hostname": "backends"}})
    await exporter.start(FakeContext())
    await looked.wait()

    assert ["127.0.0.1:2"] == list(exporter._backends)
    await exporter.stop()
