"""What plugins import keeps its name through a major version of the API."""

import importlib

import pytest

from gateway.plugin import API_VERSION

SINCE_1_0 = {
    "gateway.plugin": """
        API_VERSION Attributes Batch BatchConfig BatchContext Busy ClientTlsConfig Clock Config
        Context Deliver Drop Duration Ending Exporter ExporterConfig FilePath Forbidden
        HttpExporterConfig Keep Logger Meter Moved Processor QueueConfig Receiver Reject Resource
        Retry RetryConfig Scope Secret Span TooLarge Trace TraceProcessor Value Wait
    """,
    "gateway.testing": """
        ContractError FakeClock FakeContext FakeLogger FakeMeter FakeMlflow batch check_contract
        component processor trace
    """,
}
MEMBERS_SINCE_1_0 = {
    "Processor": "on_error stability config start admit process stop",
    "TraceProcessor": "on_error stability config max_traces remembered start decide release stop",
    "Trace": "trace_id tenant context span_count size_bytes first_unix_ns last_unix_ns "
    "root_unix_ns now_unix_ns ending age_s root_age_s batch spans root resources",
    "Exporter": "unique_spans stability config start route describe pages export stop",
    "Receiver": "stability config start listen refuse endpoints stop",
    "Batch": "context spans resources request peek drop encode entries to_json touch untouched",
    "Span": "name trace_id span_id parent_span_id is_root is_error attributes resource scope proto "
    "peek append",
    "Attributes": "text json discard layout get items",
    "Context": "component_id logger meter clock data_dir",
    "Clock": "time_ns monotonic sleep",
    "Meter": "count gauge",
    "Logger": "debug info warning error",
}


@pytest.mark.parametrize("module", SINCE_1_0)
def test_no_name_is_lost(module: str) -> None:
    """All names of version 1.0 can be imported and are announced in ``__all__``."""
    imported = importlib.import_module(module)
    names = set(SINCE_1_0[module].split())

    assert set() == names - set(imported.__all__)
    assert set() == {name for name in imported.__all__ if not hasattr(imported, name)}


@pytest.mark.parametrize("name", MEMBERS_SINCE_1_0)
def test_no_member_is_lost(name: str) -> None:
    """Whatever plugins call or override is still there."""
    kind = getattr(importlib.import_module("gateway.plugin"), name)
    there = {*dir(kind), "config", "context"}  # those are set by constructors

    assert set() == set(MEMBERS_SINCE_1_0[name].split()) - there


def test_the_version_is_that_of_the_lists() -> None:
    """A new major version gets new lists."""
    assert "1" == API_VERSION.partition(".")[0]
