"""What a user may set for ``redaction``."""

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec
import phonenumbers

from gateway.plugin import Config, Secret
from processors.redaction import regex
from processors.redaction.catalog import CHECKS, GROUPS, TYPES


def compile_pattern(pattern: str, setting: str) -> regex.Pattern:
    """
    Compile a user's pattern.

    Raises:
        ValueError: it is no RE2 pattern; the message begins with the setting's name.

    """
    try:
        return regex.compile(pattern)
    except regex.PatternError as error:
        raise ValueError(
            f'{setting}: "{pattern}" is no RE2 pattern: {error}; RE2 knows no lookaround and no '
            "back-references (github.com/google/re2/wiki/Syntax)"
        ) from None


def mistakes(patterns: Iterable[str], setting: str) -> Iterator[str]:
    """Yield what is wrong with those of a user's patterns that cannot be compiled."""
    for pattern in patterns:
        try:
            compile_pattern(pattern, setting)
        except ValueError as error:
            yield str(error)


def _unknown(setting: str, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}"
    return f'{setting}: unknown type "{name}"; {hint}'


def _unknown_regions(regions: Iterable[str]) -> Iterator[str]:
    known = sorted(phonenumbers.SUPPORTED_REGIONS)
    for region in regions:
        if region not in known:
            near = difflib.get_close_matches(region.upper(), known, n=1)
            hint = f'did you mean "{near[0]}"?' if near else "expected such as US, DE or KR"
            yield f'phone_regions: unknown region "{region}"; {hint}'


class OperatorConfig(Config):
    """What becomes of a finding."""

    method: Literal["replace", "mask", "hmac", "remove"] = "replace"
    """``replace`` by ``text``, ``mask`` all but the last characters, ``hmac`` for a keyed
    pseudonym (equal values stay equal), ``remove`` without a trace."""

    text: str = "[{type}]"
    """For ``replace``: ``{type}`` becomes the type in capitals."""

    keep_last: int = 4
    """For ``mask``: how many characters stay; a finding that is no longer is masked whole."""

    key: Secret = Secret("")
    """For ``hmac``: the key; empty takes ``hmac_key``."""

    def validate(self) -> None:
        """
        Check the numbers.

        Raises:
            ValueError: ``keep_last`` is negative.

        """
        if self.keep_last < 0:
            raise ValueError("keep_last must not be negative")


class KeysConfig(Config):
    """Keys of attributes, maps and JSON objects whose values are treated by name."""

    block: tuple[str, ...] = ()
    """Redact the whole value under these keys: names, compared with the key's last words
    (``api_key`` also means ``x-api-key`` and ``myApiKey``), or globs on the whole key."""

    allow: tuple[str, ...] = ()
    """Leave everything under these keys alone; globs on the whole key. Wins over all else."""


class CustomRule(Config):
    """A rule of one's own."""

    name: str
    """The type: ``employee_id`` is written ``[EMPLOYEE_ID]``."""

    pattern: str
    """RE2 pattern; its group 1, where there is one, is the finding."""

    validator: str | None = None
    """A check that a match must pass too."""

    context: tuple[str, ...] = ()
    """Words, one of which must stand shortly before a match or in its key."""

    operator: OperatorConfig | None = None
    """What becomes of a finding; ``null`` takes the one under ``operators``."""

    def validate(self) -> None:
        """
        Check the name, the patterns and the validator.

        Raises:
            ValueError: one of them is wrong, and how.

        """
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise ValueError(f'name: expected lower_snake_case, found "{self.name}"')
        if self.name in TYPES or self.name in GROUPS or self.name == "default":
            raise ValueError(f'name: "{self.name}" is taken; choose another')
        if compile_pattern(self.pattern, "pattern").search(b"") is not None:
            raise ValueError(f'pattern: "{self.pattern}" matches the empty text')
        if self.validator is not None and self.validator not in CHECKS:
            near = difflib.get_close_matches(self.validator, CHECKS, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(CHECKS)}"
            raise ValueError(f'validator: unknown "{self.validator}"; {hint}')
        if wrong := list(mistakes(self.context, "context")):
            raise ValueError(*wrong)


class RedactionConfig(Config):
    """Settings of ``redaction``."""

    rules: tuple[str, ...] = ("secrets", "pii")
    """Groups (``secrets``, ``pii``) and types to look for; ``-ip`` takes one out."""

    phone_regions: tuple[str, ...] = ("US", "GB", "DE", "BR", "KR")
    """Regions whose national phone formats are recognised; ``+`` forms always are."""

    operators: dict[str, OperatorConfig] = msgspec.field(default_factory=dict)
    """What becomes of findings: ``default``, and by type."""

    hmac_key: Secret = Secret("")
    """Key of the pseudonyms; empty makes one and keeps it in the data folder. Set it where
    several gateways must agree."""

    keys: KeysConfig = msgspec.field(default_factory=KeysConfig)
    """Keys whose values are redacted whole, and keys that are left alone."""

    allow_values: tuple[str, ...] = ()
    """RE2 patterns of findings to leave alone; the whole finding must match."""

    custom: tuple[CustomRule, ...] = ()
    """Rules of one's own."""

    max_value_bytes: int = 1048576
    """A longer value is replaced by ``[REDACTION_FAILED]``."""

    def validate(self) -> None:
        """
        Check names against what exists.

        Raises:
            ValueError: a type, region or pattern is wrong; names the setting and what is near.

        """
        custom = [rule.name for rule in self.custom]
        known = [*GROUPS, *TYPES, *custom]
        named = [name.removeprefix("-") for name in self.rules]
        replaced = ["default", *TYPES, *custom]
        wrong = [
            *(f'custom: "{name}" is defined twice' for name in custom if custom.count(name) > 1),
            *(_unknown("rules", name, known) for name in named if name not in known),
            *(
                _unknown("operators", name, replaced)
                for name in self.operators
                if name not in replaced
            ),
            *_unknown_regions(self.phone_regions),
            *mistakes(self.allow_values, "allow_values"),
        ]
        if self.max_value_bytes < 1:
            wrong.append("max_value_bytes must be at least 1")
        if wrong:
            raise ValueError(*dict.fromkeys(wrong))

    def enabled(self) -> frozenset[str]:
        """Return the types to look for, custom ones included."""
        chosen: set[str] = set()
        names = self.rules
        if names and all(name.startswith("-") for name in names):
            names = (*GROUPS, *names)
        for name in names:
            types = set(GROUPS.get(name.removeprefix("-"), (name.removeprefix("-"),)))
            chosen = chosen - types if name.startswith("-") else chosen | types
        off = {name[1:] for name in self.rules if name.startswith("-")}
        return frozenset(chosen | {rule.name for rule in self.custom if rule.name not in off})
