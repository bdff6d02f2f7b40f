"""Measure throughput: a real gateway process between a load generator and a sink."""
