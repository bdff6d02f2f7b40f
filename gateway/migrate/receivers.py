"""Receivers of the Collector."""

from collections.abc import Mapping
from typing import Any

from gateway.migrate.auth import Authenticators
from gateway.migrate.source import Report, Section, type_of

MIB = 1024 * 1024


def migrate(
    given: Mapping[str, Any], authenticators: Authenticators, report: Report
) -> dict[str, Any]:
    """Return those that take OTLP; the others are noted."""
    found: dict[str, Any] = {}
    for receiver_id, settings in given.items():
        path = ("receivers", receiver_id)
        if type_of(receiver_id) == "otlp":
            found[receiver_id] = _otlp(Section(settings, path, report), authenticators)
        else:
            report.note(
                path,
                "no counterpart: only OTLP is received; send OTLP, or keep a Collector in front "
                "that receives this and sends OTLP here",
            )
    return found


def _otlp(section: Section, authenticators: Authenticators) -> dict[str, Any]:
    protocols: dict[str, Any] = {}
    auth: dict[str, Any] = {}
    both = section.section("protocols")
    for name in both:
        if name not in ("grpc", "http"):
            both.note(name, "no counterpart: OTLP comes over gRPC or HTTP")
            continue
        one = both.section(name)
        protocols[name] = _grpc(one) if name == "grpc" else _http(one)
        auth = authenticators.server(one.section("auth")) or auth
        one.finish()
    both.finish()
    section.finish()
    return {"protocols": protocols} | ({"auth": auth} if auth else {})


def _grpc(section: Section) -> dict[str, Any]:
    found = _common(section)
    section.move(found, "max_recv_msg_size_mib")
    server = section.section("keepalive").section("server_parameters")
    server.move(found, "max_connection_age")
    server.note("max_connection_age_grace", "a connection that ends finishes its requests")
    server.finish()
    section.note("max_concurrent_streams", "requests in flight are bounded for all of a receiver")
    return found


def _http(section: Section) -> dict[str, Any]:
    found = _common(section)
    if path := section.take("traces_url_path"):
        found["traces_url_paths"] = [path]
    if size := section.take("max_request_body_size"):
        found["max_request_body_size_mib"] = max(1, round(size / MIB))
    if "cors" in section:
        cors = section.section("cors")
        found["cors"] = {}
        cors.move(found["cors"], "allowed_origins", "allowed_headers")
        if seconds := cors.take("max_age"):
            found["cors"]["max_age"] = f"{seconds}s"
        cors.finish()
    return found


def _common(section: Section) -> dict[str, Any]:
    found: dict[str, Any] = {}
    section.move(found, "endpoint")
    section.take("transport")
    section.take("include_metadata")  # the routing headers are always kept
    if "tls" in section:
        tls = section.section("tls")
        found["tls"] = {}
        tls.move(
            found["tls"],
            "cert_file",
            "key_file",
            "client_ca_file",
            "reload_interval",
            "min_version",
        )
        tls.finish()
    return found
