"""What all tests share."""

import signal

from hypothesis import HealthCheck, settings

from gateway import compiled

# How fast a machine is must not decide whether a property holds.
settings.register_profile("spangate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("spangate")

# What a shell starts in the background ignores Ctrl-C, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Say which flavour is tested; ``SPANGATE_PURE_PYTHON=1`` tests the sources."""
    return f"spangate: {compiled.flavour()}"
