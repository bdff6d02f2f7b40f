"""What a span is, in MLflow's words."""

import functools
from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from gateway.plugin import Span
from processors.mlflow_mapping.keys import CUSTOM_TYPES, SPAN_TYPE, SPAN_TYPES, UNKNOWN
from processors.mlflow_mapping.plan import Plan, Reading
from processors.mlflow_mapping.texts import leaves, read, string

MAX_LENGTH: Final = 250
"""Longest type that MLflow's table holds on every database."""

_VECTOR_STORES: Final = ("chroma", "pinecone", "qdrant", "weaviate", "milvus", "lancedb", "marqo",
                  "faiss", "pgvector", "opensearch_vector", "vespa", "astra")  # fmt: skip
_SEARCHES: Final = ("query", "search", "get", "find", "hybrid", "similarity")


def said_type(reading: Reading) -> str | None:
    """Return the type that the span names in MLflow's own attribute, unless it is UNKNOWN."""
    value = reading.at(SPAN_TYPE)
    if value is None:
        return None
    text = string(value)
    listed = not text or text[:1] in ("[", "{")
    upper = (kind_of(value) if listed else text).upper()
    if upper in SPAN_TYPES or upper in CUSTOM_TYPES:
        text = upper
    elif listed:
        return None
    return text[:MAX_LENGTH] if text != UNKNOWN else None


def kind_of(value: AnyValue) -> str:
    """Return what an attribute says a span is, lower case, even from a list."""
    text = string(value)
    if text[:1] not in ("[", "{") and text:
        return text.lower()
    words = [leaf for leaf in leaves(read(value)) if isinstance(leaf, str)]
    return words[-1].lower() if words else ""


def plain_type(reading: Reading) -> str | None:
    """Return the type that the only key says which tells it; ``None``: it is not so simple."""
    layout = reading.layout
    if layout.kind_place < 0:
        return None
    return layout.kind_words.get(reading.fields.utf8(layout.kind_place))


def find_type(plan: Plan, reading: Reading, span: Span) -> str:
    """Return the type; UNKNOWN where nothing tells."""
    said_unknown = False
    for hit in reading.get("kinds"):
        found = hit.detail.get(reading.text(hit)) or hit.detail.get(kind_of(reading.value(hit)))
        if found and found != UNKNOWN:
            return str(found)
        said_unknown = said_unknown or found == UNKNOWN
    named = plan.named_type(reading.origin.scope, span.peek.name)
    if named:
        return named
    return UNKNOWN if said_unknown else _guess(reading, span)


def _guess(reading: Reading, span: Span) -> str:
    """Tell from what the span carries."""
    for hit in reading.get("hints"):
        return str(hit.detail)
    hits = reading.hits
    if not hits:
        return type_by_name(span.peek.name)
    if "vectors" in hits or "texts" in hits:
        return "EMBEDDING"
    if "output_messages" in hits or "output_groups" in hits or "reply" in hits:
        return "LLM"
    if "documents" in hits or "document_lists" in hits:
        return "RETRIEVER"
    return type_by_name(span.peek.name)


def type_by_name(span_name: str) -> str:
    """Return the type of a span of which no more than the name may tell it."""
    return "RETRIEVER" if _searches_vectors(span_name[:MAX_LENGTH]) else UNKNOWN


@functools.lru_cache(maxsize=4096)
def _searches_vectors(span_name: str) -> bool:
    """Whether the span asks a vector database, as Traceloop and OpenLIT instrument them."""
    name = span_name.lower()
    head = name.split(".", 1)[0].split(" ", 1)[0]
    return head.startswith(_VECTOR_STORES) and any(word in name for word in _SEARCHES)


def is_rollup(reading: Reading) -> bool:
    """Whether a dialect says that the call goes around other calls, whose usage it repeats."""
    for hit in reading.get("rollups"):
        value = kind_of(reading.value(hit))
        if value.startswith(hit.detail) and ".do" not in value and value != "ai.toolcall":
            return True
    return False
