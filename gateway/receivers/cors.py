"""
Let web pages send: cross-origin requests.

Source: WHATWG Fetch, "HTTP CORS protocol".
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from gateway.receivers.config import CorsConfig

_OUR_HEADERS = (
    "authorization",
    "content-encoding",
    "content-type",
    "x-api-key",
    "x-mlflow-experiment-id",
    "x-mlflow-run-id",
    "x-mlflow-workspace",
)


class Cors:
    """Headers for browsers; none where the origin is not allowed."""

    def __init__(self, config: CorsConfig) -> None:
        self._origins = [origin.lower() for origin in config.allowed_origins]
        self._any_header = "*" in config.allowed_headers
        self._headers = ", ".join((*_OUR_HEADERS, *config.allowed_headers))
        self._max_age = str(int(config.max_age))

    @property
    def enabled(self) -> bool:
        """Whether any origin is allowed."""
        return bool(self._origins)

    def headers(self, request_headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of an answer."""
        origin = request_headers.get("Origin")
        if not self._origins or origin is None:
            return {}
        if "*" in self._origins:
            return {"Access-Control-Allow-Origin": "*"}
        if not any(fnmatchcase(origin.lower(), allowed) for allowed in self._origins):
            return {"Vary": "Origin"}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Expose-Headers": "Retry-After",
            "Vary": "Origin",
        }

    def preflight(self, request_headers: Mapping[str, str]) -> dict[str, str] | None:
        """Return the headers of the answer to a preflight; ``None`` where it is none."""
        wanted = request_headers.get("Access-Control-Request-Method")
        if not self._origins or wanted is None or "Origin" not in request_headers:
            return None
        headers = self.headers(request_headers)
        if "Access-Control-Allow-Origin" not in headers:
            return headers
        asked = request_headers.get("Access-Control-Request-Headers", "")
        return headers | {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": asked if self._any_header else self._headers,
            "Access-Control-Max-Age": self._max_age,
        }
