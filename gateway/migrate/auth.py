"""Authenticators of the Collector: extensions there, settings of receivers and exporters here."""

from collections.abc import Mapping
from typing import Any

from gateway.config.problems import KeyPath
from gateway.migrate.source import Report, Section, type_of

_TENANT = "everybody"


class Authenticators:
    """The extensions that check or give credentials."""

    def __init__(self, extensions: Mapping[str, Any], report: Report) -> None:
        self._extensions = extensions
        self._report = report

    def server(self, auth: Section) -> dict[str, Any]:
        """Return a receiver's ``auth``: one tenant that has the credentials."""
        name = auth.take("authenticator")
        auth.finish()
        if name is None:
            return {}
        path = (*auth.path, "authenticator")
        section = self._find(name, path)
        tenant: dict[str, Any] = {"name": _TENANT}
        if section is not None and type_of(name) == "bearertokenauth":
            tenant |= _tokens(section)
        elif section is not None and type_of(name) == "basicauth":
            tenant |= _basic(section.section("htpasswd"))
            section.finish()
        if len(tenant) == 1:
            self._report.note(
                path,
                f"no counterpart: {name} cannot check senders here; until auth.tenants is set on "
                "this receiver everybody who reaches it may send",
            )
            return {}
        return {"tenants": [tenant]}

    def client(self, auth: Section, *, is_mlflow: bool) -> dict[str, Any]:
        """Return an exporter's settings that carry the credentials."""
        name = auth.take("authenticator")
        auth.finish()
        if name is None:
            return {}
        path = (*auth.path, "authenticator")
        section = self._find(name, path)
        given: dict[str, Any] = {}
        if section is not None and type_of(name) == "bearertokenauth":
            section.move(given, "token", filename="token_file")
        elif section is not None and type_of(name) == "basicauth":
            section.section("client_auth").move(given, "username", "password")
        if not given:
            self._report.note(path, f"no counterpart: {name} gives no credentials here")
            return {}
        if is_mlflow:
            return {"auth": given}
        if "token" in given:
            return {"headers": {"authorization": f"Bearer {given['token']}"}}
        if "token_file" in given:
            return {"headers": {"authorization": f"Bearer ${{file:{given['token_file']}}}"}}
        self._report.note(path, "write the header yourself: authorization: Basic <base64>")
        return {}

    def _find(self, name: str, path: KeyPath) -> Section | None:
        if name not in self._extensions:
            self._report.note(path, f"there is no extension {name}")
            return None
        return Section(self._extensions[name], ("extensions", name), self._report)


def _tokens(section: Section) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if token := section.take("token"):
        found["tokens"] = [token]
    if tokens := section.take("tokens"):
        found["tokens"] = list(tokens)
    section.move(found, filename="tokens_file")
    section.take("scheme")
    section.finish()
    return found


def _basic(htpasswd: Section) -> dict[str, Any]:
    """Return the first user whose password stands there in clear; there is one a tenant."""
    lines = str(htpasswd.take("inline") or "").split()
    plain = [line.partition(":") for line in lines if ":" in line and ":$" not in line]
    htpasswd.note("file", "no counterpart: give each user a tenant with basic {username, password}")
    if len(lines) > len(plain):
        htpasswd.report.note(
            (*htpasswd.path, "inline"), "hashed passwords are not read: give the password itself"
        )
    if len(plain) > 1:
        htpasswd.report.note(
            (*htpasswd.path, "inline"), "only the first user is taken over; add a tenant for each"
        )
    if not plain:
        return {}
    username, _, password = plain[0]
    return {"basic": {"username": username, "password": password}}
