"""What the engine promises to others while it takes in a request."""

import pytest

from gateway import intake
from gateway.config.exporting import QueueConfig
from gateway.courtesy import Courtesy
from gateway.intake import Intake
from gateway.pipeline import Pipeline
from gateway.queue.store import Store
from gateway.testing import batch
from gateway.threads import Threads
from tests.gateway.test_joining import Whole


async def test_others_go_first_before_the_log_and_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Work for a flood stands back before its records are made, and once they are kept."""
    store = Store()
    queue = store.open("sink", QueueConfig(storage="memory", num_lanes=1))
    await store.start()
    kept: list[int] = []

    class Noting(Courtesy):
        async def after_others(self, tenant: str | None = None) -> None:
            assert "" == tenant
            kept.append(queue.stats().spans)

    monkeypatch.setattr(intake, "COURTESY", Noting())
    threads = Threads()
    deliver = Intake({"r": [(Pipeline("p", [], threads), [Whole()])]}, store).deliver("r")
    await deliver(batch({}, {}))
    threads.close()

    assert [0, 2] == kept
