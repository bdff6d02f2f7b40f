"""What all tests share."""

from hypothesis import HealthCheck, settings

# How fast a machine is must not decide whether a property holds.
settings.register_profile("spangate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("spangate")
