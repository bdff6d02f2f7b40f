"""What the gateway of libraries alone does, to which figures are ratios."""

import ast
from pathlib import Path

import msgspec
import pytest

from benchmarks import relay
from benchmarks.__main__ import RELAY
from gateway.bench.load import Order, Protocol
from gateway.bench.load import Report as LoadReport
from gateway.bench.processes import BenchError, peer, run_load, sink


@pytest.mark.parametrize("protocol", ["http", "grpc"])
async def test_all_that_it_answered_has_arrived(protocol: Protocol) -> None:
    """Nobody waits for the rest: it sends a request on before it answers."""
    async with sink(()) as target, peer(RELAY, target.port, ()) as running:
        order = Order(
            protocol=protocol,
            port=running.port(protocol),
            kind="llm",
            spans=100,
            seconds=60,
            connections=2,
            requests=4,
        )
        report = msgspec.json.decode(
            await run_load(msgspec.json.encode(order), ()), type=LoadReport
        )

        assert 4 == report.requests
        assert 400 == await target.spans()


def test_depends_on_nothing_of_ours_that_handles_spans() -> None:
    """What becomes faster or slower here must not change what it is compared with."""
    tree = ast.parse(Path(relay.__file__).read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert {"gateway.bench.loops"} == {name for name in modules if name and "gateway" in name}


async def test_tells_what_does_not_start() -> None:
    """A module that ends without endpoints is named."""
    with pytest.raises(BenchError, match=r"antigravity_nowhere did not start"):
        async with peer("antigravity_nowhere", 1, ()):
            raise AssertionError("it cannot have started")
