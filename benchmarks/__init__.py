"""
What the gateway costs, measured; the figures last recorded are in RESULTS.md.

``make bench`` compares throughput with what was recorded, ``make bench-all`` records it anew with
all of these, in seven minutes or so. Each prints its figures, and ``--record`` writes its section:

- ``python -m benchmarks``: throughput by kind of work, and what processors take;
- ``python -m benchmarks.latency``: until the answer, at a part of what is possible;
- ``python -m benchmarks.scaling``: one worker and two, few connections and many;
- ``python -m benchmarks.flatness``: when backlog, tenants, lanes or open traces become many.

Apart from these: ``python -m benchmarks.mlflow`` (a real MLflow; five minutes),
``python -m benchmarks.queue`` and ``python -m benchmarks.redaction``.
"""
