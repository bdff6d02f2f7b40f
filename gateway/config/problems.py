"""What is wrong with a configuration: where, what, and what to do."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_PASSWORD = re.compile(r"(://[^/@:\s]*:)[^/@\s]+@")

KeyPath = tuple[str | int, ...]
"""Keys and list positions from the root to a setting."""


class Mark(NamedTuple):
    """A place that a person can go to."""

    source: str
    """A file as the user named it, or ``--set key``."""

    line: int
    """Counted from 1; 0 where there are no lines."""

    base_dir: Path
    """What paths in that place are relative to."""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


class Problem(NamedTuple):
    """One mistake."""

    where: str
    """``file:line``."""

    path: str
    """The setting, such as ``exporters.mlflow.batch.max_spans``; empty for a whole file."""

    message: str
    """What was expected and what was found; never the value of a secret."""

    hint: str = ""
    """What to do."""

    def __str__(self) -> str:
        place = f"{self.where}: {self.path}" if self.path else self.where
        return f"{place}: {self.message}" + (f"\n    {self.hint}" if self.hint else "")


class ConfigError(Exception):
    """A configuration cannot be used; ``problems`` holds every mistake found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        count = len(self.problems)
        title = "the configuration has " + ("1 problem" if count == 1 else f"{count} problems")
        super().__init__("\n".join([f"{title}:", *map(str, self.problems)]))


class Problems:
    """The mistakes found so far."""

    def __init__(self, secrets: set[str] | None = None) -> None:
        self._found: dict[Problem, Mark] = {}
        self._secrets: set[str] = set() if secrets is None else secrets

    def trial(self) -> "Problems":
        """Return an empty list for a try that may fail; what must be hidden is shared."""
        return Problems(self._secrets)

    def __len__(self) -> int:
        return len(self._found)

    def hide(self, secret: str) -> None:
        """Make sure that a text appears in no message."""
        if secret:
            self._secrets.add(secret)

    def add(self, mark: Mark, path: KeyPath, message: str, hint: str = "") -> None:
        """Note a mistake; the same one twice counts once."""
        self._found.setdefault(Problem(str(mark), dotted(path), message, hint), mark)

    def raise_any(self) -> None:
        """
        Raise what was found, if anything, in the order of the files.

        Raises:
            ConfigError: there are mistakes.

        """
        if not self._found:
            return
        sources = list(dict.fromkeys(mark.source for mark in self._found.values()))
        in_order = sorted(
            self._found, key=lambda p: (sources.index(self._found[p].source), self._found[p].line)
        )
        raise ConfigError([self._masked(problem) for problem in in_order])

    def _masked(self, problem: Problem) -> Problem:
        message, hint = problem.message, problem.hint
        for secret in sorted(self._secrets, key=len, reverse=True):
            message, hint = message.replace(secret, "****"), hint.replace(secret, "****")
        return problem._replace(message=without_password(message), hint=hint)


def without_password(text: str) -> str:
    """Return a text with the passwords of the addresses in it masked."""
    return _PASSWORD.sub(r"\1****@", text)


def dotted(path: KeyPath) -> str:
    """Write a path as people do: ``receivers.otlp.auth.tenants[0].name``."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text
