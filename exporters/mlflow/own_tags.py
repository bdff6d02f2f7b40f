"""Let no sender tell MLflow where a trace's data lies: those tags are MLflow's own."""

import re2  # type: ignore[import-untyped]  # google-re2 ships no types

from gateway.plugin import Batch

PREFIX = "mlflow.traceTag."
"""What attributes of a root are called that MLflow makes tags of the trace."""

OWN = ("mlflow.artifactLocation", "mlflow.trace.archiv", "mlflow.trace.spansLocation")
"""What the tags begin with by which MLflow finds spans and attachments in its artifact store."""

SET_ASIDE = "refused."

_DOOMED = tuple(PREFIX + tag for tag in OWN)
_NAMED = re2.compile("|".join(map(re2.escape, _DOOMED)).encode())


def without_own_tags(batch: Batch) -> Batch:
    """
    Return the batch with attributes renamed that would set MLflow's own tags.

    MLflow before 3.18 believes them, and shows whoever reads the trace what lies there instead:
    files of another experiment, or of the server.
    """
    if _NAMED.search(batch.encode()) is None:
        return batch
    for span in batch:
        attributes = span.attributes
        for key in [key for key in attributes if key.startswith(_DOOMED)]:
            attributes[SET_ASIDE + key] = attributes.pop(key)
    return batch
