"""The types that settings are made of."""

import hmac
import math
import re
from typing import Self

import msgspec

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h))+|0")
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)")


class Config(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    Base of every component's settings; treat instances as read-only.

    A string below a field is its documentation: it becomes the reference page and the editor
    hint. Override :meth:`validate` for checks that span fields.
    """

    def validate(self) -> None:
        """
        Check what types cannot say.

        Raises:
            ValueError: what is wrong and what to do; the path is added by the caller. A message
                that begins with a setting, as in ``rules[1].name: ...``, is placed there;
                several arguments are several mistakes.

        """


class Duration(float):
    """
    A length of time in seconds, written as in the Collector: ``200ms``, ``5s``, ``1m30s``.

    Source: Go's time.ParseDuration, without negative values.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read the Collector's notation.

        Raises:
            ValueError: the text is no duration.

        """
        parts = _DURATION_PART.findall(text) if _DURATION.fullmatch(text) else [("inf", "s")]
        seconds = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
        if not math.isfinite(seconds):
            raise ValueError(
                f'expected a duration such as "200ms", "5s" or "1m30s", found "{text}"'
            )
        return cls(seconds)

    def __str__(self) -> str:
        """Write the notation that :meth:`parse` reads."""
        seconds = float(self)
        for unit, size in (("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
            amount = seconds / size
            if amount >= 1 and abs(amount - round(amount)) < 1e-9:
                return f"{round(amount)}{unit}"
        return f"{seconds:g}s"


class Secret:
    """A text that prints as ``****``; compared in constant time."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself; never pass it to a log or an error."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "****"

    __str__ = __repr__


class FilePath(str):
    """
    The path of a file; in a configuration relative to the file that names it.

    Once loaded it is absolute. ``data_dir`` is no such path: it is relative to the working
    directory.
    """

    __slots__ = ()


def from_yaml(kind: type, value: object) -> object:
    """
    Build one of our types out of what YAML holds; msgspec's ``dec_hook``.

    Raises:
        ValueError: the value does not fit, and how it should look.

    """
    if kind is Duration:
        if isinstance(value, str):
            return Duration.parse(value)
        if value == 0 and not isinstance(value, bool):
            return Duration(0)
        raise ValueError(f'expected a duration such as "200ms" or "5s", found {value!r}')
    if kind is Secret:
        if isinstance(value, str):
            return Secret(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return Secret(str(value))
        raise ValueError(f"expected a text, found {type(value).__name__}")
    if kind is FilePath:
        if isinstance(value, str):
            return FilePath(value)
        raise ValueError(f"expected the path of a file, found {type(value).__name__}")
    raise NotImplementedError(kind)


def to_plain(value: object) -> object:
    """Return one of our types as YAML would hold it, secrets masked; msgspec's ``enc_hook``."""
    if isinstance(value, Duration | Secret):
        return str(value)
    raise NotImplementedError(type(value))
