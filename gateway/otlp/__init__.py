"""OTLP: wire format, JSON, values, status bodies."""
