"""
Make trace requests that resemble real ones: LLM agents and plain web services.

Spans of an agent carry messages, documents and parameters as OpenInference writes them, about
6 KB each; those of a web service ten short attributes, about 300 bytes.
"""

import os
import random
from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from gateway.otlp.values import Value, key_value

Kind = Literal["llm", "plain"]

_START_UNIX_NS = 1_760_000_000_000_000_000
_WORDS = (  # noqa: SIM905 - prose reads better than a list
    "a parcel left the harbour before dawn while the clerk compared two ledgers and asked which "
    "tariff applies to mixed cargo since the answer depends on weight origin and the season each "
    "summary names its source lists what is uncertain and proposes one next step for the crew "
    "weather currents fuel and crew hours decide the route so plans change often during winter"
).split()
_MODELS = (("gpt-4o", "openai"), ("claude-sonnet-4-5", "anthropic"), ("gemini-2.5-pro", "google"))
_AGENT = ("CHAIN", "RETRIEVER", "LLM", "LLM", "TOOL", "LLM")
_SERVICE = (
    "GET /orders/{id}",
    "SELECT orders",
    "GET cache",
    "POST /payments",
    "publish order.paid",
)

_Attributes = dict[str, Value]


class Template(NamedTuple):
    """An encoded request whose trace ids can be made new."""

    body: bytearray
    places: tuple[int, ...]
    """Where the first half of each trace id stands."""

    def fresh(self) -> bytes:
        """Return the request with trace ids that were never seen before."""
        body, nonce = self.body, os.urandom(8)
        for place in self.places:
            body[place : place + 8] = nonce
        return bytes(body)


def templates(kind: Kind, spans: int, variants: int = 8) -> list[Template]:
    """Return several requests of the same size; the same ones each time."""
    return [_template(kind, spans, random.Random(seed)) for seed in range(variants)]  # noqa: S311 - payloads


def _template(kind: Kind, spans: int, rng: random.Random) -> Template:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    for key, value in _RESOURCE[kind].items():
        resource_spans.resource.attributes.append(key_value(key, value))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = f"bench.{kind}"
    add = _add_llm_trace if kind == "llm" else _add_plain_trace
    while len(scope_spans.spans) < spans:
        add(scope_spans, spans - len(scope_spans.spans), rng)
    marks = {span.trace_id for span in scope_spans.spans}
    data = request.SerializeToString()
    return Template(bytearray(data), tuple(_places(data, marks)))


def _places(data: bytes, marks: set[bytes]) -> list[int]:
    places = []
    for mark in marks:
        at = data.find(mark)
        while at >= 0:
            places.append(at)
            at = data.find(mark, at + 16)
    return places


_RESOURCE: dict[Kind, _Attributes] = {
    "llm": {
        "service.name": "harbour-agent",
        "service.version": "2.4.1",
        "deployment.environment.name": "production",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "openinference.project.name": "harbour",
    },
    "plain": {
        "service.name": "orders",
        "service.version": "7.1.0",
        "deployment.environment.name": "production",
        "telemetry.sdk.language": "java",
        "host.name": "node-17",
    },
}


def _new_span(into: ScopeSpans, trace_id: bytes, parent: bytes, rng: random.Random) -> SpanMessage:
    start = _START_UNIX_NS + len(into.spans) * 3_000_000
    return into.spans.add(
        trace_id=trace_id,
        span_id=rng.randbytes(8),
        parent_span_id=parent,
        kind=SpanMessage.SPAN_KIND_INTERNAL,
        start_time_unix_nano=start,
        end_time_unix_nano=start + rng.randint(1_000_000, 900_000_000),
    )


def _add(span: SpanMessage, attributes: _Attributes) -> None:
    for key, value in attributes.items():
        span.attributes.append(key_value(key, value))


def _add_llm_trace(into: ScopeSpans, most: int, rng: random.Random) -> None:
    trace_id, root = rng.randbytes(16), b""
    session = f"session-{rng.randint(1, 9999)}"
    # A request of one span carries the model call itself.
    for step in _AGENT[:most] if most > 1 else ("LLM",):
        span = _new_span(into, trace_id, root, rng)
        root = root or span.span_id
        span.name = {"CHAIN": "plan_route", "RETRIEVER": "search_tariffs", "TOOL": "weather"}.get(
            step, "ChatCompletion"
        )
        _add(span, {"openinference.span.kind": step, "session.id": session, "user.id": "u-17"})
        _add(span, _STEPS[step](rng))


