"""All types that can be found, in the order of precedence, and the checks users may name."""

from processors.redaction import (
    assignments,
    emails,
    personal,
    personal_checks,
    phones,
    providers,
    secret_checks,
)
from processors.redaction.keys import NAMES
from processors.redaction.rules import Check, Rule

_SECRETS = [*providers.STRUCTURED, *providers.PROVIDERS, *assignments.RULES]

GROUPS: dict[str, tuple[str, ...]] = {
    "secrets": tuple(
        sorted(({rule.type for rule in _SECRETS} | {*NAMES}) - {"cvv", "date_of_birth"})
    ),
    "pii": tuple(sorted({rule.type for rule in personal.RULES} | {"phone", "cvv"})),
}
"""Names for several types at once."""

TYPES: tuple[str, ...] = (*GROUPS["secrets"], *GROUPS["pii"])
"""Every built-in type."""

CHECKS: dict[str, Check] = {
    "luhn": personal_checks.luhn_digits,
    "card": personal_checks.card,
    "iban": personal_checks.iban,
    "email": emails.email,
    "ipv4": personal_checks.ipv4,
    "ipv6": personal_checks.ipv6,
    "mac": personal_checks.mac,
    "ssn": personal_checks.ssn,
    "cpf": personal_checks.cpf,
    "cnpj": personal_checks.cnpj,
    "rrn": personal_checks.rrn,
    "nino": personal_checks.nino,
    "jwt": secret_checks.jwt,
    "base58check": personal_checks.base58check,
    "random": secret_checks.looks_random,
}
"""Validators for rules of one's own, by name."""


def rules(enabled: frozenset[str], phone_regions: tuple[str, ...]) -> list[Rule]:
    """Return the built-in rules of the types to look for."""
    found = [*_SECRETS, *personal.RULES, *phones.rules(phone_regions)]
    return [rule for rule in found if rule.type in enabled]
