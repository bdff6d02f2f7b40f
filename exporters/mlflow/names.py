"""What experiments, runs and workspaces may be called, and names made from attributes."""

import re
from collections.abc import Mapping

import msgspec

from gateway.plugin import Value

MAX_NAME_CHARS = 250  # MLflow checks 500, but its databases hold 256
_MAX_ID = 2**63 - 1
_DIGITS = re.compile(r"[0-9]{1,40}")
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w-]{0,255}", re.ASCII)
_WORKSPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_FIELD = re.compile(r"\{([^{}]+)\}")


def decimal_id(text: str) -> str | None:
    """Return an experiment id as MLflow writes it (``"007"`` is ``"7"``), ``None`` for a name."""
    text = text.strip()
    if not _DIGITS.fullmatch(text) or int(text) > _MAX_ID:
        return None
    return str(int(text))


def explain_name(text: str) -> str | None:
    """Return why a text cannot be an experiment's name, ``None`` where it can."""
    if not text.strip():
        return "the name of an experiment must not be empty"
    if len(text) > MAX_NAME_CHARS:
        return f"the name of an experiment must have at most {MAX_NAME_CHARS} characters"
    if not text.isprintable():
        return "the name of an experiment must not hold control or invisible characters"
    return None


def is_run_id(text: str) -> bool:
    """Return whether MLflow may know a run by this id."""
    return _RUN_ID.fullmatch(text) is not None


def is_workspace(text: str) -> bool:
    """Return whether a workspace may have this name."""
    return _WORKSPACE.fullmatch(text) is not None


def text_of(value: Value) -> str | None:
    """Return an attribute's value as text, the way JSON writes it; ``None`` where it has none."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bytes):
        return None
    return msgspec.json.encode(value).decode()


def explain_template(text: str) -> str | None:
    """Return why a text cannot be a name with ``{attribute}`` in it, ``None`` where it can."""
    if set(_FIELD.sub("", text)) & {"{", "}"}:
        return f'a brace stands alone or encloses nothing in "{text}"'
    if _FIELD.search(text) or decimal_id(text):
        return None
    return explain_name(text)


class Template:
    """A name with ``{attribute}`` in it; a brace that stands alone stays as it is."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._keys = _FIELD.findall(text)

    def fill(self, attributes: Mapping[str, Value]) -> str | None:
        """Return the text with attributes put in, ``None`` where one is missing or empty."""
        values: dict[str, str] = {}
        for key in self._keys:
            text = text_of(attributes.get(key))
            if not text:
                return None
            values[key] = text
        return _FIELD.sub(lambda field: values[field[1]], self._text) if values else self._text