def _text(rng: random.Random, size: int) -> str:
    words: list[str] = []
    left = size
    while left > 0:
        word = rng.choice(_WORDS)
        words.append(word)
        left -= len(word) + 1
    return " ".join(words)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _llm(rng: random.Random) -> _Attributes:
    model, provider = rng.choice(_MODELS)
    messages = [
        {"role": "system", "content": _text(rng, 700)},
        {"role": "user", "content": _text(rng, 900)},
        {"role": "user", "content": _text(rng, 600)},
    ]
    answer = _text(rng, 900)
    used, made = rng.randint(300, 3000), rng.randint(50, 700)
    attributes: _Attributes = {
        "llm.model_name": model,
        "llm.provider": provider,
        "llm.invocation_parameters": _json({"temperature": 0.2, "max_tokens": 800, "top_p": 1}),
        "input.value": _json({"model": model, "messages": messages}),
        "input.mime_type": "application/json",
        "output.value": _json({"choices": [{"message": {"role": "assistant", "content": answer}}]}),
        "output.mime_type": "application/json",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": answer,
        "llm.token_count.prompt": used,
        "llm.token_count.completion": made,
        "llm.token_count.total": used + made,
        "llm.finish_reason": "stop",
    }
    for at, message in enumerate(messages):
        attributes[f"llm.input_messages.{at}.message.role"] = message["role"]
        attributes[f"llm.input_messages.{at}.message.content"] = message["content"]
    return attributes


def _chain(rng: random.Random) -> _Attributes:
    return {
        "input.value": _json({"question": _text(rng, 1800), "history": [_text(rng, 1200)]}),
        "input.mime_type": "application/json",
        "output.value": _json({"answer": _text(rng, 2400)}),
        "output.mime_type": "application/json",
        "metadata": _json({"graph_node": "plan", "graph_step": 2, "thread": "t-1"}),
    }


def _retriever(rng: random.Random) -> _Attributes:
    attributes: _Attributes = {"input.value": _text(rng, 300), "input.mime_type": "text/plain"}
    for at in range(5):
        prefix = f"retrieval.documents.{at}.document"
        attributes[f"{prefix}.id"] = f"doc-{rng.randint(1, 99999)}"
        attributes[f"{prefix}.score"] = round(rng.random(), 4)
        attributes[f"{prefix}.content"] = _text(rng, 1100)
    return attributes


def _tool(rng: random.Random) -> _Attributes:
    arguments = _json({"place": _text(rng, 40), "days": 3, "notes": _text(rng, 900)})
    return {
        "tool.name": "weather",
        "tool.description": _text(rng, 200),
        "tool.parameters": arguments,
        "input.value": arguments,
        "input.mime_type": "application/json",
        "output.value": _json({"forecast": [_text(rng, 400) for _ in range(7)]}),
        "output.mime_type": "application/json",
    }


_STEPS: dict[str, Callable[[random.Random], _Attributes]] = {
    "LLM": _llm,
    "CHAIN": _chain,
    "RETRIEVER": _retriever,
    "TOOL": _tool,
}


def _add_plain_trace(into: ScopeSpans, most: int, rng: random.Random) -> None:
    trace_id, root = rng.randbytes(16), b""
    for name in _SERVICE[:most]:
        span = _new_span(into, trace_id, root, rng)
        root = root or span.span_id
        span.name = name
        _add(
            span,
            {
                "http.request.method": name.partition(" ")[0],
                "http.response.status_code": rng.choice((200, 200, 200, 404)),
                "url.path": f"/orders/{rng.randint(1, 99999)}",
                "url.scheme": "https",
                "server.address": "orders.shop.svc",
                "server.port": 8443,
                "network.protocol.version": "1.1",
                "client.address": f"10.0.{rng.randint(0, 255)}.{rng.randint(1, 254)}",
                "user_agent.original": "okhttp/4.12.0",
                "thread.id": rng.randint(1, 200),
            },
        )
