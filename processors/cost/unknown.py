"""Models that nobody has a price for, so that the user can give them one."""

import threading
from collections import Counter
from collections.abc import Mapping

from gateway.telemetry import metrics

MAX_MODELS = 200
"""Names kept; senders choose them, so there must be an end."""
OTHERS = "(others)"
_MAX_NAME = 120


class UnknownModels:
    """Count calls without a price by model, bounded."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, seen: Mapping[str, int]) -> None:
        """Add a batch's calls by model."""
        with self._lock:
            for model, count in seen.items():
                name = model[:_MAX_NAME] or "(no name)"
                if name not in self._counts and len(self._counts) >= MAX_MODELS:
                    name = OTHERS
                self._counts[name] += count
                metrics.llm_unknown_models.labels(name).inc(count)

    def most_common(self, count: int = 20) -> list[tuple[str, int]]:
        """Return the models with most calls, and how many."""
        with self._lock:
            return self._counts.most_common(count)
