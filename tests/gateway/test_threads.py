"""What the threads of stage 1 promise to several tenants."""

import asyncio

from gateway.threads import Threads


async def test_a_flood_delays_no_other_tenant() -> None:
    """Behind a hundred requests of one tenant another's is processed as one of the next."""
    threads = Threads(lambda: True)
    run = threads.run
    order: list[str] = []
    try:
        flood = [
            asyncio.create_task(run(order.append, "a", tenant="a", cost=1000)) for _ in range(100)
        ]
        await asyncio.sleep(0)
        await run(order.append, "b", tenant="b", cost=10)
        before = order.index("b")
        await asyncio.gather(*flood)
    finally:
        threads.close()
    assert before < 5
    assert 101 == len(order)
