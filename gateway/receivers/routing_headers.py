"""The headers of a sender that choose where its spans go; no other ever leaves the receiver."""

from collections.abc import Iterable

ROUTING_HEADERS = ("x-mlflow-experiment-id", "x-mlflow-run-id", "x-mlflow-workspace")
_PREFIX = "x-mlflow-"
_BEGINS = ("x-", "X-")


def routing_headers(pairs: Iterable[tuple[str, str | bytes]]) -> tuple[tuple[str, str], ...]:
    """Return them in lower case and sorted; empty ones count as not sent, the first one wins."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name[:2] in _BEGINS and name[:9].lower() == _PREFIX and isinstance(value, str):
            key = name.lower()
            text = value.strip()
            if text and key in ROUTING_HEADERS:
                found.setdefault(key, text)
    return tuple(sorted(found.items())) if found else ()
