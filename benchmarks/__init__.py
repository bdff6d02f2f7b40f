"""Throughput of the gateway, measured; the figures last recorded are in RESULTS.md."""
