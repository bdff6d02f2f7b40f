"""Tenants that come and go while the receiver runs, and tenants that send for others."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from gateway.courtesy import Courtesy, Expected
from gateway.errors import Busy
from gateway.receivers import handover, http_protocol, requests, tenant_directory

Make = Callable[..., ExportTraceServiceRequest]
Serve = Any  # the fixture's types live in conftest, which cannot be imported

TOKEN_A = "fake-" + "token-a"
TOKEN_B = "fake-" + "token-b"
NODE = "fake-" + "token-node"
NAMESPACE = "k8s.namespace.name"


def settle(path: Path) -> None:
    """Make a file look as if written a second ago."""
    then = time.time_ns() - 10**9
    os.utime(path, ns=(then, then))


async def refresh(served: Any) -> None:
    """Let the receiver look for changes now."""
    await served.receiver._directory.refresh()


def audited(served: Any) -> list[str]:
    """Return the events of the audit log."""
    return [event for _, event, fields in served.log.events if fields.get("audit")]


async def test_rotation_without_restart(serve: Serve, tmp_path: Path) -> None:
    """Old and new token live side by side, and the old one goes, on the same connections."""
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKEN_A)
    served = await serve(auth={"tenants": [{"name": "a", "tokens_file": str(tokens)}]})

    async def statuses() -> list[int]:
        return [(await served.send(b"", {"x-api-key": key})).status for key in (TOKEN_A, TOKEN_B)]

    assert [200, 401] == await statuses()
    for text, expected in [
        (f"{TOKEN_A}\n{TOKEN_B}\n", [200, 200]),
        (f"{TOKEN_B}\n", [401, 200]),
    ]:
        tokens.write_text(text)
        settle(tokens)
        await refresh(served)
        assert expected == await statuses()
    assert ["tenants reloaded"] * 2 == [e for e in audited(served) if "reloaded" in e]


async def test_changes_are_noticed_by_themselves(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to tell the gateway that a file has changed."""
    monkeypatch.setattr(tenant_directory, "LOOK_EVERY_S", 0.01)
    folder = tmp_path / "tenants.d"
    folder.mkdir()
    served = await serve(auth={"tenants_from": str(folder)})
    assert 401 == (await served.send(b"", {"x-api-key": TOKEN_A})).status

    (folder / "a.yaml").write_text(f"name: a\ntokens: [{TOKEN_A}]\n")
    deadline = time.monotonic() + 10
    while (await served.send(b"", {"x-api-key": TOKEN_A})).status != 200:
        assert time.monotonic() < deadline


async def test_an_empty_folder_lets_nobody_in(serve: Serve, tmp_path: Path) -> None:
    """A folder without tenants is no open door, and neither is one whose last tenant goes."""
    (tmp_path / "a.yaml").write_text(f"name: a\ntokens: [{TOKEN_A}]\n")
    served = await serve(auth={"tenants_from": str(tmp_path)})
    (tmp_path / "a.yaml").unlink()
    await refresh(served)

    assert 401 == (await served.send(b"")).status
    assert grpc.StatusCode.UNAUTHENTICATED == (await served.call(b"")).code


async def test_mistakes_at_start_name_file_and_line(serve: Serve, tmp_path: Path) -> None:
    """A receiver does not start with tenants that it cannot understand."""
    (tmp_path / "a.yaml").write_text("name: a\ntokens: [x]\nexperimens: [y]\n")

    with pytest.raises(ValueError, match=r"a\.yaml:3: experimens: unknown key"):
        await serve(auth={"tenants_from": str(tmp_path)})


@pytest.mark.parametrize(
    ("auth", "message"),
    [
        ({"tenants_from": "no-such-folder"}, "cannot read the folder"),
        ({"tenants": [{"name": "a", "tokens_file": "no-such-file"}]}, "No such file"),
    ],
)
async def test_missing_files_stop_the_start(serve: Serve, auth: Any, message: str) -> None:
    """What is not there is an error that names the setting."""
    with pytest.raises(ValueError, match=rf"receivers\.otlp\.auth: .*{message}"):
        await serve(auth=auth)


