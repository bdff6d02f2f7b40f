"""One pipeline: its processors in order, each under its guard."""

from collections.abc import Sequence
from itertools import groupby

from gateway.batch import Batch
from gateway.guard import Guard
from gateway.threads import Threads
from gateway.trace_guard import TraceGuard


class Pipeline:
    """Run a batch through the processors of a pipeline; with none, it passes untouched."""

    def __init__(
        self,
        name: str,
        guards: Sequence[Guard],
        threads: Threads,
        judge: TraceGuard | None = None,
    ) -> None:
        self.name = name
        self.judge = judge
        """The processor of stage 2, which decides on what :meth:`process` returns."""
        self._threads = threads
        self.gates = [guard for guard in guards if guard.is_gate]
        """Processors that are asked before a request is read."""
        self._steps = [
            (is_async, list(group)) for is_async, group in groupby(guards, lambda g: g.is_async)
        ]

    @property
    def passes_through(self) -> bool:
        """Whether the pipeline has no processor of stage 1."""
        return not self._steps

    async def process(self, batch: Batch) -> Batch:
        """
        Return what the processors of stage 1 made of the batch; it may hold fewer spans, or none.

        Sync processors in a row share one hop to a thread; it also encodes what they changed.

        Raises:
            Reject, Busy, Retry: what a processor or its guard says.

        """
        size = len(batch.encode())
        for is_async, guards in self._steps:
            if is_async:
                for guard in guards:
                    batch = await guard.run_async(batch)
            else:
                batch = await self._threads.run(
                    _run_all, guards, batch, tenant=batch.context.tenant, cost=size
                )
        return batch


def _run_all(guards: Sequence[Guard], batch: Batch) -> Batch:
    for guard in guards:
        batch = guard.run(batch)
    batch.entries()
    return batch
