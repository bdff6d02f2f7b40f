"""
A fixed piece of work to compare with, so that figures mean the same on another machine.

It does what any gateway must: unpack a request, read it, write it, pack it; with the libraries
alone, so that nothing that changes here changes it. Work that is slow since others use the
machine is slow in both.
"""

import gzip
import time

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.bench.payload import templates

SPANS = 100
_ROUNDS = 12
_LEVEL = 1


def bodies() -> list[bytes]:
    """Return packed requests of 100 LLM spans."""
    return [gzip.compress(one.fresh(), _LEVEL) for one in templates("llm", SPANS, 4)]


def spans_per_cpu_s(packed: list[bytes]) -> float:
    """
    Return the spans that this machine handles now a second of CPU time.

    The mean of some time: what it is compared with takes seconds, in which others disturb it too.
    """
    started = time.thread_time()
    for _ in range(_ROUNDS):
        _round(packed)
    return _ROUNDS * len(packed) * SPANS / (time.thread_time() - started)


def _round(packed: list[bytes]) -> None:
    for body in packed:
        request = ExportTraceServiceRequest.FromString(gzip.decompress(body))
        for resource_spans in request.resource_spans:
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    {attribute.key: attribute.value for attribute in span.attributes}
        gzip.compress(request.SerializeToString(), _LEVEL)
