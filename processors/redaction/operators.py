"""What becomes of a finding."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Final

from processors.redaction.settings import OperatorConfig

FAILED: Final = "redaction_failed"
"""The kind of a value that could not be processed."""

_PLACEHOLDER: Final = re.compile(r"\[[A-Z][A-Z0-9_]*(?::[a-z2-7]{8,})?\]")


def is_placeholder(text: str) -> bool:
    """Whether a text is what an earlier redaction wrote."""
    return _PLACEHOLDER.fullmatch(text) is not None


class Operators:
    """
    Apply the configured operator of each kind.

    Args:
        configured: by kind, and ``default``.
        key: returns the key of pseudonyms that have none of their own.

    """

    def __init__(self, configured: Mapping[str, OperatorConfig], key: Callable[[], bytes]) -> None:
        self._configured = configured
        self._default = configured.get("default", OperatorConfig())
        self._key = key
        self._fixed: dict[str, str] = {}
        """What stands for any finding of a kind."""

    def apply(self, kind: str, text: str, *, identity: bool = False) -> str:
        """
        Return what stands in the place of a finding.

        An ``identity`` (who, which session) gets a pseudonym unless its kind has an operator.
        """
        if not identity and (fixed := self._fixed.get(kind)) is not None:
            return fixed
        operator = self._configured.get(kind)
        if operator is None:
            if identity and kind != FAILED:
                return self._pseudonym(kind, text, OperatorConfig(method="hmac"))
            operator = self._default
        if kind == FAILED:
            return "[REDACTION_FAILED]"
        if operator.method == "replace":
            self._fixed[kind] = operator.text.replace("{type}", kind.upper())
            return self._fixed[kind]
        if operator.method == "mask":
            return _mask(text, operator.keep_last)
        if operator.method == "hmac":
            return self._pseudonym(kind, text, operator)
        return ""

    def _pseudonym(self, kind: str, text: str, operator: OperatorConfig) -> str:
        key = operator.key.reveal().encode() if operator.key else self._key()
        digest = hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"[{kind.upper()}:{base64.b32encode(digest)[:16].decode().lower()}]"


def _mask(text: str, keep_last: int) -> str:
    """Hide letters and digits but the last ones; separators stay, so that the shape is seen."""
    shown = keep_last if len(text) > keep_last else 0
    hidden = len(text) - shown
    return re.sub(r"\w", "*", text[:hidden]) + text[hidden:]
