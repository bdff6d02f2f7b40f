"""What ``spangate bench`` prints."""

import asyncio
import json
import sys

import pytest


@pytest.mark.slow
async def test_prints_figures_for_programs() -> None:
    """``--output json`` writes the figures to stdout, nothing else, and progress elsewhere."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli", "bench", "--seconds", "0.5", "--output", "json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()

    rows = json.loads(output)
    assert (process.returncode, errors.count(b"Traceback")) == (0, 0)
    assert [(row["scenario"]["protocol"], row["scenario"]["kind"]) for row in rows] == [
        ("http", "llm"),
        ("http", "plain"),
        ("grpc", "llm"),
        ("grpc", "plain"),
    ]
    assert all(row["spans_per_s"] > 0 for row in rows)


async def test_refuses_a_time_that_measures_nothing() -> None:
    """A wrong option is a usage error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli", "bench", "--seconds", "0"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()

    assert process.returncode == 2
    assert b"--seconds" in errors
