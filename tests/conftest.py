"""What all tests share."""

from hypothesis import HealthCheck, settings

from gateway import compiled

# How fast a machine is must not decide whether a property holds.
settings.register_profile("spangate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("spangate")


def pytest_report_header() -> str:
    """Say which flavour is tested; ``SPANGATE_PURE_PYTHON=1`` tests the sources."""
    return f"spangate: {compiled.flavour()}"
