"""Send large requests over many connections as fast as they are answered: a process of its own."""

import asyncio
import os
import sys
from collections import Counter

import aiohttp

from gateway.testing import batch


async def main(url: str, token: str, connections: int) -> None:
    """Say when the flood has begun, flood until standard input ends, and say what was answered."""
    body = batch(*({"text": "y" * 5000} for _ in range(100)), one_trace=False).encode()
    headers = {"Content-Type": "application/x-protobuf", "x-api-key": token}
    seen: Counter[int] = Counter()

    async def flood(http: aiohttp.ClientSession) -> None:
        while True:
            async with http.post(url, data=body, headers=headers) as answer:
                await answer.read()
                if not seen:
                    sys.stdout.write("flooding\n")
                    sys.stdout.flush()
                seen[answer.status] += 1

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        flooding = [asyncio.create_task(flood(http)) for _ in range(connections)]
        await asyncio.to_thread(sys.stdin.read)
        for task in flooding:
            task.cancel()
        await asyncio.gather(*flooding, return_exceptions=True)
    sys.stdout.write(" ".join(map(str, sorted(seen))))


if __name__ == "__main__":
    asyncio.run(main(os.environ["FLOOD_URL"], os.environ["FLOOD_TOKEN"], 16))
