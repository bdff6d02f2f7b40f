"""
OTLP/gRPC: the trace service on raw bytes.

Handlers take the request as a stream of one message, so that credentials, room and time are
checked before and while it is read. gRPC's own decompression is off: ours has a cap for what a
small message may grow to and tells corrupt data from failures of the server.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any, NoReturn, TypeAlias

import grpc
import grpc.aio

from gateway import endpoint, guard
from gateway.component_context import Reserve
from gateway.courtesy import COURTESY
from gateway.errors import Flow
from gateway.otlp.answer import accepted
from gateway.otlp.decompress import grpc_encoding
from gateway.otlp.status import MALFORMED, TIMED_OUT, Refusal
from gateway.plugin import Duration
from gateway.receivers.addresses import check_free, listen_error
from gateway.receivers.admission import Account
from gateway.receivers.config import GrpcConfig
from gateway.receivers.front import Front
from gateway.receivers.requests import Body
from gateway.receivers.routing_headers import routing_headers
from gateway.receivers.tls import Certificates

PACKAGE = "/opentelemetry.proto.collector"
TRACES = f"{PACKAGE}.trace.v1.TraceService/Export"
OTHER_SIGNALS = {
    f"{PACKAGE}.metrics.v1.MetricsService/Export": "metrics",
    f"{PACKAGE}.logs.v1.LogsService/Export": "logs",
}
LOOK_EVERY_S = 0.5
"""How often it is looked whether messages that still arrive must be given up."""
HANDSHAKE_MS = 10_000
HAND_OVER_S = 5.0
"""How long calls may take that are under way while another process goes on."""
QUIET_S = 0.1
QUIET_MOST_S = 2.0
"""How long no call must have come before clients are sent to another process, and how long to wait
for that."""
DETAILS_KEY = "grpc-status-details-bin"

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_Context: TypeAlias = Any  # grpc.aio's servicer context; its stubs lack read() and auth_context()
_Export: TypeAlias = Callable[[AsyncIterable[bytes], _Context], Awaitable[bytes]]


class GrpcEndpoint:
    """The gRPC server of a receiver."""

    def __init__(
        self, config: GrpcConfig, front: Front, certificates: Certificates | None, where: str
    ) -> None:
        self._config = config
        self._front = front
        self._certificates = certificates
        self._where = where
        self._server: grpc.aio.Server | None = None
        self._arriving: dict[asyncio.Timeout, float] = {}
        """By when each message that arrives must be there, in the loop's time."""
        self._relieving: asyncio.Task[None] | None = None
        self._calls = 0
        self._may_answer = asyncio.Event()
        self._may_answer.set()

    async def start(self, reserve: Reserve | None) -> str:
        """
        Accept requests and return the address.

        Args:
            reserve: how to share the port with other workers; None where there are none.

        Raises:
            OSError: the address cannot be used; says what to do.

        """
        host, port = endpoint.split(self._config.endpoint)
        if reserve is not None:
            port = await reserve(self._where, host, port)
        else:
            check_free(self._where, host, port)  # gRPC would write the reason to the log only
        options = _options(self._config, reuse_port=reserve is not None)
        server = grpc.aio.server(options=options)
        server.add_generic_rpc_handlers((_Methods(self._export, self._refuse_or_discard),))
        address = endpoint.join(host, port)
        try:
            if self._certificates is None:
                port = server.add_insecure_port(address)
            else:
                port = server.add_secure_port(address, self._certificates.grpc())
        except RuntimeError as error:
            raise listen_error(self._where, host, port) from error
        await server.start()
        self._server = server
        self._relieving = asyncio.create_task(self._relieve())
        guard.depend_on(self._relieving, "gRPC time limits")
        return endpoint.join(host, port)

    async def hand_over(self) -> None:
        """
        Have clients connect again, to another process, and finish what is under way.

        A server that stops cancels what comes until its clients know. So answers are kept back
        until all who send are waiting for one; each client then learns first that it is to
        connect anew, and then its answer.
        """
        if self._server is not None:
            self._may_answer.clear()
            await self._quiet()
            stopping = asyncio.create_task(self._server.stop(HAND_OVER_S))
            await asyncio.sleep(0)  # it has begun then
            self._may_answer.set()
            await stopping

    async def _quiet(self) -> None:
        """Return once no call has come for a moment, or after a while."""
        seen = -1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(QUIET_MOST_S):
                while seen != self._calls:
                    seen = self._calls
                    await asyncio.sleep(QUIET_S)

    async def stop(self) -> None:
        """End all connections."""
        relieving, self._relieving = self._relieving, None
        if relieving is not None:
            relieving.cancel()
            await asyncio.gather(relieving, return_exceptions=True)
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop(None)
        self._front.requests.close()

    async def _export(self, _: AsyncIterable[bytes], context: _Context) -> bytes:
        self._calls += 1
        try:
            return await guard.answer(self._kept_back(context), (Refusal,), self._front.logger)
        except Refusal as error:
            # Its traceback would hold the whole request until the garbage collector comes.
            refusal = error.with_traceback(None)
        except Flow as flow:
            refusal = Refusal.from_flow(flow)
        refusal.__cause__ = refusal.__context__ = None
        self._front.count(refusal, _host(context.peer()))
        await self._may_answer.wait()
        return await _abort(context, refusal)

    async def _kept_back(self, context: _Context) -> bytes:
        answer = await self._accept(context)
        await self._may_answer.wait()
        return answer

    async def _accept(self, context: _Context) -> bytes:
        front = self._front
        metadata = context.invocation_metadata()
        peer = _host(context.peer())
        account = self._admit(metadata, context, peer)
        with front.admission.enter(account, arriving=True) as lease:
            data = await self._read(context)
            lease.arrived()
            lease.take(len(data))
            body = Body(data, grpc_encoding(data), False, self._config.max_bytes)
            batch_context = front.context(account, routing_headers(metadata), peer)
            async with COURTESY.place(batch_context.tenant, len(data)):
                done = await front.requests.accept(body, batch_context, lease)
            return accepted(*done, as_json=False)

    def _admit(self, metadata: Any, context: _Context, peer: str) -> Account | None:
        if not self._front.auth.required:
            return self._front.admit(None, None, None, peer)
        found = {key: value for key, value in metadata if isinstance(value, str)}
        names = context.auth_context().get("x509_common_name") or [b""]
        return self._front.admit(
            found.get("authorization"),
            found.get("x-api-key"),
            names[0].decode(errors="replace"),
            peer,
        )

    async def _read(self, context: _Context) -> bytes:
        """Read the message; a client that never ends it is cut off."""
        now = asyncio.get_running_loop().time()
        limit = asyncio.timeout(None)  # a timer each costs more than a look at all
        try:
            async with limit:
                self._arriving[limit] = now + self._config.read_timeout
                data = await context.read()
        except TimeoutError:
            self._front.check_room()
            raise Refusal(
                TIMED_OUT, f"the message did not arrive within {self._config.read_timeout}"
            ) from None
        finally:
            self._arriving.pop(limit, None)
        if not isinstance(data, bytes):
            raise Refusal(MALFORMED, "the request has no message")
        return data

    async def _relieve(self) -> None:
        """
        Give up messages that take too long, and all that are arriving while there is no room.

        gRPC holds what has arrived of them where nobody can count it, so that many large ones at
        once could take all the memory after they were let in.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(LOOK_EVERY_S, self._config.read_timeout / 2))
            now = until = loop.time()
            try:
                self._front.check_room()
            except Refusal:
                until = math.inf
            for limit in [limit for limit, end in self._arriving.items() if end <= until]:
                del self._arriving[limit]
                limit.reschedule(now)

    def _refuse_or_discard(self, signal: str) -> _Export:
        async def handle(_: AsyncIterable[bytes], context: _Context) -> bytes:
            if not self._front.discard:
                await context.abort(
                    grpc.StatusCode.UNIMPLEMENTED,
                    f"this gateway takes only traces, not {signal}; turn their export off, or "
                    "set other_signals: discard on the receiver",
                )
            try:
                peer = _host(context.peer())
                account = self._admit(context.invocation_metadata(), context, peer)
                with self._front.admission.enter(account) as lease:
                    lease.take(len(await self._read(context)))
            except Refusal as refusal:
                return await _abort(context, refusal)
            self._front.count_discarded(signal)
            return b""

        return handle


class _Methods(grpc.GenericRpcHandler):  # type: ignore[type-arg] # generic in the stubs only
    """The methods of the server, by name."""

    def __init__(self, export: _Export, other: Callable[[str], _Export]) -> None:
        make = grpc.stream_unary_rpc_method_handler
        self._methods: dict[str, Any] = {TRACES: make(export)}
        for method, signal in OTHER_SIGNALS.items():
            self._methods[method] = make(other(signal))

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Return the handler of a method; ``None`` answers UNIMPLEMENTED."""
        return self._methods.get(handler_call_details.method)


