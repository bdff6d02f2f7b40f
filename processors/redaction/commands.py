"""Passwords in command lines, in calls, and in notes of the kind ``login: bob / secret``."""

from processors.redaction import secret_checks
from processors.redaction.rules import Rule

_QUOTE = r"\\{0,15}[\"']"

_LOGIN = (
    r"(?i:\b(?:login|log in as|credentials|creds|zugangsdaten|anmeldedaten|logindaten|identifiants"
    r"|credenciales|credenziali|credenciais|inloggegevens|accesso|acceso))"
)

RULES: list[Rule] = [
    Rule(
        "password",
        r"\B(?i:--?(?:password|passwd|pass|pwd)[ =])",
        r"[ \t]{0,2}([^\s\"'`-][^\s\"'`]{2,})",
        secret_checks.option,
    ),
    Rule(
        "password",
        r"(?i:\b(?:mysql|mysqldump|mysqladmin|mariadb|sshpass|redis-cli|mongosh?|psql)\b)",
        r"[^\r\n|;]{0,160}? -(?:p ?['\"]?|a ['\"]?)([^\s\"'`]{4,})",
        secret_checks.mixed,
    ),
    Rule(
        "password",
        r"(?i:\b(?:docker|podman|helm|oc|az|ldapsearch|ldapadd|ldapmodify|winrs)\b)",
        r"[^\r\n|;]{0,160}? -[pw] ?['\"]?([^\s\"'`]{4,})",
        secret_checks.mixed,
        hint=r"(?i:docker|podman|helm|oc|az|ldap\w*|winrs) (?:[^\n]* )?-[pw] ",
    ),
    Rule(
        "password",
        r"(?i:\bhtpasswd )",
        r"[^\r\n|;]{0,80}?-[a-zA-Z]*b[a-zA-Z]* \S{1,80} \S{1,80} ['\"]?([^\s\"'`]{3,})",
        secret_checks.option,
    ),
    Rule(
        "password",
        r"(?i:\becho(?: -n)? )",
        r"\\{0,15}[\"']?(?:[\w.-]{1,40}:)?([^\s\"'`|:\\]{3,})\\{0,15}[\"']? ?\| ?[^\r\n|;]{0,80}?"
        r"(?:sudo [^|\r\n]{0,20}-S|--?(?:password-?)?stdin|chpasswd|passwd)",
        secret_checks.option,
        hint=r"(?i:echo)[^\n|]*\| ?(?:sudo|chpasswd|passwd|docker|podman|helm|oc|gh|op)",
    ),
    Rule(
        "password",
        r"(?i:\bsmbclient )",
        r"[^\r\n|;]{0,80}?(?:-U|--user)[ =]?['\"]?[^\s%\"']{1,80}%([^\s\"'`]{3,})",
        secret_checks.option,
    ),
    Rule(
        "password",
        r"(?i:\bnet user )",
        r"\S{1,40} ([^\s/*\"'`][^\s\"'`]{3,})",
        secret_checks.mixed,
    ),
    Rule(
        "password",
        r"(?i:ConvertTo-SecureString )",
        r"(?:-String )?\\{0,15}[\"']([^\"'\\\r\n]{3,})",
        secret_checks.option,
    ),
    Rule(
        "password",
        r"(?i:\b(?:HTTPBasicAuth|HTTPDigestAuth|BasicAuth|setBasicAuth|basic_auth|login|logon"
        r"|NetworkCredential|PasswordAuthentication|UsernamePassword\w{1,24})\()",
        rf"\s{{0,2}}{_QUOTE}[^\"'\\\r\n]{{1,80}}{_QUOTE}, ?{_QUOTE}([^\"'\\\r\n]{{3,}})",
        secret_checks.mixed,
    ),
    Rule(
        "password",
        r"(?i:\bgetConnection\()",
        rf"[^\r\n;]{{1,200}}?, ?{_QUOTE}[^\"'\\\r\n]{{1,80}}{_QUOTE}"
        rf", ?{_QUOTE}([^\"'\\\r\n]{{3,}})",
        secret_checks.mixed,
    ),
    Rule(
        "token",
        r"(?i:_authToken)",
        r"[ =]{1,3}([A-Za-z0-9+/=._-]{8,})",
        secret_checks.option,
    ),
    Rule(
        "password",
        r"(?i:\b(?:auth|credentials|login|creds)\b)",
        rf" {{0,2}}= {{0,2}}\(\s{{0,2}}{_QUOTE}[^\"'\\\r\n]{{1,80}}{_QUOTE}, ?"
        rf"{_QUOTE}([^\"'\\\r\n]{{3,}})",
        secret_checks.option,
        hint=r"(?i:auth|credentials|login|creds) {0,2}= {0,2}\(",
    ),
    Rule(
        "password",
        _LOGIN,
        r"[ :=]{1,3}[^\s/:]{2,60}(?: / |:)([^\s/\"'`<>]{4,})",
        secret_checks.mixed,
    ),
    Rule(
        "password",
        _LOGIN,
        r"[ :=]{1,3}(?:\p{L}{2,4} )?[^\s/:]{2,60}[/:]([^\s/\"'`<>]{7,})",
        secret_checks.juxtaposed,
    ),
    Rule(
        "password",
        r"(?i:\b(?:password|identified by))",
        r" {1,2}\\{0,15}(?:'([^'\r\n]{3,})'|\"([^\"\r\n]{3,})\")",
        secret_checks.mixed,
        hint=r"(?i:password|identified by) {1,2}\\*[\"']",
    ),
    Rule(
        "password",
        r"(?i:\bpassword\s{1,4})",
        r"([^\s\"'`<>]{3,})",
        secret_checks.option,
        (r"\blogin ",),
    ),
    Rule(
        "password",
        r"\$(?:2[abxy]|apr1|[156y]|argon2(?:id|i|d)|scrypt|pbkdf2[\w-]{0,12})\$",
        r"[^\s:\"'<>]{12,}",
        hint=r"\$(?:(?:2[abxy]|apr1|[156y])\$|argon2|scrypt|pbkdf2)",
    ),
    Rule(
        "url_password",
        r"\bjdbc:oracle:\w{2,5}:",
        r"[^/\s@]{1,60}/([^@\s/]{3,})@",
        secret_checks.option,
    ),
    Rule(
        "password",
        r"(?i:\bcurl )",
        r"(?:[^\r\n|]{0,200}? )??(?:-u|--user)[ =][\"']?[^\s:\"']{1,80}:([^\s\"'`]{3,})",
        secret_checks.option,
    ),
    Rule(
        "token",
        r"(?i:--(?:token|api-key|apikey|secret|access-token|auth-token|client-secret))",
        r"[ \t]{1,2}([^\s\"'`-][^\s\"'`]{5,})",
        secret_checks.option,
    ),
]
"""In the order of precedence."""
