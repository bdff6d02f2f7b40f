"""What is read from /proc about a process tree."""

import asyncio
import os
import sys

import pytest

from gateway.bench import usage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")

BURN = """
import time
while time.process_time() < 0.3:
    pass
"""


async def burn(program: str) -> asyncio.subprocess.Process:
    """Run a program that ends by itself."""
    return await asyncio.create_subprocess_exec(sys.executable, "-c", program)


async def test_counts_children_that_have_ended() -> None:
    """CPU time of a child stays counted after its end."""
    before = usage.of_tree(os.getpid()).cpu_s

    await (await burn(BURN)).wait()

    assert usage.of_tree(os.getpid()).cpu_s - before > 0.25


async def test_counts_grandchildren_that_run() -> None:
    """Memory and CPU time of whatever a process started are its own."""
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        f"{sys.executable} -c 'import sys{BURN}print(1, flush=True); sys.stdin.read()'; exit 0",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()

    used = usage.of_tree(process.pid)
    await process.communicate(b"")

    assert used.cpu_s > 0.25
    assert used.peak_rss_mib >= used.rss_mib > 5


async def test_does_not_blame_others_for_us() -> None:
    """CPU time of our own children is not taken for somebody else's."""
    others = usage.Others()
    ours = usage.of_tree(os.getpid()).cpu_s

    await asyncio.gather(*[(await burn(BURN)).wait() for _ in range(2)])

    used = usage.of_tree(os.getpid()).cpu_s - ours
    assert used > 0.5
    assert others.share() <= (os.cpu_count() or 1)


def test_a_process_that_is_gone_uses_nothing() -> None:
    """Processes may end while they are looked at."""
    assert usage.of_tree(2**22 + 1) == usage.Usage()