async def test_a_newcomer_cannot_take_a_name_or_token(serve: Serve, tmp_path: Path) -> None:
    """Of two tenants with something in common the later one is left out, and that is told."""
    settings = {"name": "a", "tokens": [TOKEN_A]}
    served = await serve(auth={"tenants": [settings], "tenants_from": str(tmp_path)})
    for number, text in enumerate(
        [f"name: a\ntokens: [{TOKEN_B}]\n", f"name: thief\ntokens: [{TOKEN_A}]\n"]
    ):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        settle(path)
    await refresh(served)

    assert 401 == (await served.send(b"", {"x-api-key": TOKEN_B})).status
    assert ["a"] == list(served.receiver._directory.auth.accounts)
    assert ["tenant left out"] * 2 == [e for e in audited(served) if "left out" in e]
    assert TOKEN_A not in str(served.log.events)


async def test_quota_survives_a_reload(serve: Serve, make_request: Make, tmp_path: Path) -> None:
    """Touching a file does not fill a used-up quota."""
    path = tmp_path / "a.yaml"
    text = f"name: a\ntokens: [{TOKEN_A}]\nquota: {{spans_per_second: 0.01, burst: 1}}\n"
    path.write_text(text)
    served = await serve(auth={"tenants_from": str(tmp_path)})
    body = make_request("a").SerializeToString()
    assert 200 == (await served.send(body, {"x-api-key": TOKEN_A})).status

    path.write_text(text + "experiment: other\n")
    settle(path)
    await refresh(served)

    assert 429 == (await served.send(body, {"x-api-key": TOKEN_A})).status


# --- tenants that send for others

MERGING = {
    "tenants": [
        {"name": "node", "tokens": [NODE], "trusted": True},
        {"name": "pay", "tokens": [TOKEN_A], "quota": {"spans_per_second": 1, "burst": 2}},
        {"name": "ship", "tokens": [TOKEN_B]},
    ],
    "tenant_attribute": NAMESPACE,
}


def merged(*namespaces: str | None) -> bytes:
    """Return a request with a resource for each namespace, each with one span named after it."""
    request = ExportTraceServiceRequest()
    for number, namespace in enumerate(namespaces, 1):
        group = request.resource_spans.add()
        if namespace is not None:
            group.resource.attributes.add(key=NAMESPACE).value.string_value = namespace
        group.scope_spans.add().spans.add(
            trace_id=number.to_bytes(16), span_id=number.to_bytes(8), name=namespace or "none"
        )
    return request.SerializeToString()


def by_tenant(served: Any) -> dict[str, list[str]]:
    """Return the names of the delivered spans by tenant."""
    return {b.context.tenant: [span.name for span in b] for b in served.engine.batches}


def partial(body: bytes) -> ExportTracePartialSuccess:
    """Return the partial success of an answer."""
    return ExportTraceServiceResponse.FromString(body).partial_success


async def test_trusted_tenants_send_for_others(serve: Serve) -> None:
    """Each resource's spans are its tenant's; those that name nobody are the sender's own."""
    served = await serve(auth=MERGING)

    answer = await served.send(merged("pay", "ship", None, "pay"), {"x-api-key": NODE})
    by_grpc = await served.call(merged("ship"), (("x-api-key", NODE),))

    assert (200, b"") == (answer.status, answer.body)
    assert (grpc.StatusCode.OK, b"") == (by_grpc.code, by_grpc.body)
    assert [("pay", 2), ("ship", 1), ("node", 1), ("ship", 1)] == [
        (batch.context.tenant, len(batch)) for batch in served.engine.batches
    ]


