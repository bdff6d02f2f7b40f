"""Attribute values as text, in the Collector's notation."""

import base64
import json
import math
from decimal import Decimal

from gateway.plugin import Value


def as_text(value: Value) -> str:
    """
    Return a value as the Collector writes it where a text is needed.

    Source: pcommon.Value.AsString of the Collector: JSON, but for texts and bytes.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    return json.dumps(
        value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, default=_as_json
    )


def _as_json(value: object) -> object:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else repr(value)


def _number(value: float) -> str:
    """Write a number as JSON does for Go: whole ones without a point, exponents for extremes."""
    if not math.isfinite(value):
        return repr(value)
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        text = f"{Decimal(repr(value)):f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return repr(value).replace("e-0", "e-").replace(".0e", "e")
