"""What stage 2 promises where several workers take requests: traces are whole all the same."""

import asyncio
import contextlib
import os
import random
import signal
from pathlib import Path

import aiohttp
import pytest

from gateway.batch import Batch
from gateway.testing import batch
from tests.gateway.gathering.bench import until
from tests.gateway.real import CONFIG, SENDERS, Gateway, Sink, serving

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


ERRORS = """
processors:
  tail_sampling:
    decision_wait: 300ms
    policies: [{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}]
"""


async def send(
    gateway: Gateway, kept: set[bytes], dropped: set[bytes], stop: asyncio.Event
) -> None:
    """Send traces span by span, each to some worker; note what was acknowledged of which kind."""
    async with aiohttp.ClientSession() as http:
        while not stop.is_set():
            whole, fails = batch({}, {}, {}), random.random() < 0.5
            for span in whole if fails else ():
                span.proto.status.code = 2  # type: ignore[assignment] # numbers are the enumeration's
            ids = [span.span_id for span in whole]
            for span_id, body in zip(ids, parts(whole), strict=True):
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    async with http.post(gateway.traces, data=body, headers=HEADERS) as answer:
                        if answer.status == 200:
                            (kept if fails else dropped).add(span_id)


@pytest.mark.nightly
@pytest.mark.timeout(1500)
async def test_fifty_killed_workers_of_three(tmp_path: Path) -> None:
    """Whoever dies while traces are gathered: what was acknowledged of errors arrives, no other."""
    sink, gateway, stop = Sink(), Gateway(tmp_path), asyncio.Event()
    kept: set[bytes] = set()
    dropped: set[bytes] = set()
    async with serving(sink) as address:
        text = CONFIG.format(sink=address) + ERRORS
        text = text.replace("processors: []", "processors: [tail_sampling]")
        (tmp_path / "gateway.yaml").write_text(text.replace("service:", "service:\n  workers: 3"))
        await gateway.start()
        senders = [asyncio.create_task(send(gateway, kept, dropped, stop)) for _ in range(SENDERS)]
        for _ in range(50):
            at_least = len(kept) + random.randint(5, 100)
            async with asyncio.timeout(120):
                while len(kept) < at_least:
                    await asyncio.sleep(random.random() * 0.02)
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.kill(random.choice(gateway.workers()), signal.SIGKILL)
        stop.set()
        await asyncio.gather(*senders)
        await until(lambda: kept <= sink.spans)
        assert 0 == await gateway.end(gently=True)
    assert set() == dropped & sink.spans
