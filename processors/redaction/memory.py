"""Remember what became of attributes, since hosts, addresses and URLs repeat from span to span."""

from typing import Final, NamedTuple

_LONGEST: Final = 1024
"""Longer attributes seldom repeat."""

_OVERHEAD: Final = 200
"""About how many bytes an entry takes beside its texts."""


class Outcome(NamedTuple):
    """What became of an attribute."""

    new: bytes | None
    """Its encoding after redaction; ``None`` where it stays as it is."""

    types: tuple[str, ...]
    """The type of each finding."""


class Memory:
    """
    Keep the outcomes of attributes, by their encoding, in two generations bounded in bytes.

    What is asked for again moves to the younger generation; the elder is forgotten as a whole.
    """

    def __init__(self, max_bytes: int = 4 << 20) -> None:
        self._half = max_bytes // 2
        self._young: dict[bytes, Outcome] = {}
        self._old: dict[bytes, Outcome] = {}
        self._size = 0

    def __contains__(self, attribute: object) -> bool:
        if not isinstance(attribute, bytes) or len(attribute) > _LONGEST:
            return False
        return attribute in self._young or attribute in self._old

    def get(self, attribute: bytes) -> Outcome | None:
        """Return the outcome of an attribute that was seen before."""
        if len(attribute) > _LONGEST:  # to look it up would read all of it
            return None
        outcome = self._young.get(attribute)
        if outcome is None and (outcome := self._old.get(attribute)) is not None:
            self.put(attribute, outcome)
        return outcome

    def put(self, attribute: bytes, outcome: Outcome) -> None:
        """Remember an outcome unless it is long."""
        if len(attribute) > _LONGEST:
            return
        self._size += len(attribute) + len(outcome.new or b"") + _OVERHEAD
        if self._size > self._half:
            self._old, self._young, self._size = self._young, {}, 0
        self._young[attribute] = outcome

    def forget(self) -> None:
        """Forget all: the settings or the key have changed."""
        self._young, self._old, self._size = {}, {}, 0
