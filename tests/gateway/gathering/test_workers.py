"""What stage 2 promises where several workers take requests: traces are whole all the same."""

import random
from pathlib import Path

import aiohttp

from gateway.batch import Batch
from gateway.testing import batch
from tests.gateway.gathering.bench import until
from tests.gateway.real import CONFIG, Gateway, Sink, serving

SAMPLING = """
processors:
  tail_sampling:
    decision_wait: 1h
    decision_wait_after_root_received: 2s
    policies: [{{name: whole, type: span_count, span_count: {{min_spans: 3}}}}]
"""
HEADERS = {"Content-Type": "application/x-protobuf", "Connection": "close"}


async def test_traces_are_whole_over_several_workers(tmp_path: Path) -> None:
    """The spans of a trace come through any worker; one judges all of them."""
    sink, gateway = Sink(), Gateway(tmp_path)
    async with serving(sink) as address, aiohttp.ClientSession() as http:
        text = (CONFIG + SAMPLING).format(sink=address)
        text = text.replace("processors: []", "processors: [tail_sampling]")
        (tmp_path / "gateway.yaml").write_text(text.replace("service:", "service:\n  workers: 2"))
        await gateway.start()
        spans = [batch({}, {}, {}) for _ in range(30)]
        short = [batch({}, {}) for _ in range(10)]
        wanted = {span.span_id for one in spans for span in one}
        children = [one for whole in (*spans, *short) for one in parts(whole)[1:]]
        random.shuffle(children)
        roots = [parts(whole)[0] for whole in (*spans, *short)]
        for body in (*children, *roots):
            answer = await http.post(gateway.traces, data=body, headers=HEADERS)
            assert 200 == answer.status, await answer.text()
        await until(lambda: len(sink.spans) >= len(wanted))
        assert 0 == await gateway.end(gently=True)
    assert wanted == sink.spans


def parts(whole: Batch) -> list[bytes]:
    """Return a request for each span, the root first."""
    found = []
    for keep in range(len(whole)):
        one = Batch(whole.encode())
        for at, span in enumerate(one.spans):
            if at != keep:
                one.drop(span)
        found.append(one.encode())
    return found