async def test_who_floods_through_another_gives_way(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent for a tenant counts as used by it, beside those who use little."""
    courtesy = Courtesy()
    for module in (handover, requests):
        monkeypatch.setattr(module, "COURTESY", courtesy)
    served = await serve(auth=MERGING)

    await served.send(merged(*["ship"] * 100, "pay"), {"x-api-key": NODE})

    assert courtesy.pace("ship").gives_way
    assert not courtesy.pace("pay").gives_way


async def test_what_is_read_for_a_flood_waits_for_who_is_answered(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on once those who use little have their answers."""
    asked, go_on = asyncio.Queue[str | None](), asyncio.Event()

    class Doorkeeper(Courtesy):
        async def after_others(self, tenant: str | None = None) -> None:
            asked.put_nowait(tenant)
            await go_on.wait()

    monkeypatch.setattr(requests, "COURTESY", Doorkeeper())
    served = await serve(auth=MERGING)

    sending = asyncio.create_task(served.send(merged("ship"), {"x-api-key": NODE}))
    assert "node" == await asked.get()
    assert not served.engine.batches
    go_on.set()
    assert 200 == (await sending).status


async def test_who_uses_little_is_expected_from_the_first_byte(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a connection that it has used a flood gives way before its request is read."""
    held: list[tuple[str, bool]] = []

    class Noting(Courtesy):
        def expect(self, tenant: str) -> Expected | None:
            expected = super().expect(tenant)
            held.append((tenant, self.held_s() > 0))
            return expected

    courtesy = Noting()
    courtesy.use("flood", 1e9)
    courtesy.use("a", 1)
    monkeypatch.setattr(http_protocol, "COURTESY", courtesy)
    served = await serve(auth={"tenants": [{"name": "a", "tokens": [TOKEN_A]}]})

    assert 200 == (await served.send(b"", {"x-api-key": TOKEN_A})).status
    assert not held
    assert 200 == (await served.send(b"", {"x-api-key": TOKEN_A})).status
    assert [("a", True)] == held
    assert 0 == courtesy.held_s()


async def test_others_are_taken_at_no_word(serve: Serve) -> None:
    """The attribute of a tenant that is not trusted means nothing."""
    served = await serve(auth=MERGING)

    await served.send(merged("pay"), {"x-api-key": TOKEN_B})

    assert {"ship": ["pay"]} == by_tenant(served)


async def test_unknown_tenants_are_refused_alone(serve: Serve) -> None:
    """Spans of a tenant that nobody knows are refused by partial success, the rest arrives."""
    served = await serve(auth=MERGING)

    answer = await served.send(merged("ship", "nobody", "nobody"), {"x-api-key": NODE})

    assert {"ship": ["ship"]} == by_tenant(served)
    assert (200, 2) == (answer.status, partial(answer.body).rejected_spans)
    assert (
        'k8s.namespace.name names no tenant of this gateway: "nobody"'
        == partial(answer.body).error_message
    )
    assert ["not allowed"] == audited(served)


async def test_a_request_of_unknown_tenants_is_forbidden(serve: Serve) -> None:
    """Where nothing can be accepted the whole request is refused, with 403."""
    served = await serve(auth=MERGING)

    answer = await served.send(merged("nobody"), {"x-api-key": NODE})
    by_grpc = await served.call(merged("nobody"), (("x-api-key", NODE),))

    assert (403, grpc.StatusCode.PERMISSION_DENIED) == (answer.status, by_grpc.code)


async def test_quota_of_each_tenant_counts(serve: Serve) -> None:
    """A tenant over its quota harms none of those who come by the same sender."""
    served = await serve(auth=MERGING)

    mixed = await served.send(merged("pay", "pay", "ship", "pay"), {"x-api-key": NODE})
    again = await served.send(merged("pay", "ship"), {"x-api-key": NODE})
    alone = await served.send(merged("pay"), {"x-api-key": NODE})

    assert (200, 0) == (mixed.status, partial(mixed.body).rejected_spans)
    assert (200, 1) == (again.status, partial(again.body).rejected_spans)
    assert 'tenant "pay": the quota' in partial(again.body).error_message
    assert 429 == alone.status
    assert int(alone.headers["Retry-After"]) >= 1


async def test_one_tenant_that_may_not_harms_no_other(serve: Serve) -> None:
    """Spans that their tenant may not write are refused, those of the others arrive."""
    served = await serve(auth=MERGING)
    served.engine.forbidden = {"pay"}

    answer = await served.send(merged("pay", "ship"), {"x-api-key": NODE})

    assert {"ship": ["ship"]} == by_tenant(served)
    assert 1 == partial(answer.body).rejected_spans
    assert 'tenant "pay": pay may not write there' in partial(answer.body).error_message


async def test_one_tenant_that_fills_the_queue_harms_no_other(serve: Serve) -> None:
    """Where a merged request holds spans of a tenant with a full share, the others' arrive."""
    served = await serve(auth=MERGING)
    served.engine.filled = {"pay"}

    answer = await served.send(merged("pay", "ship"), {"x-api-key": NODE})
    alone = await served.send(merged("pay"), {"x-api-key": NODE})

    assert {"ship": ["ship"]} == by_tenant(served)
    assert 1 == partial(answer.body).rejected_spans
    assert 'tenant "pay": the queue is full for this tenant' in partial(answer.body).error_message
    assert (429, "5") == (alone.status, alone.headers["Retry-After"])


async def test_no_room_is_told_before_anything_is_read(serve: Serve, make_request: Make) -> None:
    """A pipeline that takes nothing now refuses on both protocols, with its delay."""
    served = await serve()
    served.engine.no_room = Busy("short of memory", 3)
    body = make_request("a").SerializeToString()

    answer = await served.send(b"not even protobuf")
    by_grpc = await served.call(body)

    assert (429, "3") == (answer.status, answer.headers["Retry-After"])
    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, 3.0) == (by_grpc.code, by_grpc.delay_s)
    assert 0 == served.receiver._admission._requests


# --- one tenant among others, under load


async def test_one_tenant_cannot_take_all_the_room(serve: Serve, make_request: Make) -> None:
    """Requests of a flooding tenant that hang leave slots for the others, on both protocols."""
    tenants = [{"name": "a", "tokens": [TOKEN_A]}, {"name": "b", "tokens": [TOKEN_B]}]
    served = await serve(auth={"tenants": tenants}, max_concurrent_requests=8)
    body = make_request("a").SerializeToString()
    served.engine.go_on.clear()
    async with asyncio.TaskGroup() as tasks:
        flood = [tasks.create_task(served.send(body, {"x-api-key": TOKEN_A})) for _ in range(20)]
        for _ in range(4):
            await served.engine.entered.acquire()
        refused = await served.call(body, (("x-api-key", TOKEN_A),))
        others = [
            tasks.create_task(served.send(body, {"x-api-key": TOKEN_B})),
            tasks.create_task(served.call(body, (("x-api-key", TOKEN_B),))),
        ]
        for _ in others:
            await served.engine.entered.acquire()
        served.engine.go_on.set()

    answers = [task.result() for task in flood]
    assert [200] * 4 == [a.status for a in answers if a.status != 429]
    assert all(answer.headers["Retry-After"] for answer in answers if answer.status == 429)
    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, 1.0) == (refused.code, refused.delay_s)
    assert (200, grpc.StatusCode.OK) == (others[0].result().status, others[1].result().code)


