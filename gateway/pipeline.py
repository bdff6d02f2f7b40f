"""One pipeline: its processors in order, each under its guard."""

from collections.abc import Sequence
from itertools import groupby

from gateway.batch import Batch
from gateway.breaker import BREAKER_OPEN_S
from gateway.courtesy import COURTESY, SPANS
from gateway.errors import Reject, Retry
from gateway.guard import ENDED, HANG_LIMIT_S, Guard
from gateway.poison import Poison, key_of, label
from gateway.threads import Threads
from gateway.trace_guard import TraceGuard

_NOBODY = label("")


class Pipeline:
    """
    Run a batch through the processors of a pipeline; with none, it passes untouched.

    Args:
        judge: the processor of stage 2, which decides on what :meth:`process` returns.
        poison: keeps requests from the processors that they crash.

    """

    def __init__(
        self,
        name: str,
        guards: Sequence[Guard],
        threads: Threads,
        judge: TraceGuard | None = None,
        poison: Poison | None = None,
    ) -> None:
        self.name = name
        self.judge = judge
        self._poison = poison or Poison()
        self.guards = tuple(guards)
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

    @property
    def pace_s(self) -> float | None:
        """Seconds that the processors took for a span lately; None while that is not known."""
        whole_s = 0.0
        for guard in self.guards:
            if guard.pace_s is None:
                return None
            whole_s += guard.pace_s
        return whole_s

    async def process(self, batch: Batch) -> Batch:
        """
        Return what the processors of stage 1 made of the batch; it may hold fewer spans, or none.

        Sync processors in a row share one hop to a thread; it also encodes what they changed.

        Raises:
            Reject, Busy, Retry: what a processor or its guard says.

        """
        if self.passes_through:
            return batch
        if batch.parts or not self.suspects(batch):
            return await self._process(batch, [key_of(one) for one in batch.parts or (batch,)])
        request = key_of(batch)
        if self._poison.is_condemned(request, _NOBODY):
            raise Reject(f"pipeline {self.name}: {ENDED}")
        async with self._poison.alone(request):
            return await self._process(batch, [request])

    def suspects(self, batch: Batch) -> bool:
        """Tell whether a request was being processed here in a crash, so that it goes alone."""
        return not self._poison.is_idle and self._poison.suspects(key_of(batch))

    async def _process(self, batch: Batch, requests: Sequence[bytes]) -> Batch:
        size = len(batch.encode())
        for is_async, guards in self._steps:
            if is_async:
                for guard in guards:
                    batch = await self._on_loop(guard, batch, requests)
            else:
                batch = await self._on_thread(guards, batch, requests, size)
        return batch

    async def _on_loop(self, guard: Guard, batch: Batch, requests: Sequence[bytes]) -> Batch:
        if guard.is_ours:  # those of ours that run here leave the process alone
            return await guard.run_async(batch)
        with self._poison.processing(*requests) as work:
            return await guard.run_async(batch) if work.may(guard.label) else guard.give_up(batch)

    async def _on_thread(
        self, guards: Sequence[Guard], batch: Batch, requests: Sequence[bytes], size: int
    ) -> Batch:
        """Run guards on a thread; who hangs there keeps the thread, but not the sender."""
        tenant = batch.context.tenant
        try:
            return await self._threads.run(
                self._run_all,
                guards,
                batch,
                requests,
                tenant=tenant,
                cost=size,
                limit_s=HANG_LIMIT_S,
            )
        except TimeoutError:
            hung = [guard for guard in guards if guard.hangs(HANG_LIMIT_S / 2)]
            for guard in hung:
                guard.trip()
            names = ", ".join(guard.component_id for guard in hung)
            late = Retry(
                f"processor {names or 'the pipeline'} took longer than {HANG_LIMIT_S:g} s",
                after=BREAKER_OPEN_S,
            )
            late.by = names
            raise late from None

    def _run_all(self, guards: Sequence[Guard], batch: Batch, requests: Sequence[bytes]) -> Batch:
        pace = COURTESY.pace(batch.context.tenant)
        with self._poison.processing(*requests) as work, pace:
            for guard in guards:
                if pace.gives_way and len(batch) > SPANS:
                    batch.pause = pace.pause
                with pace.step():
                    batch = guard.run(batch) if work.may(guard.label) else guard.give_up(batch)
            work.may(_NOBODY)
            with pace.step():
                batch.entries()
        return batch
