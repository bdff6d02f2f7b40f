"""Batches that a component may meet: usual ones, empty ones, and whatever senders come up with."""

from collections.abc import Mapping

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

from gateway.fakes import T0_UNIX_NS
from gateway.otlp.values import Value, key_value

UNICODE = "Zoë 你好 👩‍👩‍👧 \u202eright to left\u202c e\u0301 \x00 \uffff \U0010ffff"

USUAL: dict[str, Value] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 3,
    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Hello?"}]}]',
    "input.value": "mail ada@" + "example.org",
    "user.id": "u-1",
    "tool.error": False,
    "temperature": 0.5,
    "stop": ["a", "b"],
}

_OTHER_TYPES: tuple[Value, ...] = (
    None, "", UNICODE, "x" * 100_000, "{", "[" * 200, '{"a": [1, {"b": null}]}',
    True, 0, -(2**63), 2**63 - 1, 0.0, float("nan"), float("-inf"),
    b"", b"\x00\xff", [], [1, "a", None, [2.5]], {}, {"a": {"b": [b"\xff"]}},
)  # fmt: skip


def samples() -> Mapping[str, bytes]:
    """Return encoded requests by what is special about them."""
    return {
        "an ordinary batch": _request(USUAL, USUAL, resource={"service.name": "shop"}),
        "an empty batch": b"",
        "a resource without spans": _request(resource={"service.name": "shop"}),
        "spans without attributes": _request({}, {}),
        "many traces": _request(*[USUAL] * 40, each_its_trace=True),
        "unicode": _request({UNICODE: UNICODE, "": ""}, resource={UNICODE: UNICODE}),
        "values of other types": _request(
            *[dict.fromkeys(USUAL, value) for value in _OTHER_TYPES],
            resource={f"r{at}": value for at, value in enumerate(_OTHER_TYPES)},
        ),
        "a span with everything unset or strange": _strange(),
    }


def _request(
    *spans: Mapping[str, Value],
    resource: Mapping[str, Value] | None = None,
    each_its_trace: bool = False,
) -> bytes:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    for key, value in (resource or {}).items():
        resource_spans.resource.attributes.append(key_value(key, value))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "contract"
    for number, attributes in enumerate(spans, 1):
        span = _span(scope_spans, number, number if each_its_trace else 1)
        if number > 1 and not each_its_trace:
            span.parent_span_id = (1).to_bytes(8)
        span.attributes.extend(key_value(key, value) for key, value in attributes.items())
    return request.SerializeToString()


def _span(siblings: ScopeSpans, number: int, trace: int) -> Span:
    start = T0_UNIX_NS + number * 1_000_000
    return siblings.spans.add(
        trace_id=trace.to_bytes(16),
        span_id=number.to_bytes(8),
        name="chat",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=start,
        end_time_unix_nano=start + 500_000,
    )


def _strange() -> bytes:
    request = ExportTraceServiceRequest()
    siblings = request.resource_spans.add().scope_spans.add()
    siblings.spans.add(trace_id=b"\xff" * 16, span_id=b"\xff" * 8)
    span = _span(siblings, 2, 2)
    span.name, span.parent_span_id, span.trace_state = UNICODE, bytes(8), "=,;="
    span.start_time_unix_nano, span.end_time_unix_nano = 2**64 - 1, 1
    span.kind = 99  # type: ignore[assignment] # enums are open, senders may be newer than we
    span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=UNICODE))
    for key in ("twice", "twice"):
        span.attributes.append(key_value(key, key))
    span.attributes.add().key = "no value"
    span.events.add(name=UNICODE).attributes.append(key_value("", None))
    span.links.add(trace_id=b"short", span_id=b"")
    return request.SerializeToString()