async def test_quota_holds_under_load(serve: Serve, make_request: Make) -> None:
    """Many senders on both protocols get no more than the quota, each refusal with its delay."""
    quota = {"spans_per_second": 200, "burst": 100}
    tenants = [{"name": "a", "tokens": [TOKEN_A], "quota": quota}]
    served = await serve(auth={"tenants": tenants})
    body = make_request(*("s" for _ in range(5))).SerializeToString()
    key = {"x-api-key": TOKEN_A}
    start = time.monotonic()
    delays: list[float] = []

    async def over_http() -> None:
        while time.monotonic() - start < 1:
            answer = await served.send(body, key)
            assert answer.status in {200, 429}
            delays.extend([float(answer.headers["Retry-After"])] if answer.status == 429 else [])

    async def over_grpc() -> None:
        while time.monotonic() - start < 1:
            answer = await served.call(body, tuple(key.items()))
            assert answer.code in {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
            delays.extend([answer.delay_s or 0] if answer.code != grpc.StatusCode.OK else [])

    await asyncio.gather(*(over_http() for _ in range(6)), *(over_grpc() for _ in range(3)))
    elapsed = time.monotonic() - start

    taken = sum(len(batch) for batch in served.engine.batches)
    assert 100 + 200 * 0.5 <= taken <= 100 + 200 * elapsed
    assert delays
    assert min(delays) > 0


async def test_trouble_while_looking_keeps_what_is_in_force(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong while files are looked at, senders are served and it is told."""
    (tmp_path / "a.yaml").write_text(f"name: a\ntokens: [{TOKEN_A}]\n")
    served = await serve(auth={"tenants_from": str(tmp_path)})

    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(served.receiver._directory._files, "look", broken)
    await refresh(served)

    assert 200 == (await served.send(b"", {"x-api-key": TOKEN_A})).status
    assert "tenants cannot be looked at" == audited(served)[-1]
