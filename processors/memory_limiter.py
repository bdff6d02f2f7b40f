"""Refuse requests before memory runs out, so that the gateway is not killed for it."""

import gc
import sys
import threading

from gateway import memory
from gateway.plugin import Batch, Busy, Config, Context, Duration, Logger, Processor
from gateway.telemetry import metrics
from gateway.upkeep import survive

MIB = 1024 * 1024
_SPIKE_SHARE = 0.2  # of the limit, as in the Collector
_DEFAULT_PERCENTAGE = 75.0
_DELAY_S = 1.0


class MemoryLimiterConfig(Config):
    """Settings of ``memory_limiter``, named as in the Collector."""

    check_interval: Duration = Duration(1)
    """How often memory is measured. The shorter, the less can come in between."""

    limit_mib: int = 0
    """Hard limit in MiB; wins over ``limit_percentage``. Above it garbage is collected too."""

    spike_limit_mib: int = 0
    """How far below ``limit_mib`` requests begin to be refused; 0 is a fifth of it. As much may
    come in between two measurements."""

    limit_percentage: float = 0
    """Hard limit as a share of the memory that the container (else the machine) may use; 75
    where neither limit is set."""

    spike_limit_percentage: float = 0
    """As ``spike_limit_mib``, as a share of the same memory; 0 is a fifth of the limit."""

    min_gc_interval_when_soft_limited: Duration = Duration(10)
    """Least time between two collections of garbage while requests are refused."""

    min_gc_interval_when_hard_limited: Duration = Duration(2)
    """The same above the hard limit."""

    max_gc_interval_when_soft_limited: Duration = Duration(30)
    """Collections that do not help become rarer, up to this interval."""

    max_gc_interval_when_hard_limited: Duration = Duration(30)
    """The same above the hard limit."""

    def validate(self) -> None:
        """Refuse limits that cannot work."""
        if self.check_interval <= 0:
            raise ValueError("check_interval must be above 0s, for example 1s")
        for name in ("limit_percentage", "spike_limit_percentage"):
            if not 0 <= getattr(self, name) <= 100:
                raise ValueError(f"{name} must be between 0 and 100")
        for name in ("limit_mib", "spike_limit_mib"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be below 0")
        for kind in ("mib", "percentage"):
            limit, spike = getattr(self, f"limit_{kind}"), getattr(self, f"spike_limit_{kind}")
            if spike and spike >= (limit or (_DEFAULT_PERCENTAGE if kind == "percentage" else 0)):
                raise ValueError(f"spike_limit_{kind} must be below limit_{kind}")

    def limits(self, available_bytes: int) -> "Limits":
        """Return the limits in bytes, given what the container may use."""
        if self.limit_mib:
            hard = float(self.limit_mib * MIB)
            spike = float(self.spike_limit_mib * MIB)
        else:
            hard = available_bytes * (self.limit_percentage or _DEFAULT_PERCENTAGE) / 100
            spike = available_bytes * self.spike_limit_percentage / 100
        return Limits(hard - (spike or hard * _SPIKE_SHARE), hard)


class Limits:
    """Two limits in bytes: requests are refused above ``soft``, garbage is collected too."""

    def __init__(self, soft: float, hard: float) -> None:
        self.soft = soft
        self.hard = hard


class MemoryLimiter(Processor[MemoryLimiterConfig]):
    """
    Refuse requests while the gateway uses too much memory, before they are read.

    Counted is the anonymous and shared memory of all our processes, never the page cache. A
    thread measures every ``check_interval``; a request costs one look at its verdict.
    """

    stability = "beta"

    def __init__(self, config: MemoryLimiterConfig) -> None:
        super().__init__(config)
        self._context: Context | None = None
        self._reason = ""
        self._gc_at = 0.0
        self._gc_interval = 0.0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    async def start(self, context: Context) -> None:
        """
        Measure for the first time; on Windows nothing can be measured, so every request is let in.

        Raises:
            OSError: the system does not say how much memory is used.

        """
        self._context = context
        try:
            self.check()
        except OSError as error:
            if sys.platform == "win32":
                self._log("warning", "every request is let in", reason=str(error))
                return
            raise
        self._thread = threading.Thread(
            target=self._watch, args=(context.logger,), name="memory_limiter", daemon=True
        )
        self._thread.start()

    async def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def admit(self) -> None:
        """
        Let a request in if memory allows.

        Raises:
            Busy: it does not.

        """
        if self._reason:
            raise Busy(self._reason, max(_DELAY_S, float(self.config.check_interval)))

    async def process(self, batch: Batch) -> Batch:
        """Pass a batch on; one whose receiver did not ask before is refused here."""
        self.admit()
        return batch

    def check(self) -> None:
        """
        Measure, and decide what becomes of requests until the next time.

        Raises:
            OSError: memory cannot be measured.

        """
        limits = self.config.limits(memory.limit_bytes())
        used = memory.used_bytes()
        if used > limits.soft and self._collect(hard=used > limits.hard):
            used = memory.used_bytes()
        self._judge(used, limits)

    def _watch(self, logger: Logger) -> None:
        while not self._stopping.wait(float(self.config.check_interval)):
            try:
                survive(self.check, "memory_limiter", logger=logger, promised=(OSError,))
            except OSError as error:
                self._log("error", "memory cannot be measured", reason=str(error))

    def _judge(self, used: int, limits: Limits) -> None:
        before, self._reason = self._reason, ""
        if used > limits.soft:
            self._reason = (
                f"the gateway is short of memory: {used / MIB:.0f} MiB in use, requests are "
                f"refused above {limits.soft / MIB:.0f}"
            )
        else:
            self._gc_interval = 0.0
        figures = {
            "used_mib": round(used / MIB),
            "soft_limit_mib": round(limits.soft / MIB),
            "limit_mib": round(limits.hard / MIB),
        }
        if self._reason and not before:
            self._log("warning", "short of memory, requests are refused", **figures)
        elif before and not self._reason:
            self._log("info", "enough memory again", **figures)
        metrics.process_memory_used.set(used)
        metrics.process_memory_soft_limit.set(limits.soft)

    def _collect(self, *, hard: bool) -> bool:
        """Collect garbage if it is time to, and return whether it was; rarer while in vain."""
        config = self.config
        shortest = config.min_gc_interval_when_soft_limited
        longest = config.max_gc_interval_when_soft_limited
        if hard:
            shortest = config.min_gc_interval_when_hard_limited
            longest = config.max_gc_interval_when_hard_limited
        now = self._context.clock.monotonic() if self._context is not None else 0.0
        if self._gc_interval and now - self._gc_at < min(self._gc_interval, longest):
            return False
        self._gc_at = now
        self._gc_interval = max(shortest, min(self._gc_interval * 2, longest))
        gc.collect()
        memory.give_back()
        return True

    def _log(self, level: str, event: str, **fields: object) -> None:
        if self._context is not None:
            getattr(self._context.logger, level)(event, **fields)