async def _abort(context: _Context, refusal: Refusal) -> NoReturn:
    trailing = ((DETAILS_KEY, refusal.to_protobuf()),) if refusal.after is not None else ()
    await asyncio.sleep(refusal.hold_s)
    await context.abort(_CODES[refusal.kind.code], refusal.reason, trailing)
    raise AssertionError("abort always raises")


def _host(peer: str) -> str:
    """Return the address in what gRPC calls a peer, such as ``ipv6:%5B::1%5D:1234``."""
    return peer.partition(":")[2].rpartition(":")[0].removeprefix("%5B").removesuffix("%5D")


def _milliseconds(duration: Duration) -> int:
    """Return whole milliseconds; 0 is what gRPC calls never."""
    return max(1, round(float(duration) * 1000)) if duration else 2**31 - 1


def _options(config: GrpcConfig, *, reuse_port: bool) -> list[tuple[str, int]]:
    server = config.keepalive.server_parameters
    policy = config.keepalive.enforcement_policy
    return [
        ("grpc.max_receive_message_length", config.max_bytes),
        ("grpc.per_message_decompression", 0),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
        ("grpc.max_allowed_incoming_connections", config.max_connections),
        ("grpc.max_concurrent_streams", config.max_concurrent_streams),
        ("grpc.max_connection_age_ms", _milliseconds(config.max_connection_age)),
        ("grpc.max_connection_age_grace_ms", _milliseconds(server.max_connection_age_grace)),
        ("grpc.max_connection_idle_ms", _milliseconds(server.max_connection_idle)),
        ("grpc.keepalive_time_ms", _milliseconds(server.time)),
        ("grpc.keepalive_timeout_ms", _milliseconds(server.timeout)),
        ("grpc.http2.min_ping_interval_without_data_ms", _milliseconds(policy.min_time)),
        ("grpc.keepalive_permit_without_calls", int(policy.permit_without_stream)),
        # With it a port that another process holds would be shared with it in silence.
        ("grpc.so_reuseport", int(reuse_port)),
    ]
