"""From an exporter's queue to its destinations: batching, retries, parking, isolation."""
