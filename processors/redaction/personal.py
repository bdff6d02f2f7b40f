"""The personal data that can be recognised without a language model, as data."""

from processors.redaction import birth_dates, emails, national_ids, personal_checks
from processors.redaction.checks import JOINTS
from processors.redaction.rules import Rule, relax

_LOCAL = r"[\p{L}\p{M}\p{N}._+'~-]"
_LABEL = r"[\p{L}\p{M}\p{N}-]+"
_NO_LOOPBACK = r"(?:[2-9]\d{0,2}|1(?:[013-9]\d?|2[0-689]?)?)"
_SEP = "(?:[ .-]|\u00a0|\u2011|\u2013|\u202f|\u2009)"
"""Spaces and hyphens between groups, those of typography too."""

_HEX = "[0-9A-Fa-f]"
"""The prefilter looks for a group's last digit alone, lest it count the letters of words."""

_H16 = f"{_HEX}{{1,4}}"

# One prefilter for all wallets in base58; Monero's begin with 4, whose second may be a 0.
_BASE58 = relax(r"\b(?:[13LMDTX]|4[0-9AB])") + "[1-9A-HJ-NP-Za-km-z]{25}"

RULES: list[Rule] = [
    Rule(
        "email",
        _LOCAL + "+(?:@|\uff20)",
        rf"(?:{_LABEL}\.)+(?:[\p{{L}}\p{{M}}]{{2,24}}|(?i:xn--[a-z0-9-]{{2,59}}))",
        emails.email,
        hint=relax(f"{_LOCAL}(?:@|\uff20)")
        + r"(?:[A-Za-z0-9-]|[\xc2-\xf4][\x80-\xbf]{1,3}|\\+u[0-9a-fA-F]{4})+\.",
    ),
    Rule(
        "email",
        r"\b[A-Za-z0-9._+-]{1,64} ?(?i:\[at\]|\(at\)|\{at\})",
        r" ?[A-Za-z0-9-]+(?: ?(?i:\.|\[dot\]|\(dot\)|\{dot\}) ?[A-Za-z0-9-]+)*? ?"
        r"(?i:\.|\[dot\]|\(dot\)|\{dot\}) ?[A-Za-z]{2,24}\b",
        hint=r"(?i:[\[({]at[\])}])",
    ),
    *birth_dates.RULES,
    *national_ids.RULES,
    Rule(
        "card",
        rf"\b[2-68]\d(?:{_SEP}?\d){{10}}",
        rf"(?:{_SEP}?\d){{0,7}}\b",
        personal_checks.card,
        joints=JOINTS,
    ),
    Rule(
        "iban",
        rf"\b[A-Z]{{2}}\d{{2}}{_SEP}?[A-Z0-9]{{4}}{_SEP}?[A-Z0-9]{{4}}{_SEP}?[A-Z0-9]{{3}}",
        rf"(?:{_SEP}?[A-Z0-9]){{0,23}}",
        personal_checks.iban,
    ),
    Rule(
        "iban",
        r"\b[a-z]{2}\d{2} ?[a-z0-9]{4} ?\d{4} ?\d{3}",
        r"(?: ?[a-z0-9]){0,23}",
        personal_checks.iban,
    ),
    # In lower case they look like other ids, but for those of many banks in digits.
    Rule(
        "iban",
        r"\b[a-z]{2}\d{2} ?[a-z0-9]{4}",
        r"(?: ?[a-z0-9]){7,26}",
        personal_checks.iban,
        (r"\biban\b",),
    ),
    Rule("ip", rf"\b{_NO_LOOPBACK}\.\d{{1,3}}\.\d{{1,3}}\.\d{{1,3}}", "", personal_checks.ipv4),
    Rule(
        "ip",
        rf"(?:{_H16}:){{3}}",
        r"[0-9A-Fa-f:]*(?:\d{1,3}(?:\.\d{1,3}){3})?",
        personal_checks.ipv6,
        hint=f"{_HEX}:(?:{_H16}:){{2}}",
    ),
    Rule(
        "ip",
        rf"{_H16}(?::{_H16})?::",
        r"[0-9A-Fa-f:]*(?:\d{1,3}(?:\.\d{1,3}){3})?",
        personal_checks.ipv6,
        hint=f"{_HEX}::",
    ),
    Rule(
        "ip",
        r"::[0-9A-Fa-f]{4}:",
        r"[0-9A-Fa-f:]*(?:\d{1,3}(?:\.\d{1,3}){3})?",
        personal_checks.ipv6,
    ),
    *(
        Rule("mac", rf"\b{first}{rest}\b", check=personal_checks.mac, hint=_HEX + rest)
        for first, rest in (
            (f"{_HEX}{{2}}", f"(?::{_HEX}{{2}}){{5}}"),
            (f"{_HEX}{{2}}", f"(?:-{_HEX}{{2}}){{5}}"),
            (f"{_HEX}{{4}}", rf"(?:\.{_HEX}{{4}}){{2}}"),
        )
    ),
    Rule("ssn", r"\b\d{3}-\d{2}-\d{4}\b", "", personal_checks.ssn),
    Rule(
        "ssn",
        r"\b\d{3} ?\d{2} ?\d{4}\b",
        "",
        personal_checks.ssn,
        (r"\bssn\b", r"\bsocial\b", r"\bseguro social\b"),
    ),
    Rule("cpf", r"\b\d{3}\.\d{3}\.\d{3}[-./ ]\d{2}\b", "", personal_checks.cpf),
    Rule("cpf", r"\b\d{9}-?\d{2}\b", "", personal_checks.cpf, joints=JOINTS),
    Rule("cpf", r"\b\d{11}\b", "", personal_checks.cpf, (r"\bcpf\b",)),
    Rule(
        "cnpj",
        r"\b[A-Z0-9]{2}\.[A-Z0-9]{3}\.[A-Z0-9]{3}/[A-Z0-9]{4}-\d{2}\b",
        "",
        personal_checks.cnpj,
    ),
    Rule("cnpj", r"\b[A-Z0-9]{12}\d{2}\b", "", personal_checks.cnpj, (r"\bcnpj\b",)),
    Rule("rrn", r"\b\d{6} ?- ?[1-8]\d{6}\b", "", personal_checks.rrn),
    Rule(
        "rrn",
        r"\b\d{6} ?[1-8]\d{6}\b",
        "",
        personal_checks.rrn_checked,
        (r"\brrn\b", r"\bresident\b", "주민", "등록번호"),
    ),
    Rule(
        "nino",
        r"\b(?:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]|QQ)[ -]?\d{2}[ -]?\d{2}[ -]?\d{2}[ -]?[A-D]\b",
        "",
        personal_checks.nino,
    ),
    Rule(
        "nino",
        r"\b[a-z]{2}[ -]?\d{2}[ -]?\d{2}[ -]?\d{2}[ -]?[a-d]\b",
        "",
        personal_checks.nino,
        (r"\bnino\b", r"\bnational insurance\b", r"\bni number\b"),
    ),
    Rule(
        "passport",
        r"\b(?:[A-Z]{0,3}\d{6,9}[A-Z]?|[A-Z0-9]{8,9}\d?|\d{2}[A-Z]{2}\d{5}|\d{12})\b",
        "",
        personal_checks.passport,
        (
            *(
                "passport",
                "reisepass",
                r"\bpass-?(?:nummer|nr)",
                r"ausweis-?(?:nummer|nr)",
                "personalausweis",
                "passeport",
                "pasaporte",
                "passaport[eo]",
                "pas[sz]port",
                "pasaport",
                r"\bid card\b",
                "carte d.identit",
                "carta d.identit",
                "identiteitskaart",
            ),
            *("여권", "护照", "護照", "パスポート", "旅券", "паспорт", "paspoort"),
        ),
    ),
    # The two lines of a passport that machines read.
    Rule("passport", r"\bP[A-Z<][A-Z]{5,39}<[A-Z<]{6,38}", hint="[A-Z]<[A-Z<]{6}"),
    Rule(
        "passport",
        r"\b[A-Z0-9<]{9}\d[A-Z]{3}\d{7}[MF<]\d{7}[A-Z0-9<]{12,16}",
        hint=r"\d[MF<]\d{7}[A-Z0-9<]{8}",
    ),
    Rule(
        "crypto_wallet",
        r"\b[13LMDTX][1-9A-HJ-NP-Za-km-z]{25,34}\b",
        check=personal_checks.base58check,
        hint=_BASE58,
    ),
    Rule(
        "crypto_wallet",
        r"\b(?i:bc1|tb1|ltc1)[ac-hj-np-zAC-HJ-NP-Z02-9]{25,87}\b",
        "",
        personal_checks.bech32,
    ),
    Rule("crypto_wallet", r"\b0x[0-9a-fA-F]{40}\b", "", personal_checks.ethereum),
    Rule("crypto_wallet", r"\b4[0-9AB][1-9A-HJ-NP-Za-km-z]{93}\b", hint=_BASE58),
]
